import { defineConfig } from "vitest/config";
import LongestFirst from "./test/support/sequencer.ts";

/** What a test needs besides Node stands in the name of its file: x.engine.test.ts and so on; x.test.ts needs nothing. */
const TIERS = ["engine", "parity", "browser", "system"];

/** What is started once for all files of a tier. */
const SETUPS: Readonly<Record<string, readonly string[]>> = {
  engine: ["./test/cli/servers.ts"],
  parity: ["./test/support/pythons.ts"],
  browser: ["./test/support/browser.ts"],
  system: ["./test/cli/servers.ts", "./test/support/pythons.ts", "./test/support/browser.ts"],
};

export default defineConfig({
  test: {
    // two cores: two files at once, so each computes with one thread where it can; idle threads of ONNX Runtime would spin. Three are no
    // faster
    maxWorkers: 2,
    // files share a worker's modules, which take seconds to load
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 300_000,
    // a page may wait for the processor
    expect: { poll: { timeout: 20_000 } },
    sequence: { sequencer: LongestFirst },
    reporters: ["default", "./test/support/reporter.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [`test/**/*.{${TIERS}}.test.ts`],
        },
      },
      ...TIERS.map((name) => ({
        extends: true as const,
        test: {
          name,
          include: [`test/**/*.${name}.test.ts`],
          globalSetup: [...SETUPS[name]!],
        },
      })),
    ],
  },
});

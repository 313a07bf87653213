import { defineConfig } from "vitest/config";

/** What a test needs besides Node stands in the name of its file: x.engine.test.ts and so on; x.test.ts needs nothing. */
const TIERS = ["engine", "parity", "browser"];

export default defineConfig({
  test: {
    // two cores: engines and PyTorch compute with threads of their own
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 300_000,
    reporters: ["default", "./test/support/reporter.ts"],
    projects: [
      {
        extends: true,
        test: {
          name: "unit",
          include: ["test/**/*.test.ts"],
          exclude: [`test/**/*.{${TIERS}}.test.ts`],
          // all files of a worker share its modules: half of the time went into loading them for each file
          isolate: false,
        },
      },
      ...TIERS.map((name) => ({ extends: true as const, test: { name, include: [`test/**/*.${name}.test.ts`] } })),
    ],
  },
});

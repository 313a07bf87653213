/** The tutorial, followed command by command, on less data. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { CLI } from "../cli/run.ts";
import { tutorialCommands, tutorialFolder } from "./tutorial.ts";

describe("docs/tutorial.md", () => {
  const folder = tutorialFolder();
  for (const [file, wanted, less] of [
    ["make-images.js", /length: (5|1)000/g, "length: $130"],
    ["train.js", /epochs: 8/, "epochs: 1"],
  ] as const) {
    const code = readFileSync(join(folder, file), "utf8");
    expect(code).toMatch(wanted);
    writeFileSync(join(folder, file), code.replace(wanted, less));
  }
  // npm brings what is linked in here; the browser has a test of its own
  const commands = tutorialCommands().filter(([program, name]) => program === "node" || name === "convnets");

  it("has commands", () => expect(commands.length).toBeGreaterThanOrEqual(8));

  it.each(commands.map((words) => [words.join(" "), words] as const))(
    "%s",
    (_, words) => {
      const args = words[0] === "npx" ? [CLI, ...words.slice(2)] : words.slice(1);
      const fewer = args.map((arg, i) => (args[i - 1] === "--epochs" ? "1" : arg));
      const { stderr, status } = spawnSync(process.execPath, fewer, { cwd: folder, encoding: "utf8" });
      expect(status, stderr).toBe(0);
    },
    120_000,
  );
});

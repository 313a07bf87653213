/** Documents whose programs run in moments: they run, and print what the documents show. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import "../cli/run.ts";
import { programsOf, runFile, workspace } from "./documents.ts";

describe.each(["docs/gradients.md"])("%s", (document) => {
  const folder = workspace();
  it.each(programsOf(document))(
    "$name",
    ({ name, code, output }) => {
      const file = join(folder, `${name}.ts`);
      writeFileSync(file, code);
      const { stdout, stderr, status } = runFile(file);
      expect(stderr).toBe("");
      expect(status).toBe(0);
      if (output !== "") expect(stdout).toBe(output);
    },
    60_000,
  );
});

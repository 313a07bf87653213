/** The TypeScript in the documents compiles against the package as it is built. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import "../cli/run.ts";
import { DOCUMENTS, programsOf, typeCheck, workspace } from "./documents.ts";

it("the documents' programs compile", () => {
  const folder = workspace();
  const programs = DOCUMENTS.flatMap(programsOf);
  expect(programs.length).toBeGreaterThanOrEqual(5);
  // modules, so that their names do not collide
  for (const { name, code } of programs) writeFileSync(join(folder, `${name}.ts`), `${code}\nexport {};\n`);
  expect(typeCheck(folder)).toBe("");
}, 60_000);

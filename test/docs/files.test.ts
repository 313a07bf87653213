/** What docs/files.md says that can be tried without training: the rest is made by scripts/files.ts. */
import { readFileSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, it } from "vitest";
import { archives, dataSets, networkFiles, others, root } from "../../scripts/files-made.ts";
import { call, FOUND, foundTable, isFound, told } from "../../scripts/files-told.ts";
import { unless } from "../support/skip.ts";

const document = readFileSync(fileURLToPath(new URL("../../docs/files.md", import.meta.url)), "utf8");
afterAll(() => rmSync(root, { recursive: true }));

it("inspect tells every kind of file in the table, and others apart", async () => {
  const sets = [...dataSets(), ...(await archives())];
  const networks = await networkFiles();
  for (const [kind, path] of sets) {
    expect(document).toMatch(new RegExp(`\\| ${kind.replaceAll(/[.()]/g, "\\$&")} +\\| yes`));
    expect(await call("inspect", [path])).toMatch(/a data set \(.*\n.*next/s);
  }
  for (const path of Object.values(networks)) expect(await call("inspect", [path])).toContain("next ");
  expect(document).toContain(await told(others(), root));
});

it(
  "the table of files that others published is what inspect and summary say",
  unless(isFound ? undefined : `there is no ${FOUND}`),
  async () => {
    // the formatter pads cells
    const plain = (text: string) => text.replaceAll(/[ -]+/g, " ");
    expect(plain(document)).toContain(plain(await foundTable()));
  },
);

/** Links between the documents lead somewhere. */
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, it } from "vitest";
import { DOCUMENTS, ROOT, readDocument } from "./documents.ts";

/** The anchor that GitHub makes of a heading. */
const anchor = (heading: string) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, "")
    .trim()
    .replaceAll(" ", "-");

const anchorsOf = (document: string) =>
  [...readDocument(document).matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading!));

it.each(DOCUMENTS)("%s", (document) => {
  const broken: string[] = [];
  for (const [, link = ""] of readDocument(document).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [path = "", fragment] = link.split("#");
    const target = path === "" ? document : posix.join(posix.dirname(document), path);
    if (!existsSync(join(ROOT, target))) broken.push(`${link}: there is no ${target}`);
    else if (fragment && !anchorsOf(target).includes(fragment)) broken.push(`${link}: there is no such heading`);
  }
  expect(broken).toEqual([]);
});

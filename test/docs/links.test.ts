/** Links between the documents lead somewhere, in the repository and in the package. */
import { existsSync, readFileSync } from "node:fs";
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

const { files } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8")) as { files: string[] };
const packed = (path: string) =>
  /^(README\.md|LICENSE|package\.json)$/.test(path) ||
  files.some((entry) => path === entry || path.startsWith(`${entry.replace(/\/$/, "")}/`));

it.each(DOCUMENTS)("links of %s", (document) => {
  const broken: string[] = [];
  for (const [, link = ""] of readDocument(document).matchAll(/\]\(([^)\s]+)\)/g)) {
    if (/^[a-z]+:/.test(link)) continue;
    const [path = "", fragment] = link.split("#");
    const target = path === "" ? document : posix.join(posix.dirname(document), path);
    if (!existsSync(join(ROOT, target))) broken.push(`${link}: there is no ${target}`);
    else if (packed(document) && !packed(target)) broken.push(`${link}: ${target} is not in the package`);
    else if (fragment && !anchorsOf(target).includes(fragment)) broken.push(`${link}: there is no such heading`);
  }
  expect(broken).toEqual([]);
});

it.each(DOCUMENTS)("files that %s names", (document) => {
  const named = [...readDocument(document).matchAll(/`((?:src|test|examples|scripts|bench)\/[\w./-]+)`/g)];
  expect(named.map(([, path]) => path!).filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

/** The tutorial's files and commands. */
import { symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { blocksOf, ROOT, workspace } from "./documents.ts";

const DOCUMENT = "docs/tutorial.md";

/** A folder with the tutorial's files, each named in the first line of its block, and what its `npm install` brings. */
export function tutorialFolder(): string {
  const folder = workspace();
  for (const name of ["sharp", "vite", "onnxruntime-web"])
    symlinkSync(join(ROOT, "node_modules", name), join(folder, "node_modules", name), "junction");
  const files = new Map<string, string>();
  for (const { code } of blocksOf(DOCUMENT)) {
    const name = /^(?:\/\/|<!--) ([\w.-]+)/.exec(code)?.[1];
    if (name !== undefined) files.set(name, (files.get(name) ?? "") + code.slice(code.indexOf("\n")));
  }
  for (const [name, code] of files) writeFileSync(join(folder, name), code);
  return folder;
}

/** Its shell commands, word by word. */
export const tutorialCommands = (): string[][] =>
  blocksOf(DOCUMENT)
    .filter(({ language }) => language === "sh")
    .flatMap(({ code }) => code.trim().split("\n"))
    .map((line) => line.split(" "));

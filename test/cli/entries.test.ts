/** What the library's entries reach. */
import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SRC = fileURLToPath(new URL("../../src", import.meta.url));

const IMPORTS = /^(?:import|export)\s(?:[^;"]*?from\s*)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;

/** Everything that a file imports, and what that imports in turn: our files by path below src, packages by name. */
function reached(entry: string): Set<string> {
  const found = new Set<string>();
  const follow = (file: string): void => {
    found.add(relative(SRC, file).replaceAll("\\", "/"));
    const text = readFileSync(file, "utf8").replace(/^(import|export) type [^;]*;/gm, "");
    for (const [, fixed, late] of text.matchAll(IMPORTS)) {
      const target = (fixed ?? late)!;
      const next = resolve(dirname(file), target);
      if (!target.startsWith(".")) found.add(target);
      else if (!found.has(relative(SRC, next).replaceAll("\\", "/"))) follow(next);
    }
  };
  follow(resolve(SRC, entry));
  return found;
}

/** Packages without native code, which run in browsers. */
const PORTABLE = /^(@bufbuild\/protobuf(\/|$)|fflate$|valibot$|onnxruntime-(common|web)(\/|$))/;

test.each(["index.ts", "web.ts"])("%s runs in browsers", (entry) => {
  const all = [...reached(entry)];
  const packages = all.filter((name) => !name.endsWith(".ts"));
  expect(packages.filter((name) => !PORTABLE.test(name))).toEqual([]);
  expect(all.filter((name) => name === "node.ts" || name.endsWith("/node.ts"))).toEqual([]);
  for (const part of ["graph", "operators", "passes", "onnx", "nn", "models", "summary", "draw", "optim", "train"])
    expect(all).toContain(`${part}/index.ts`);
});

test("node.ts holds all of index.ts, and the engine", () => {
  const all = reached("node.ts");
  for (const name of reached("index.ts")) expect(all).toContain(name);
  expect(all).toContain("onnxruntime-node");
});

test.each(["cli/summary.ts", "cli/models.ts", "cli/compare.ts"])("%s loads neither engine nor decoder", (command) => {
  const heavy = [...reached(command)].filter((name) => /^(onnxruntime|sharp)/.test(name));
  expect(heavy).toEqual([]);
});

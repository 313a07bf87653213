/** What the library's entries reach. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const SRC = fileURLToPath(new URL("../../src", import.meta.url));

const IMPORTS = /^(?:import|export)\s(?:[^;"]*?from\s*)?"([^"]+)"/gm;
const LATE_IMPORTS = /\bimport\("([^"]+)"\)/g;

/**
 * The files of ours, by path below src, and the packages, by name, that a file loads when it is imported. With `late`, also what
 * it may load afterwards by `import()`.
 */
function reached(entry: string, { late = false } = {}): Set<string> {
  const found = new Set<string>();
  const follow = (file: string): void => {
    found.add(relative(SRC, file).replaceAll("\\", "/"));
    const text = readFileSync(file, "utf8").replace(/^(import|export) type [^;]*;/gm, "");
    for (const [, target = ""] of [...text.matchAll(IMPORTS), ...(late ? text.matchAll(LATE_IMPORTS) : [])]) {
      const next = resolve(dirname(file), target);
      if (!target.startsWith(".")) found.add(target);
      else if (!found.has(relative(SRC, next).replaceAll("\\", "/"))) follow(next);
    }
  };
  follow(resolve(SRC, entry));
  return found;
}

/** Packages without native code, which run in browsers. */
const PORTABLE = /^(@bufbuild\/protobuf(\/|$)|valibot$|onnxruntime-(common|web)(\/|$))/;

/** Folders with an entry of their own; the studio's server has none, only its command starts it. */
const rooms = readdirSync(SRC, { withFileTypes: true }).filter(
  ({ name }) => name !== "cli" && existsSync(resolve(SRC, name, "index.ts")),
);
const portable = ["index.ts", "web.ts", ...rooms.map(({ name }) => `${name}/index.ts`)];

test.each(portable)("%s runs in browsers", (entry) => {
  const all = [...reached(entry, { late: true })];
  const packages = all.filter((name) => !name.endsWith(".ts"));
  expect(packages.filter((name) => !PORTABLE.test(name))).toEqual([]);
  expect(all.filter((name) => /(^|\/)node(\.ts|\/)/.test(name))).toEqual([]);
});

test("every folder is an entry of the package", () => {
  const { exports } = JSON.parse(readFileSync(resolve(SRC, "../package.json"), "utf8")) as { exports: object };
  for (const { name } of rooms) if (name !== "runtime") expect(Object.keys(exports)).toContain(`./${name}`);
});

test("node.ts holds the engine for Node, and loads no build of ONNX Runtime before it is asked for one", () => {
  const all = [...reached("node.ts")];
  expect(all).toContain("runtime/node/engine.ts");
  expect(all.filter((name) => /^onnxruntime-(node|web)/.test(name))).toEqual([]);
});

test.each(["cli/summary.ts", "cli/models.ts", "cli/compare.ts"])("%s loads neither engine nor decoder", (command) => {
  const heavy = [...reached(command)].filter((name) => /^(onnxruntime|sharp)/.test(name));
  expect(heavy).toEqual([]);
});

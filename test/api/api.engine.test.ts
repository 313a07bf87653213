/**
 * The public API. Every change of it shows as a diff of the files in `entries/`: look at it, then accept it with
 * `npx vitest run test/api -u`, and tell users in CHANGELOG.md.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { surfaceOf } from "./surface.ts";

/** Names in the root entry at most. */
const ROOT_LIMIT = 90;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const { exports } = JSON.parse(readFileSync(`${ROOT}package.json`, "utf8")) as {
  exports: Record<string, { types: string } | string>;
};
const entries = Object.entries(exports).flatMap(([name, target]) =>
  typeof target === "string" ? [] : [[name.replace(/^\.\/?/, "") || "root", `${ROOT}${target.types}`] as const],
);

describe.each(entries)("%s", (name, file) => {
  const surface = surfaceOf(file);

  it("is as recorded", async () => {
    // what the root has is declared in the other entries: its names are enough
    const lines = name === "root" ? surface.map((one) => one.name) : surface.map(({ text }) => `${text}\n`);
    await expect(`${lines.join("\n")}\n`).toMatchFileSnapshot(`entries/${name}.txt`);
  });

  it("has a docstring for every name", () => {
    expect(surface.filter(({ doc }) => doc === "").map(({ name }) => name)).toEqual([]);
  });
});

it(`has at most ${ROOT_LIMIT} names in its root`, () => {
  const root = surfaceOf(entries.find(([name]) => name === "root")![1]);
  expect(root.length).toBeGreaterThan(60);
  expect(root.length).toBeLessThanOrEqual(ROOT_LIMIT);
});

/**
 * The name of a test file says what its tests need besides Node, and which command runs them:
 *
 *     x.test.ts            nothing; takes seconds            npm run test:unit
 *     x.engine.test.ts     ONNX Runtime, the build in dist   npm run test:engine
 *     x.parity.test.ts     Python, to compare with           npm run test:parity
 *     x.browser.test.ts    Chromium                          npm run test:browser
 *     x.system.test.ts     all of these, and minutes         npm run test:system
 *
 * Nothing that a test imports may need more than that. The system's tests kill programs and browser tabs, run ranks under mpirun,
 * train beside PyTorch and in the studio, click through its lessons, install the packed package, and follow the tutorial and the
 * examples; `npm test` leaves them out, and .ci/run runs them after it.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { LONG } from "./support/long.ts";

const TEST = fileURLToPath(new URL(".", import.meta.url));

/** The tier of whatever imports these. ONNX Runtime's binding loads its library at once; the build has to be made first. */
const NEEDS = {
  engine: [
    /^onnxruntime-(node|web)$/,
    /runtime\/(node|web)(\/index)?\.ts$/,
    /^test\/cli\/run\.ts$/,
    /^test\/package\/packed\.ts$/,
  ],
  parity: [/^test\/support\/python\.ts$/],
  browser: [/^playwright-core$/],
} as const;

/** Tiers whose tests may need what belongs to a tier. */
const ALLOWED = {
  engine: ["engine", "parity", "browser", "system"],
  parity: ["parity", "system"],
  browser: ["browser", "system"],
} as const;

/** Files and packages that a file imports, directly and through others; types and late imports aside. */
function reached(file: string, found = new Set<string>()): Set<string> {
  const text = readFileSync(file, "utf8").replace(/^(import|export) type [^;]*;/gm, "");
  for (const [, target = ""] of text.matchAll(/^(?:import|export)\s(?:[^;"]*?from\s*)?"([^"]+)"/gm)) {
    const next = target.startsWith(".") ? resolve(dirname(file), target) : target;
    const name = target.startsWith(".") ? relative(join(TEST, ".."), next).replaceAll("\\", "/") : target;
    if (found.has(name)) continue;
    found.add(name);
    if (existsSync(next)) reached(next, found);
  }
  return found;
}

const files = readdirSync(TEST, { recursive: true, encoding: "utf8" })
  .map((name) => name.replaceAll("\\", "/"))
  .filter((name) => name.endsWith(".test.ts"));

test("the files that start first are there", () => {
  expect(Object.keys(LONG).filter((name) => !files.includes(name))).toEqual([]);
});

test.each(files.map((name) => [name]))("%s", (name) => {
  const tier = /\.(engine|parity|browser|system)\.test\.ts$/.exec(name)?.[1] ?? "unit";
  const imports = [...reached(join(TEST, name))];
  for (const need of ["engine", "parity", "browser"] as const) {
    const cause = imports.find((path) => NEEDS[need].some((pattern) => pattern.test(path)));
    const allowed = !cause || (ALLOWED[need] as readonly string[]).includes(tier);
    expect(allowed, `it imports ${cause}, so its name has to end in .${need}.test.ts`).toBe(true);
  }
});

/** Networks in people's own files. */
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { convnets, DIST, type Outcome } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-files-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const library = (path: string) => JSON.stringify(pathToFileURL(path).href);

beforeAll(() => {
  const nn = library(join(DIST, "nn/index.js"));
  write(
    "networks.mjs",
    `import { AdaptiveAvgPool2d, Conv2d, Flatten, Linear, Module, Sequential } from ${nn};
    export default class Own extends Module {
      constructor({ numClasses = 10 } = {}) {
        super();
        this.conv = new Conv2d(3, 8, 3);
        this.pool = new AdaptiveAvgPool2d(1);
        this.head = new Linear(8, numClasses);
      }
      forward(x) {
        return this.head.call(this.pool.call(this.conv.call(x)).flatten(1));
      }
    }
    export const finished = new Sequential(new Conv2d(3, 4, 1), new Flatten());
    export const build = ({ numClasses = 3 } = {}) => new Own({ numClasses });
    export const later = async () => finished;
    export const settings = { depth: 3 };
    export class Broken extends Module {
      forward(x) {
        return new Conv2d(3, 4, 1).call(x);
      }
    }`,
  );
  write("typed.ts", `import { ReLU } from ${nn};\nconst network: ReLU = new ReLU();\nexport default network;\n`);
  write(
    "two.mjs",
    `import { cat, Module } from ${nn};
    class Two extends Module {
      forward(a, b) {
        return cat([a, b], 1);
      }
    }
    export default new Two();`,
  );
  mkdirSync(join(folder, "commonjs"));
  write("commonjs/package.json", '{ "type": "commonjs" }');
  write("commonjs/net.js", `import { ReLU } from ${nn};\nexport default new ReLU();`);
  write("syntax.mjs", "export default class {");
  write("empty.mjs", "");
  // another copy of the library, as when the command is installed elsewhere than the project's convnets
  cpSync(DIST, join(folder, "copy"), { recursive: true });
  const copy = library(join(folder, "copy/nn/index.js"));
  write("copied.mjs", `import { ReLU } from ${copy};\nexport { ReLU };\nexport default new ReLU();`);
  write("package.json", '{ "type": "module" }');
});

const summary = (file: string, ...flags: string[]): Outcome => convnets(["summary", file, ...flags], { cwd: folder });

test.each([
  ["a class", "networks.mjs", [], "Own", 3 * 8 * 9 + 8 + 8 * 10 + 10],
  ["a class, with classes", "./networks.mjs", ["--num-classes", "4"], "Own", 3 * 8 * 9 + 8 + 8 * 4 + 4],
  ["a function", "networks.mjs#build", [], "Own", 3 * 8 * 9 + 8 + 8 * 3 + 3],
  ["a function, with classes", "networks.mjs#build", ["--num-classes", "5"], "Own", 3 * 8 * 9 + 8 + 8 * 5 + 5],
  ["an instance", "networks.mjs#finished", [], "Sequential", 16],
  ["a function that takes its time", "networks.mjs#later", [], "Sequential", 16],
])("%s is taken", (_, file, flags, type, params) => {
  const { stdout, stderr, status } = summary(file, ...flags, "--input", "2,3,9,9", "--json");
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  const { rows, totals } = JSON.parse(stdout);
  expect(rows[0]).toMatchObject({ type, inputSize: [2, 3, 9, 9] });
  expect(totals.params).toBe(params);
});

test.each([
  ["networks.mjs#Nothing", [], 2, 'exports Broken, build, default, finished, later, settings; "Nothing" has to be'],
  [
    "networks.mjs#settings",
    [],
    2,
    '"settings" has to be a Module, a class that extends Module, or a function that returns a Module',
  ],
  ["networks.mjs#finished", ["--num-classes", "4"], 2, "exports a finished network"],
  ["empty.mjs", [], 2, "empty.mjs exports nothing"],
  ["copied.mjs", [], 2, "another copy of convnets"],
  ["copied.mjs#ReLU", [], 2, "another copy of convnets"],
  ["syntax.mjs", [], 1, "syntax.mjs: "],
  ["networks.mjs#Broken", [], 1, "Conv2d is called, but is not a property of the network"],
  ["gone.mjs", [], 2, 'no file "gone.mjs"'],
])("%s %j is refused with exit code %i", (file, flags, expected, message) => {
  const { stdout, stderr, status } = summary(file, ...flags);
  expect({ stdout, status }).toEqual({ stdout: "", status: expected });
  expect(stderr).toContain(message);
});

test("TypeScript is read by Node where it can, else by tsx", () => {
  const { stdout, stderr, status } = summary("typed.ts", "--input", "1,3,9,9");
  expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
  expect(stdout).toContain("ReLU ");
});

test("without an input size, says what is assumed", () => {
  expect(summary("networks.mjs#finished").stderr).toBe(
    "networks.mjs does not record its input size; assuming 1×3×224×224 (--input sets it).\n",
  );
});

test("several inputs are given by name", () => {
  const named = summary("two.mjs", "--input", "a=1,3,8,8", "--input", "b=1,1,8,8", "--json");
  expect({ stderr: named.stderr, status: named.status }).toEqual({ stderr: "", status: 0 });
  expect(summary("two.mjs").stderr).toContain(
    "two.mjs takes 2 inputs, but 1 is given; give the shape of each: --input a=",
  );
  expect(summary("two.mjs", "--input", "1,3,8,8", "--input", "1,1,8,8").stderr).toContain("Several inputs need names");
});

test("import in a CommonJS folder gets a remedy", () => {
  const { stderr, status } = summary(join("commonjs", "net.js"));
  expect(status).toBe(1);
  expect(stderr).toContain('set "type": "module" there, or rename the file to end in .mjs');
});

test("compare takes files too", () => {
  const { stdout, status } = convnets(
    ["compare", "networks.mjs", "networks.mjs#build", "--input", "1,3,9,9", "--json"],
    { cwd: folder },
  );
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject([{ outputChannels: 10 }, { outputChannels: 3 }]);
});

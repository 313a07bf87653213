/** `convnets eval` of runs: the order of classes, networks of one's own. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import sharp from "sharp";
import { beforeAll, describe, expect, test } from "vitest";
import { put, temporaryFolder } from "../data/support.ts";
import { convnets, DIST } from "./run.ts";

const root = temporaryFolder();
const at = (...path: string[]) => join(root, ...path);
const run = at("run");

const COLOURS = { blue: "#2040f0", green: "#20c030", red: "#e03020" } as const;

/** Pictures of one colour, in class folders with these names. */
async function coloured(folder: string, names: Readonly<Record<string, keyof typeof COLOURS>>): Promise<string> {
  for (const [name, colour] of Object.entries(names)) {
    for (const part of ["train", "val"]) {
      mkdirSync(at(folder, part, name), { recursive: true });
      for (let i = 0; i < 8; i++) {
        const picture = sharp({ create: { width: 32, height: 32, channels: 3, background: COLOURS[colour] } });
        await picture.png().toFile(at(folder, part, name, `${i}.png`));
      }
    }
  }
  return at(folder);
}

/** The network of docs/training.md. */
const document = readFileSync(fileURLToPath(new URL("../../docs/training.md", import.meta.url)), "utf8");
const code = document.match(/^```js\n([\s\S]*?)^```/m)![1]!;
const own = put(at("net.mjs"), code.replace('"convnets"', JSON.stringify(pathToFileURL(join(DIST, "index.js")).href)));

beforeAll(async () => {
  const data = await coloured("data", { blue: "blue", green: "green", red: "red" });
  const images = ["--data", data, "--input-size", "32", "--batch-size", "8"];
  const flags = ["--epochs", "12", "--lr", "0.01", "--threads", "1", "--out", run, "--no-report"];
  const { status, stderr } = convnets(["train", own, ...images, ...flags]);
  expect({ status, stderr }).toEqual({
    status: 0,
    stderr: "train: 3 classes, 24 images in train/; val: 24 images in val/\n",
  });
});

const measured = (...args: string[]) => {
  const { status, stdout, stderr } = convnets(["eval", ...args, "--json"]);
  expect({ status, stderr: stderr.replace(/^train: .*\n/, "") }).toEqual({ status: 0, stderr: "" });
  return JSON.parse(stdout);
};

describe("a run of a network in a file", () => {
  test("is measured, as are its weights where the file is named", () => {
    expect(measured(run)).toMatchObject({ images: 24, top1: 1, classes: ["blue", "green", "red"] });
    const best = join(run, "best.safetensors");
    expect(measured(best, "--model", own, "--data", at("data"))).toMatchObject({ images: 24, top1: 1 });
    const { stdout } = convnets(["classify", at("data", "val", "red", "0.png"), "--weights", run, "--json"]);
    expect(stdout).toContain("red");
  });

  test("weights alone do not make their network's file run", () => {
    const { status, stderr } = convnets(["eval", join(run, "best.safetensors"), "--data", at("data")]);
    expect(status).toBe(1);
    expect(stderr).toContain(
      `has weights of "${own}", which is not a built-in network. The path stored in a weight file is never executed; pass the network with --model`,
    );
  });
});

describe("classes", () => {
  test("in another order, or written in another way, are the same", async () => {
    // sorted, Red comes first
    const data = await coloured("other-order", { Red: "red", blue: "blue", green: "green" });
    expect(measured(run, "--data", data)).toMatchObject({ images: 24, top1: 1 });
  });

  test("of other names are refused, in any number", async () => {
    const other = await coloured("others", { one: "blue", two: "green", three: "red" });
    const { status, stderr } = convnets(["eval", run, "--data", other]);
    expect(status).toBe(2);
    expect(stderr).toContain('has 3 classes (blue, green, red); data set "others" has 3 classes (one, three, two)');
    const two = await coloured("two", { one: "blue", two: "green" });
    expect(convnets(["eval", run, "--data", two]).stderr).toMatch(
      /the network has 3 outputs; data set ".*two" has 2 classes \(one, two\)/,
    );
  });

  test("that are numbers may mean anything", async () => {
    const numbers = await coloured("numbers", { 0: "blue", 1: "green", 2: "red" });
    expect(measured(run, "--data", numbers)).toMatchObject({ images: 24, top1: 1 });
  });
});

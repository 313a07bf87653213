/** The examples for Node run, on little data. */
import { spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { shapes, toInterleaved } from "../../src/data/index.ts";
import { createModel } from "../../src/models/index.ts";
import { exportOnnx } from "../../src/onnx/index.ts";
import "../cli/run.ts";
import { ROOT, runFile } from "../docs/documents.ts";

const EXAMPLES = join(ROOT, "examples");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "convnets-examples-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs an example in a folder of its own; what it prints. */
function run(name: string, ...args: string[]): string {
  const { stdout, stderr, status } = runFile(join(EXAMPLES, name), args, { cwd: folder });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout;
}

/** A folder of images as people have it: one subfolder per class. */
async function imageFolder(path: string, { length, split }: { length: number; split: "train" | "test" }) {
  const set = shapes({ length, split, size: 40 });
  for (let i = 0; i < length; i++) {
    const { image, label } = set.get(i);
    if (label > 2) continue;
    const into = join(path, set.classes[label]!);
    mkdirSync(into, { recursive: true });
    await sharp(toInterleaved(image), { raw: { width: 40, height: 40, channels: 3 } })
      .png()
      .toFile(join(into, `${i}.png`));
  }
}

it("own-network", () => {
  const output = run("own-network.ts", "300", "1");
  expect(output).toMatch(/Block: 1-4/);
  expect(output).toMatch(/^epoch 1 {2}loss \d\.\d+ {2}test accuracy [\d.]+ %$/m);
  expect(existsSync(join(folder, "resnet.pth"))).toBe(true);
  expect(existsSync(join(folder, "resnet.onnx"))).toBe(true);
});

it("several-labels", () => {
  expect(run("several-labels.ts", "200", "1")).toMatch(
    /^epoch 1 {2}loss [\d.]+ {2}test accuracy 0\.\d+ {2}F1 [\d.]+\nthe first test image has .*; the network sees .*\n$/,
  );
});

it("custom-loss", () => {
  expect(run("custom-loss.ts", "300", "1")).toMatch(
    /^focal loss: training loss [\d.]+, test accuracy [\d.]+ %\ncross-entropy: training loss [\d.]+, test accuracy [\d.]+ %\n$/,
  );
});

it("transfer-learning, and node-service with what it wrote", async () => {
  const model = createModel("vgg_small").initialize(1);
  writeFileSync(join(folder, "net.onnx"), exportOnnx(model, { input: ["N", 3, 32, 32] }).bytes);
  await imageFolder(join(folder, "data/train"), { length: 200, split: "train" });
  await imageFolder(join(folder, "data/val"), { length: 50, split: "test" });
  const output = run("transfer-learning.ts", "net.onnx", "data", "32");
  expect(output).toMatch(/^last layer: epoch 1 {2}loss .*\nall layers: epoch 1 .*\nall layers: epoch 2 .*/);
  expect(output).toMatch(/wrote tuned.onnx, a network for circle, ring, square/);

  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const service = spawn(process.execPath, ["--import", tsx, join(EXAMPLES, "node-service.ts"), "tuned.onnx", "0"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const line = await new Promise<string>((resolve) => service.stdout.once("data", (data) => resolve(String(data))));
    const url = /http:\S+/.exec(line)![0];
    const image = readFileSync(join(folder, "data/val/ring/1.png"));
    const response = await fetch(url, { method: "POST", body: image });
    expect(response.status).toBe(200);
    const predictions = (await response.json()) as { name: string; probability: number }[];
    expect(predictions.map(({ name }) => name).sort()).toEqual(["circle", "ring", "square"]);
    expect(predictions.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1, 5);
    expect((await fetch(url, { method: "POST", body: "no image" })).status).toBe(400);
    expect((await fetch(url)).status).toBe(405);
  } finally {
    service.kill();
  }
});

/** Several labels per image, on the command line: train, eval, classify, export, the report. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { Random } from "../../src/random.ts";
import { convnets, DIST } from "./run.ts";

vi.setConfig({ testTimeout: 120_000 }); // other processes may want the cores, too

const folder = mkdtempSync(join(tmpdir(), "convnets-labels-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const run = (...args: string[]) => convnets(args, { cwd: folder });

const NAMES = ["blue", "green", "red"];
const SIDE = 8;

/** Noise with a bright square of each color that is among the labels. */
beforeAll(async () => {
  const random = new Random(3, "labels");
  const rows: string[] = [];
  mkdirSync(at("images"));
  for (let i = 0; i < 160; i++) {
    const pixels = Uint8Array.from({ length: SIDE * SIDE * 3 }, () => random.integer(50));
    const has = NAMES.filter((_, k) => random.uniform() < 0.3 + 0.1 * k);
    for (const name of has) {
      const [x0, y0] = [random.integer(SIDE - 3), random.integer(SIDE - 3)];
      for (let y = 0; y < 3; y++)
        for (let x = 0; x < 3; x++) pixels[((y0 + y) * SIDE + x0 + x) * 3 + 2 - NAMES.indexOf(name)] = 250;
    }
    await sharp(pixels, { raw: { width: SIDE, height: SIDE, channels: 3 } })
      .png()
      .toFile(at(`images/${i}.png`));
    rows.push(`images/${i}.png,${has.join("|")},${i % 4 === 0 ? "test" : "train"}`);
  }
  writeFileSync(at("labels.csv"), `file,labels,split\n${rows.join("\n")}\n`);
  // the same images with one class each
  mkdirSync(at("classes"));
  for (const name of NAMES) {
    mkdirSync(at(`classes/${name}`));
    for (let i = 0; i < 2; i++) writeFileSync(at(`classes/${name}/${i}.png`), readFileSync(at(`images/${i}.png`)));
  }
  writeFileSync(
    at("net.mjs"),
    `import { AdaptiveMaxPool2d, Conv2d, Flatten, Linear, ReLU, Sequential } from ${JSON.stringify(pathToFileURL(join(DIST, "nn/index.js")).href)};
    export default ({ numClasses = 3, softmax } = {}) =>
      new Sequential(new Conv2d(3, 12, 3), new ReLU(), new AdaptiveMaxPool2d(1), new Flatten(), new Linear(12, numClasses));`,
  );
});

const trained = () =>
  run(
    "train",
    "net.mjs",
    "--data",
    "labels.csv",
    "--input-size",
    "8",
    "--epochs",
    "6",
    "--batch-size",
    "20",
    "--lr",
    "0.03",
    "--optimizer",
    "adamw",
    "--workers",
    "0",
    "--out",
    "run",
  ); // prettier-ignore

test("train chooses the loss, and says so; eval, classify and the report know what the outputs mean", () => {
  const { stdout, stderr, status } = trained();
  expect(status, stderr).toBe(0);
  expect(stderr).toMatch(/train: 3 labels \(an image can have several\), 120 images in labels\.csv; test: 40 images/);
  expect(stderr).toContain("Images can have several labels: the loss is binary cross-entropy");
  expect(stdout).toMatch(/validation loss [\d.]+ {2}mAP [\d.]+ % {2}valid\. F1 [\d.]+ %/);
  expect(stdout).toMatch(/best loss [\d.]+ in epoch/);
  const page = readFileSync(at("run/report.html"), "utf8");
  for (const part of ["Mean average precision", "Labels after epoch 6", "average precision", "Share of labels"])
    expect(page).toContain(part);
  for (const part of ["Confusion", "top-1", "NaN"]) expect(page).not.toContain(part);

  const json = (...args: string[]) => JSON.parse(run(...args, "--json").stdout);
  const evaluated = json("eval", "run");
  expect(evaluated.metrics.meanAveragePrecision).toBeGreaterThan(0.9);
  expect(evaluated.perLabel).toHaveLength(3);
  expect(run("eval", "run").stdout).toMatch(/label +images +precision +recall +F1 +average precision/);
  expect(run("runs", ".").stdout).toMatch(/run +net\.mjs +labels\.csv +finished +6\/6 +mAP \d/);

  const [{ predictions }] = json("classify", "images/0.png", "--weights", "run", "--model", "net.mjs");
  const sum = predictions.reduce((all: number, { probability }: { probability: number }) => all + probability, 0);
  expect(sum).not.toBeCloseTo(1, 2);

  // exported, with and without the sigmoid, it is the same network
  for (const flags of [[], ["--softmax"]]) {
    expect(
      run(
        "export",
        "net.mjs",
        "--weights",
        "run",
        "-o",
        "net.onnx",
        "--input",
        "1,3,8,8",
        "--num-classes",
        "3",
        "--force",
        ...flags,
      ).status,
    ).toBe(0); // prettier-ignore
    const again = json("eval", "net.onnx", "--data", "labels.csv");
    expect(again.metrics.meanAveragePrecision).toBeCloseTo(evaluated.metrics.meanAveragePrecision, 9);
    expect(again.metrics.f1).toBeCloseTo(evaluated.metrics.f1, 9);
    const [found] = json("classify", "images/0.png", "--weights", "net.onnx");
    for (const [i, { name, probability }] of found.predictions.entries()) {
      expect(name).toBe(predictions[i].name);
      expect(probability).toBeCloseTo(predictions[i].probability, 6);
    }
  }
});

test("predict computes with images, and convert keeps the preprocessing that it is told", () => {
  const predict = (...args: string[]) => JSON.parse(run("predict", ...args, "--json").stdout).output;
  expect(
    run(
      "convert",
      "run",
      "told.onnx",
      "--model",
      "net.mjs",
      "--input",
      "1,3,8,8",
      "--num-classes",
      "3",
      "--mean",
      "0.5",
      "--std",
      "0.5",
    ).status,
  ).toBe(0); // prettier-ignore
  const { shape, data } = predict("told.onnx", "images/0.png", "images/1.png");
  expect(shape).toEqual([2, 3]);
  expect(predict("told.onnx", "images").shape).toEqual([160, 3]);
  const again = predict("net.onnx", "images/1.png", "images/0.png", "--mean", "0.5", "--std", "0.5").data;
  const sigmoid = data.map((score: number) => 1 / (1 + Math.exp(-score)));
  for (const [i, value] of [...again.slice(3), ...again.slice(0, 3)].entries())
    expect(value).toBeCloseTo(sigmoid[i], 6);
  for (const file of ["told.pth", "told.safetensors"]) {
    expect(run("convert", "run", file, "--std", "0.25").status).toBe(0);
    const inspected = run("inspect", file, "--json");
    expect(inspected.stderr).toBe("");
    const { preprocessing } = JSON.parse(inspected.stdout).metadata;
    expect(preprocessing).toContain('"normalize":{"mean":[0],"std":[0.25]}');
  }
  expect(run("predict", "told.onnx", "images/0.png", "x.npy").stderr).toContain("is an image, x.npy is none");
});

test("a run goes on with more epochs", () => {
  const { stdout, status } = run("train", "--resume", "run", "--epochs", "7");
  expect(status).toBe(0);
  expect(stdout).toContain("Finished after 7 epochs");
});

test.each([
  [["eval", "run", "--data", "classes", "--split", "train"], "was trained for several labels per image, but"],
  [["train", "net.mjs", "--data", "labels.csv", "--loss", "cross-entropy"], "is for one class per image, but labels"],
  [["train", "net.mjs", "--data", "classes", "--loss", "binary-cross-entropy"], "is for several labels per image, but"],
  [["train", "net.mjs", "--data", "labels.csv", "--label-smoothing", "0.1"], "--label-smoothing is for one class"],
  [["train", "nin", "--data", "labels.csv"], "nin ends in a softmax, which allows one class per image"],
])("%j is refused", (args, message) => {
  const { stderr, status } = run(...args);
  expect(stderr).toContain(message);
  expect(status).not.toBe(0);
});

/** What newcomers ran into on the command line. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Conv2d, Flatten, Linear, ReLU, Sequential } from "../../src/nn/index.ts";
import { exportOnnx } from "../../src/onnx/index.ts";
import { convnets, output } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-newcomers-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);
const QUIET = ["--epochs", "1", "--batch-size", "8", "--no-report", "--quiet"];
const colors = ["red", "green", "blue", "white"];

beforeAll(async () => {
  for (const background of colors)
    for (const part of ["train", "val"]) {
      mkdirSync(at(`colors/${part}/${background}`), { recursive: true });
      for (const i of [0, 1]) {
        const image = sharp({ create: { width: 48, height: 48, channels: 3, background } });
        await image.png().toFile(at(`colors/${part}/${background}/${i}.png`));
      }
    }
});

describe("an .onnx file that fixes the size of its images", () => {
  const fixed = () =>
    new Sequential(
      new Conv2d(3, 4, 3, { stride: 2 }),
      new ReLU(),
      new Flatten(),
      new Linear(4 * 23 * 23, 7),
    ).initialize();

  it("is trained at that size, with a hint where the images are not normalized", () => {
    writeFileSync(at("fixed.onnx"), exportOnnx(fixed(), { input: [1, 3, 48, 48] }).bytes);
    const settings = output("train", at("fixed.onnx"), "--data", at("colors"), "--print-config");
    expect(JSON.parse(settings)).toMatchObject({ inputSize: 48 });
    writeFileSync(at("plain.json"), JSON.stringify({ transforms: { train: [], validation: [] } }));
    const args = ["train", at("fixed.onnx"), "--data", at("colors"), "--epochs", "1", "--no-report"];
    const { stderr, status } = convnets([...args, "--config", at("plain.json"), "--out", at("fixed")]);
    expect(stderr).toContain("The transforms do not normalize the images.");
    expect(status).toBe(0);
  });

  it("of four classes is not measured by its five likeliest", () => {
    const { classes, ...evaluation } = JSON.parse(output("eval", at("fixed"), "--json")) as { classes: string[] };
    expect(classes.length).toBe(4);
    expect(Object.keys(evaluation)).toContain("top1");
    expect(Object.keys(evaluation)).not.toContain("top5");
    const alone = convnets(["eval", at("fixed"), "--data", at("colors/train"), "--split", "val"]);
    expect(alone.stderr).toContain('data set "train" has training images only; --split train evaluates on those');
    expect(output("eval", at("fixed"))).toMatch(/top-1 [\d.]+ %\n/);
  });
});

describe("options", () => {
  it.each([
    [["summary", "nin", "--input-size", "32"], "unknown option '--input-size'; here it is --input <N,C,H,W>"],
    [["train", "nin", "--input", "1,3,32,32"], "unknown option '--input'; here it is --input-size <pixels>"],
    [["train", "nin", "--batchsize", "8"], "Did you mean --batch-size?"],
  ])("%s", (args, message) => {
    const { stderr, status } = convnets(args);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  });
});

describe("GoogLeNet for small images", () => {
  it("is told to leave out its auxiliary classifiers, can, and is known without them", () => {
    const train = ["train", "googlenet", "--data", at("colors"), "--input-size", "32", ...QUIET];
    expect(convnets([...train, "--out", at("with")]).stderr).toContain("on the command line: --no-aux");
    output(...train, "--no-aux", "--out", at("without"));
    expect(output("summary", at("without"))).not.toContain("aux1");
  }, 120_000);
});

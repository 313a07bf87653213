import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Prediction } from "../../src/classify/index.ts";
import { imagesBelow } from "../../src/data/node/index.ts";
import { type Classifier, tensor } from "../../src/index.ts";
import { classifier, nodeEngine, type Picture } from "../../src/node.ts";
import { output } from "../cli/run.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { shared, unless } from "../support/skip.ts";

const noTorch = pythonSkipReason("torch", "torchvision");
const noData = shared("data/photos").reason ?? shared("data/imagenette-small/val").reason;
const DATA = shared("data").path;

const IMAGES = 12;
/** Values of a prepared picture. */
const SIZE = 3 * 224 * 224;

type Top = readonly (readonly [label: number, probability: number])[];

describe("the five best classes are torchvision's", unless(noTorch ?? noData), () => {
  let folder: string;
  let files: string[];
  let wanted: Top[];
  let classify: Classifier<Picture>;

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "convnets-classify-"));
    const photos = (await imagesBelow(join(DATA, "photos"))).images;
    const validation = (await imagesBelow(join(DATA, "imagenette-small/val"))).images;
    const every = Math.floor(validation.length / IMAGES);
    files = [...photos, ...validation.filter((_, i) => i % every === 0).slice(0, IMAGES)];
    const script = readFileSync(new URL("./reference.py", import.meta.url), "utf8");
    wanted = JSON.parse(python(script, { args: [folder], input: JSON.stringify(files) })) as Top[];
    const engine = nodeEngine({ threads: 1 });
    classify = await classifier("googlenet", { weights: join(folder, "weights.pth"), engine });
  }, 300_000);

  afterAll(async () => {
    await classify?.dispose();
    rmSync(folder, { recursive: true });
  });

  const labelsOf = (predictions: readonly Prediction[]) => predictions.map(({ label }) => label);
  const worst = (predictions: readonly Prediction[], top: Top) =>
    Math.max(...predictions.map(({ probability }, i) => Math.abs(probability - top[i]![1])));

  it("for tensors that torchvision prepared", async () => {
    expect(files).toHaveLength(8 + IMAGES);
    const bytes = readFileSync(join(folder, "prepared.bin"));
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
    for (const [i, top] of wanted.entries()) {
      const found = await classify(tensor("float32", [3, 224, 224], values.slice(i * SIZE, (i + 1) * SIZE)));
      expect(labelsOf(found), files[i]).toEqual(top.map(([label]) => label));
      expect(worst(found, top), files[i]).toBeLessThan(1e-3);
    }
  }, 300_000);

  it("for files, decoded and resized here", async () => {
    for (const [i, top] of wanted.entries()) {
      const found = await classify(files[i]!);
      expect(labelsOf(found), files[i]).toEqual(top.map(([label]) => label));
      expect(worst(found, top), files[i]).toBeLessThan(2e-2);
    }
  }, 300_000);

  it("from the command line", () => {
    const weights = ["--model", "googlenet", "--weights", join(folder, "weights.pth")];
    const results = JSON.parse(output("classify", join(DATA, "photos"), ...weights, "--json")) as {
      file: string;
      predictions: Prediction[];
    }[];
    for (const [i, { file, predictions }] of results.entries()) {
      expect(file).toBe(files[i]);
      expect(labelsOf(predictions)).toEqual(wanted[i]!.map(([label]) => label));
      expect(worst(predictions, wanted[i]!)).toBeLessThan(2e-2);
    }
    expect(results).toHaveLength(8);
  }, 60_000);
});

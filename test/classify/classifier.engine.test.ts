import { afterAll, describe, expect, it } from "vitest";
import {
  type Classifier,
  type ClassifierOptions,
  classifier,
  imagenetPreprocessing,
} from "../../src/classify/index.ts";
import { type Image, interleaved } from "../../src/data/index.ts";
import { zeros } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";

const engine = nodeEngine({ threads: 1 });
const preprocessing = [{ resize: { size: [32, 32] } }, { normalize: { mean: [0.5], std: [0.25] } }] as const;

function picture(seed: number, size = 40): Image {
  const random = new Random(seed);
  return interleaved(
    Uint8Array.from({ length: size * size * 3 }, () => random.integer(256)),
    size,
    size,
  );
}

const made: Classifier<never>[] = [];
async function make(name: string, options: Partial<ClassifierOptions> = {}) {
  const classify = await classifier(createModel(name, { numClasses: 7 }).initialize(3), {
    engine,
    preprocessing,
    ...options,
  });
  made.push(classify);
  return classify;
}

afterAll(() => Promise.all(made.map((classify) => classify.dispose())));

describe.each(["vgg_small", "nin"])("a classifier with %s", (name) => {
  it("gives all classes, the most likely first, with probabilities", async () => {
    const found = await (await make(name, { topk: 9 }))(picture(1));
    expect(found.map(({ label }) => label).sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
    const probabilities = found.map(({ probability }) => probability);
    expect(probabilities).toEqual([...probabilities].sort((a, b) => b - a));
    expect(probabilities.reduce((sum, probability) => sum + probability)).toBeCloseTo(1, 5);
  });
});

describe("a classifier", () => {
  it("names classes", async () => {
    const classes = ["a", "b", "c", "d", "e", "f", "g"];
    const found = await (await make("vgg_small", { classes, topk: 2 }))(picture(1));
    expect(found).toHaveLength(2);
    for (const { label, name } of found) expect(name).toBe(classes[label]);
    const [unnamed] = await (await make("vgg_small"))(picture(1));
    expect(unnamed!.name).toBe(`class ${found[0]!.label}`);
  });

  it("gives for a batch what it gives one by one", async () => {
    const classify = await make("vgg_small", { preprocessing: [] });
    const images = zeros("float32", [2, 3, 32, 32]);
    const random = new Random(5);
    for (let i = 0; i < images.data.length; i++) images.data[i] = random.normal();
    const both = await classify.batch(images);
    for (const [n, predictions] of both.entries()) {
      const data = images.data.slice(n * 3072, (n + 1) * 3072);
      const alone = await classify({ dtype: "float32", shape: [3, 32, 32], data });
      expect(alone.map(({ label }) => label)).toEqual(predictions.map(({ label }) => label));
      for (const [i, { probability }] of alone.entries())
        expect(probability).toBeCloseTo(predictions[i]!.probability, 5);
    }
  });

  it("says what does not fit", async () => {
    await expect((await make("vgg_small", { classes: ["cat", "dog"] }))(picture(1))).rejects.toThrow(
      "the network has 7 outputs, but 2 classes are named",
    );
    await expect(make("vgg_small", { topk: 0 })).rejects.toThrow("topk must be a whole number ≥ 1, got 0");
    const classify = await make("vgg_small");
    await expect(classify(zeros("int32", [3, 32, 32]))).rejects.toThrow("a network takes float32 numbers");
    await expect(classify.batch(zeros("float32", [3, 32, 32]))).rejects.toThrow("a batch has to be [N, C, H, W]");
  });

  it("runs any number of images as batches, in their order", async () => {
    const classify = await make("vgg_small");
    const pictures = Array.from({ length: 7 }, (_, i) => picture(i));
    const answers = await classify.all(pictures, { batchSize: 3 });
    expect(answers).toHaveLength(7);
    for (const [i, alone] of (await Promise.all(pictures.map((image) => classify(image)))).entries()) {
      expect(answers[i]!.map(({ label }) => label)).toEqual(alone.map(({ label }) => label));
      expect(answers[i]![0]!.probability).toBeCloseTo(alone[0]!.probability, 5);
    }
    expect(await classify.all([])).toEqual([]);
    await expect(classify.all(pictures, { batchSize: 0 })).rejects.toThrow("batchSize has to be a whole number ≥ 1");
  });

  it("refuses images of another size than the first", async () => {
    const classify = await make("vgg_small", { preprocessing: [] });
    await classify(picture(1, 32));
    await expect(classify(picture(1, 40))).rejects.toThrow(
      "an image is [3, 40, 40] after preprocessing, but those before were [3, 32, 32]; bring all to one size: preprocessing: [{ resize: { size: [32, 32] } }, …]",
    );
    await expect(
      (await make("vgg_small", { preprocessing: [] })).all([picture(1, 32), picture(2, 40)]),
    ).rejects.toThrow("image 1 of a batch is [3, 40, 40] after preprocessing, the first [3, 32, 32]");
  });

  it("prepares pictures as torchvision does for ImageNet where it is not told how", async () => {
    expect(imagenetPreprocessing()[0]).toEqual({ resize: { size: 256 } });
    expect(imagenetPreprocessing(112)[0]).toEqual({ resize: { size: 128 } });
    // CIFAR's and MNIST's images are seen whole
    expect(imagenetPreprocessing(32).slice(0, 2)).toEqual([{ resize: { size: 32 } }, { centerCrop: { size: 32 } }]);
  });
});

/** A network out of an .onnx file through every command: looked at, fine-tuned, measured, asked, and written again. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readCheckpoint } from "../../src/checkpoint/node/index.ts";
import { createModel } from "../../src/models/index.ts";
import { Conv2d, Linear, Module, type Tensor } from "../../src/nn/index.ts";
import { exportOnnx } from "../../src/onnx/index.ts";
import { Random } from "../../src/random.ts";
import { convnets, output } from "./run.ts";

const CLASSES = ["circle", "square", "triangle"];
const FORMS = [
  '<circle cx="16" cy="16" r="11"/>',
  '<rect x="6" y="6" width="20" height="20"/>',
  '<path d="M16 4 28 27H4z"/>',
];
const COUNTS = { train: 40, val: 15 };

/** Takes images as TensorFlow has them. */
class ChannelsLast extends Module<Tensor> {
  readonly conv: Conv2d = new Conv2d(3, 8, 3, { stride: 2 });
  readonly fc: Linear = new Linear(8, 5);
  forward(x: Tensor): Tensor {
    return this.fc.call(
      this.conv
        .call(x.permute(0, 3, 1, 2))
        .relu()
        .mean([2, 3]),
    );
  }
}

let folder: string;
const at = (...path: string[]) => join(folder, ...path);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "convnets-imported-"));
  // what it knows is of ten other classes
  const model = createModel("vgg_small", { numClasses: 10 }).initialize(1);
  writeFileSync(at("net.onnx"), exportOnnx(model, { input: ["N", 3, 32, 32] }).bytes);
  const others = [
    ["last", new ChannelsLast(), ["N", 32, 32, 3]],
    ["flat", new Linear(3072, 5), ["N", 3072]],
  ] as const;
  for (const [name, network, input] of others)
    writeFileSync(at(`${name}.onnx`), exportOnnx(network.initialize(1), { input }).bytes);
  const random = new Random(1);
  for (const [part, count] of Object.entries(COUNTS)) {
    for (const [label, name] of CLASSES.entries()) {
      mkdirSync(at("data", part, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        const fill = `hsl(${random.integer(360)} 80% ${60 + random.integer(30)}%)`;
        const shift = `translate(${random.integer(5) - 2} ${random.integer(5) - 2})`;
        const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32"/><g fill="${fill}" transform="${shift}">${FORMS[label]}</g></svg>`;
        await sharp(Buffer.from(svg))
          .removeAlpha()
          .png()
          .toFile(at("data", part, name, `${i}.png`));
      }
    }
  }
  writeFileSync(
    at("config.json"),
    JSON.stringify({
      data: at("data"),
      inputSize: 32,
      batchSize: 20,
      warmupEpochs: 0,
      optimizer: { name: "adamw" },
      transforms: {
        train: [{ normalize: { mean: [0.5], std: [0.25] } }],
        validation: [{ normalize: { mean: [0.5], std: [0.25] } }],
      },
    }),
  );
});

afterAll(() => rmSync(folder, { recursive: true }));

const train = (run: string, ...args: string[]) => trainFrom("net.onnx", run, ...args);

function trainFrom(network: string, run: string, ...args: string[]): void {
  const config = ["--config", at("config.json"), "--out", at(run), "--no-report", "--workers", "0"];
  const { status, stderr } = convnets(["train", at(network), ...config, ...args]);
  expect(stderr).toBe("train: 3 classes, 120 images in train/; val: 45 images in val/\n");
  expect(status).toBe(0);
}

it("is fine-tuned, its last layer first, and can be used like any other", async () => {
  expect(output("summary", at("net.onnx"))).toContain("Total params: 242,826");
  train("head", "--freeze", "backbone", "--epochs", "2", "--lr", "0.01");
  const [before, head] = [
    createModel("vgg_small").initialize(1).stateDict(),
    await readCheckpoint(at("head/best.safetensors")),
  ];
  const changed = [...head.tensors].filter(([key, { data }]) => {
    const old = before.get(key)!.data;
    return !/num_batches/.test(key) && (old.length !== data.length || data.some((value, i) => value !== old[i]));
  });
  expect(changed.map(([key]) => key)).toEqual([...before.keys()].slice(-2));

  train("all", "--weights", at("head/best.safetensors"), "--epochs", "4", "--lr", "0.003");
  const result = JSON.parse(output("eval", at("all"), "--json")) as { images: number; top1: number; classes: string[] };
  expect(result.images).toBe(45);
  expect(result.classes).toEqual(CLASSES);
  expect(result.top1).toBeGreaterThan(0.6);

  const picture = at("data/val/square/0.png");
  const asked = (weights: string) =>
    JSON.parse(output("classify", picture, "--weights", weights, "--json")) as {
      predictions: { name: string; probability: number }[];
    }[];
  const [found] = asked(at("all"));
  expect(found!.predictions.map(({ name }) => name).sort()).toEqual(CLASSES);

  output("export", at("net.onnx"), "--weights", at("all/best.safetensors"), "-o", at("tuned.onnx"));
  const [again] = asked(at("tuned.onnx"));
  for (const [i, { name, probability }] of again!.predictions.entries()) {
    expect(name).toBe(found!.predictions[i]!.name);
    expect(probability).toBeCloseTo(found!.predictions[i]!.probability, 4);
  }
}, 120_000);

it.each(["last", "flat"])("%s: images are brought into the form that the file takes, also in training", (name) => {
  trainFrom(`${name}.onnx`, name, "--epochs", "1");
  const scores = (target: string, ...args: string[]) =>
    JSON.parse(output("eval", at(target), "--split", "val", "--json", ...args)) as { images: number; loss: number };
  const run = scores(name);
  expect(run.images).toBe(45);
  output("convert", at(name), at(`${name}.pth`));
  output("export", at(name), "-o", at(`${name}-new.onnx`));
  for (const file of [`${name}.pth`, `${name}-new.onnx`])
    expect(scores(file, "--data", at("data")).loss).toBeCloseTo(run.loss, 6);
  // classes and preprocessing are those of the weights
  const named = scores(`${name}.onnx`, "--weights", at(`${name}.pth`), "--data", at("data"));
  expect(named.loss).toBeCloseTo(run.loss, 6);
  expect(output("summary", at(name))).toContain("[1, 3]");
});

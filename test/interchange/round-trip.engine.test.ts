/** One trained network through every format and back: its weights stay bit for bit, and it scores the same. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readCheckpoint, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { dataLoader, memoryDataset } from "../../src/data/index.ts";
import type { TensorData } from "../../src/graph/index.ts";
import { BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, type Module, ReLU, Sequential } from "../../src/nn/index.ts";
import { exportOnnx } from "../../src/onnx/index.ts";
import { adamw, constantRate } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { readImportedModule } from "../../src/tfjs/node/index.ts";
import { evaluate, fit } from "../../src/train/index.ts";
import { inputLayer, layer, modelFiles, sequential, writeModel } from "../tfjs/support.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-round-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);
const engine = nodeEngine({ threads: 1 });

type Weights = ReadonlyMap<string, TensorData>;

/** Blocks of one of three colors in noise. */
function blocks(count: number, seed: number) {
  const random = new Random(seed, "blocks");
  const labels = Array.from({ length: count }, (_, i) => i % 3);
  const images = Uint8Array.from({ length: count * 3 * 64 }, () => random.integer(150));
  for (const [n, label] of labels.entries()) {
    const start = (n * 3 + label) * 64 + random.integer(5) * 8 + random.integer(5);
    for (let y = 0; y < 3; y++) images.fill(170, start + 8 * y, start + 8 * y + 3);
  }
  return memoryDataset({ name: "blocks", classes: ["red", "green", "blue"], images, labels, shape: [3, 8, 8] });
}

const network = () =>
  new Sequential(
    new Conv2d(3, 6, 3, { padding: 1 }),
    new BatchNorm2d(6),
    new ReLU(),
    new MaxPool2d(2),
    new Conv2d(6, 4, 3),
    new Flatten(),
    new Linear(16, 3),
  );
const held = dataLoader(blocks(90, 2), { batchSize: 30 });
const scores = async (model: Module) => {
  const { seconds: _, worst: __, ...rest } = await evaluate(model, held, { engine });
  return rest;
};
const bits = ({ shape, data }: TensorData) => [
  [...shape],
  Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength).toString("base64"),
]; // prettier-ignore
/** All weights of the first in the second, bit for bit. */
function expectSame(wanted: Weights, found: Weights): void {
  for (const [key, weight] of wanted) expect({ key, bits: bits(found.get(key)!) }).toEqual({ key, bits: bits(weight) });
}

const trained = network();
let state: Weights;
let floats: Weights;
let score: Awaited<ReturnType<typeof scores>>;
beforeAll(async () => {
  const train = dataLoader(blocks(240, 1), { batchSize: 30, shuffle: true });
  await fit(trained.initialize(1), { engine, train, epochs: 3, optimizer: adamw(), schedule: constantRate(0.02) });
  state = trained.stateDict();
  floats = new Map([...state].filter(([key]) => !key.endsWith("num_batches_tracked")));
  score = await scores(trained);
  expect(score.top1).toBeGreaterThan(0.8);
  expect(score.top1).toBeLessThan(1);
});

it(".pth and .safetensors", async () => {
  await writeCheckpoint(at("a.pth"), { tensors: state, metadata: { classes: '["x"]' } });
  await writeCheckpoint(at("b.safetensors"), await readCheckpoint(at("a.pth")));
  await writeCheckpoint(at("c.pt"), await readCheckpoint(at("b.safetensors")));
  const { tensors, metadata } = await readCheckpoint(at("c.pt"));
  expectSame(state, tensors);
  expect(metadata.classes).toBe('["x"]');
  expect(await scores(network().loadStateDict(tensors))).toEqual(score);
});

it(".onnx, into a .pth file, and back", async () => {
  writeFileSync(at("a.onnx"), exportOnnx(trained, { input: ["N", 3, 8, 8] }).bytes);
  const imported = await readImportedModule(at("a.onnx"));
  expectSame(floats, imported.stateDict());
  expect(await scores(imported)).toEqual(score);
  await writeCheckpoint(at("onnx.pth"), { tensors: imported.stateDict(), metadata: {} });
  const again = network().loadStateDict((await readCheckpoint(at("onnx.pth"))).tensors);
  expectSame(floats, again.stateDict());
  writeFileSync(at("b.onnx"), exportOnnx(imported, { input: ["N", 3, 8, 8] }).bytes);
  expectSame(floats, (await readImportedModule(at("b.onnx"))).stateDict());
  expect(await scores(again)).toEqual(score);
});

it("a TensorFlow.js model with these weights, into .onnx and .pth", async () => {
  const get = (key: string) => state.get(key)!;
  /** [O, C, kH, kW] as [kH, kW, C, O]. */
  const kernel = (key: string) => {
    const { shape, data } = get(key);
    const [O, C, H, W] = shape as [number, number, number, number];
    const moved = new Float32Array(data.length);
    for (let o = 0, i = 0; o < O; o++)
      for (let c = 0; c < C; c++) for (let at = 0; at < H * W; at++, i++) moved[(at * C + c) * O + o] = Number(data[i]);
    return { shape: [H, W, C, O], data: moved };
  };
  /** [O, C·4] as [4·C, O], whose pixels come before their channels. */
  const dense = ({ data }: TensorData) => {
    const moved = new Float32Array(48);
    for (let o = 0; o < 3; o++)
      for (let c = 0; c < 4; c++)
        for (let at = 0; at < 4; at++) moved[(at * 4 + c) * 3 + o] = Number(data[o * 16 + c * 4 + at]);
    return { shape: [16, 3], data: moved };
  };
  const plain = (key: string) => ({ shape: get(key).shape, data: get(key).data as Float32Array });
  const names = { gamma: "weight", beta: "bias", moving_mean: "running_mean", moving_variance: "running_var" };
  const model = sequential(
    inputLayer([8, 8, 3]),
    layer("Conv2D", "first", { padding: "same" }),
    layer("BatchNormalization", "norm", { epsilon: 1e-5 }),
    layer("ReLU", "relu"),
    layer("MaxPooling2D", "pool", { pool_size: [2, 2] }),
    layer("Conv2D", "second"),
    layer("Flatten", "flat"),
    layer("Dense", "scores"),
  );
  const files = modelFiles(model, {
    "first/kernel": kernel("0.weight"),
    "first/bias": plain("0.bias"),
    ...Object.fromEntries(Object.entries(names).map(([theirs, ours]) => [`norm/${theirs}`, plain(`1.${ours}`)])),
    "second/kernel": kernel("4.weight"),
    "second/bias": plain("4.bias"),
    "scores/kernel": dense(get("6.weight")),
    "scores/bias": plain("6.bias"),
  });
  const imported = await readImportedModule(writeModel(at("tfjs"), files));
  // the order of the numbers after Flatten is undone in the weights of the dense layer, so every sum is the same
  expect(await scores(imported)).toEqual(score);
  writeFileSync(at("tfjs.onnx"), exportOnnx(imported, { input: ["N", 3, 8, 8] }).bytes);
  const { tensors } = await readImportedModule(at("tfjs.onnx")).then((read) => ({ tensors: read.stateDict() }));
  await writeCheckpoint(at("tfjs.pth"), { tensors, metadata: {} });
  const rename = Object.entries({ "first.": "0.", "norm.": "1.", "second.": "4.", "scores.": "6." });
  const again = network().loadStateDict((await readCheckpoint(at("tfjs.pth"), { rename })).tensors);
  expectSame(floats, again.stateDict());
  expect(await scores(again)).toEqual(score);
});

/** Networks with the weights of others: what is done to make them fit is said. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { openSource } from "../../src/classify/node/index.ts";
import type { TensorData } from "../../src/graph/index.ts";
import { createModel, recognize } from "../../src/models/index.ts";
import { Linear, Module, type Tensor } from "../../src/nn/index.ts";
import { dict, pickle, tensor, text, torchZip } from "../checkpoint/hostile.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-foreign-"));
afterAll(() => rmSync(folder, { recursive: true }));

const model = createModel("vgg_small", { numClasses: 7 }).initialize(3);
const under = (prefix: string, more: [string, TensorData][] = []) =>
  new Map([...[...model.stateDict()].map(([key, value]): [string, TensorData] => [prefix + key, value]), ...more]);
const extra: [string, TensorData] = ["criterion.weight", { dtype: "float32", shape: [1], data: Float32Array.of(1) }];

it("weights under any prefix load, and the prefix is named", async () => {
  const file = join(folder, "lightning.pth");
  await writeCheckpoint(file, { tensors: under("model."), metadata: { inputSize: "32" } });
  const { weights, assumed } = await openSource("vgg_small", { weights: file });
  expect(weights).toEqual(model.stateDict());
  expect(assumed[0]).toBe(`${file}: removed "model." from the start of every key.`);
  expect(recognize(under("net."))[0]).toMatchObject({ model: "vgg_small", numClasses: 7, removed: "net." });

  await writeCheckpoint(file, { tensors: under("net.", [extra]), metadata: {} });
  const beside = await openSource(file, { makeModel: async () => createModel("vgg_small", { numClasses: 7 }) });
  expect(beside.weights).toEqual(model.stateDict());
  expect(beside.assumed[0]).toBe(
    `${file}: removed "net." from the start of the keys. 1 without it are left out: criterion.weight.`,
  );
});

it("keys are renamed", async () => {
  const file = join(folder, "renamed.pth");
  await writeCheckpoint(file, { tensors: under("a_", [extra]), metadata: {} });
  const makeModel = async () => createModel("vgg_small", { numClasses: 7 });
  await expect(openSource(file, { makeModel })).rejects.toThrow("unexpected: a_");
  const { weights } = await openSource(file, { makeModel, rename: [["a_", "net."]] });
  expect(weights).toEqual(model.stateDict());
});

it("of several sets the one that fits is taken, and another by its key", async () => {
  class Net extends Module<Tensor> {
    fc = new Linear(2, 1, { bias: false });
    forward(x: Tensor) {
      return this.fc.call(x);
    }
  }
  const file = join(folder, "sets.pth");
  const two = { shape: [1, 2], stride: [2, 1] };
  const other = dict(text("other"), tensor());
  const fitting = (key: string) => dict(text("fc.weight"), tensor({ ...two, key }));
  const twos = new Uint8Array(Float32Array.of(5, 6).buffer);
  const content = dict(
    text("model"),
    other,
    text("ema"),
    fitting("0"),
    text("last"),
    fitting("1"),
    text("classes"),
    text("7"),
  );
  writeFileSync(file, torchZip(pickle(content), { "data/1": twos }));
  const makeModel = async () => new Net();
  const { weights, assumed } = await openSource(file, { makeModel });
  expect(weights.get("fc.weight")!.data).toEqual(Float32Array.of(1, 2));
  expect(assumed[0]).toBe(
    `${file}: the file holds several sets of weights, "model", "ema", "last"; "ema" fits the network; --key picks another.`,
  );
  const last = await openSource(file, { makeModel, key: "last" });
  expect(last.weights.get("fc.weight")!.data).toEqual(Float32Array.of(5, 6));
});

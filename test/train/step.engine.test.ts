import { expect, test } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import { compile } from "../../src/infer/index.ts";
import { createModel } from "../../src/models/index.ts";
import { Flatten, Linear, ReLU, Sequential } from "../../src/nn/index.ts";
import { adamw, sgd } from "../../src/optim/index.ts";
import type { Engine } from "../../src/runtime/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { oneHot, type TrainingBatch, TrainingStep } from "../../src/train/index.ts";

const MB = 1e6;

/** Where each tensor of the state is. */
async function places(step: TrainingStep): Promise<Map<string, ArrayBufferLike>> {
  const entries = Object.entries(step.feeds).map(async ([name, tensor]) => {
    const { data } = "read" in tensor ? await tensor.read() : tensor;
    return [name, data.buffer] as const;
  });
  return new Map(await Promise.all(entries));
}

/** A network of which most are weights: 98 MB with momentum. */
const network = () => new Sequential(new Flatten(), new Linear(3072, 4000), new ReLU(), new Linear(4000, 10));

test("a step allocates no state: large tensors are written over, small ones stay in two sets of buffers, batches summed up or not", async () => {
  const data = new Float32Array(2 * 3072).fill(0.5);
  const batch: TrainingBatch = { input: tensor("float32", [2, 3, 32, 32], data), target: oneHot([1, 7], 10) };
  const step = await TrainingStep.create(network(), {
    engine: nodeEngine({ threads: 1 }),
    input: ["N", 3, 32, 32],
    optimizer: sgd({ momentum: 0.9 }),
  });
  try {
    const state = await step.state();
    const bytes = [...state.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    expect(bytes).toBeGreaterThan(90 * MB);

    for (const batches of [[batch], [batch, batch, batch]]) {
      const sets: Map<string, ArrayBufferLike>[] = [];
      for (let i = 0; i < 6; i++) {
        const before = process.memoryUsage().arrayBuffers;
        await step.run(batches, 0.001);
        // the first two steps make the buffers, those of sums included
        if (i >= 2) expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5 * MB);
        sets.push(await places(step));
      }
      const [, , even, odd, again, last] = sets;
      for (const [name, buffer] of even!) {
        const same = (other: Map<string, ArrayBufferLike> | undefined) => other!.get(name) === buffer;
        expect([same(again), same(odd), same(last)], name).toEqual([true, buffer.byteLength >= 2 ** 18, same(odd)]);
      }
    }
  } finally {
    await step.dispose();
  }
});

test.each([
  ["vgg_small", 32, sgd({ momentum: 0.9, weightDecay: 5e-4 })],
  ["inception_small", 64, sgd({ momentum: 0.9, nesterov: true })],
  ["nin", 32, adamw()],
] as const)(
  "the state of %s is the same, bit for bit, written over or beside the last one",
  async (name, side, optimizer) => {
    const engine = nodeEngine();
    const beside: Engine = {
      ...engine,
      compile: (graph, { replaces: _, ...options } = {}) => engine.compile(graph, options),
    };
    const data = Float32Array.from({ length: 4 * 3 * side * side }, (_, i) => Math.sin(i));
    const batch: TrainingBatch = {
      input: tensor("float32", [4, 3, side, side], data),
      target: oneHot([1, 7, 0, 3], 10),
    };
    const [over, other] = await Promise.all(
      [engine, beside].map(async (engine) => {
        const model = createModel(name, { numClasses: 10, inputSize: side }).initialize(3);
        const input = ["N", 3, side, side] as const;
        const step = await TrainingStep.create(model, { engine, input, optimizer, ema: 0.9, dropout: false });
        const losses = [];
        for (let i = 0; i < 4; i++) losses.push((await step.run(i === 2 ? [batch, batch] : batch, 0.01)).loss);
        const state = await step.state();
        await step.dispose();
        return { losses, state };
      }),
    );
    expect(over!.losses).toEqual(other!.losses);
    for (const [key, { data }] of other!.state)
      expect(Buffer.compare(bytesOf(over!.state.get(key)!.data), bytesOf(data)), key).toBe(0);
  },
);

test("the network has the weights of the last step, and what was made of them before stays as it was", async () => {
  const model = network().initialize(2);
  const initial = model.stateDict();
  const copies = new Map([...initial].map(([key, { data }]) => [key, data.slice()]));
  const engine = nodeEngine();
  const step = await TrainingStep.create(model, { engine, input: ["N", 3, 32, 32], optimizer: sgd({ momentum: 0.9 }) });
  const images = tensor("float32", [2, 3, 32, 32], new Float32Array(2 * 3072).fill(0.5));
  const batch: TrainingBatch = { input: images, target: oneHot([1, 7], 10) };
  try {
    await step.run(batch, 0.1);
    await step.run([batch, batch], 0.1);
    for (const [key, data] of copies) {
      expect(Buffer.compare(bytesOf(initial.get(key)!.data), bytesOf(data)), key).toBe(0);
      const { data: now } = (await step.state()).get(key)!;
      expect(Buffer.compare(bytesOf(model.stateDict().get(key)!.data), bytesOf(now)), key).toBe(0);
      expect(Buffer.compare(bytesOf(now), bytesOf(data)), key).not.toBe(0);
    }

    const predict = await compile(model, { engine });
    const before = (await predict(images)).data.slice();
    await step.run(batch, 0.1);
    expect((await predict(images)).data).toEqual(before);
    await predict.dispose();
  } finally {
    await step.dispose();
  }
});

const bytesOf = ({ buffer, byteOffset, byteLength }: ArrayBufferView) => Buffer.from(buffer, byteOffset, byteLength);

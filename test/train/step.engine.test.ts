import { expect, test } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import { Flatten, Linear, ReLU, Sequential } from "../../src/nn/index.ts";
import { sgd } from "../../src/optim/index.ts";
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

test("a step allocates no state: it stays in two sets of buffers, batches summed up or not", async () => {
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
      const sets = [];
      for (let i = 0; i < 6; i++) {
        const before = process.memoryUsage().arrayBuffers;
        await step.run(batches, 0.001);
        // the first two steps make the buffers, those of sums included
        if (i >= 2) expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(5 * MB);
        sets.push(await places(step));
      }
      const [, , even, odd, again, last] = sets;
      for (const [name, buffer] of even!) {
        expect(again!.get(name)).toBe(buffer);
        expect(last!.get(name)).toBe(odd!.get(name));
        expect(odd!.get(name)).not.toBe(buffer);
      }
    }
  } finally {
    await step.dispose();
  }
});

import { expect, test } from "vitest";
import type { TensorData } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
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

test("VGG16's step allocates no state: it stays in one set of buffers, batches summed up or not", async () => {
  const input: TensorData = {
    dtype: "float32",
    shape: [2, 3, 32, 32],
    data: new Float32Array(2 * 3 * 32 * 32).fill(0.5),
  };
  const batch: TrainingBatch = { input, target: oneHot([1, 7], 10) };
  const step = await TrainingStep.create(createModel("vgg16", { numClasses: 10, inputSize: 32 }), {
    engine: nodeEngine(),
    input: ["N", 3, 32, 32],
    optimizer: sgd({ momentum: 0.9 }),
  });
  try {
    const state = await step.state();
    const bytes = [...state.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
    expect(bytes).toBeGreaterThan(250 * MB);

    for (const batches of [[batch], [batch, batch, batch]]) {
      const sets = [];
      for (let i = 0; i < 6; i++) {
        const before = process.memoryUsage().arrayBuffers;
        await step.run(batches, 0.001);
        // the first two steps make the buffers, those of sums included
        if (i >= 2) expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10 * MB);
        sets.push(await places(step));
      }
      const [, , ...later] = sets;
      for (const [name, buffer] of later[0]!) for (const set of later) expect(set.get(name)).toBe(buffer);
    }
  } finally {
    await step.dispose();
  }
});

import { expect, test } from "vitest";
import { partOf } from "../../src/cluster/index.ts";
import { type Batch, dataLoader, shapes } from "../../src/data/index.ts";
import { BatchNorm1d, BatchNorm2d, Conv2d, Flatten, Linear, ReLU, Sequential } from "../../src/nn/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { TrainingStep } from "../../src/train/index.ts";

const engine = nodeEngine({ threads: 1 });

/** As near as sums in another order come. */
const TOLERANCE = 1e-5;

const network = () =>
  new Sequential([
    ...[new Conv2d(3, 4, 5, { stride: 3 }), new BatchNorm2d(4), new ReLU(), new Conv2d(4, 6, 3), new BatchNorm2d(6)],
    ...[new Flatten(), new Linear(384, 12), new BatchNorm1d(12), new ReLU(), new Linear(12, 10)],
  ]);

/** Two updates of two batches each; of the last batch, some shards have no images. */
async function train(shards: number, { syncBatchNorm = false } = {}) {
  const loader = dataLoader(shapes({ length: 14 }), {
    batchSize: 4,
    ...(shards > 1 && { part: partOf(shards, 1, 0) }),
  });
  const model = network().initialize(3);
  const step = await TrainingStep.create(model, {
    ...{ engine, optimizer: sgd({ momentum: 0.9 }), input: ["N", 3, 32, 32], shards, syncBatchNorm },
  });
  const batches: Batch[] = [];
  for await (const batch of loader.epoch(0)) batches.push(batch);
  const losses: number[] = [];
  for (let from = 0; from < batches.length; from += shards * 2) {
    const group = batches.slice(from, from + shards * 2).map(({ images, labels, ...batch }) => ({
      input: images,
      target: labels!,
      ...(batch.shard !== undefined && { shard: batch.shard }),
    }));
    losses.push((await step.run(group, 0.1)).loss);
  }
  const state = await step.weights();
  await step.dispose();
  return { losses, state };
}

test("shards with the statistics of the whole batch give what it gives, several batches an update", async () => {
  const [whole, shards] = [await train(1), await train(4, { syncBatchNorm: true })];
  for (const [i, loss] of shards.losses.entries()) expect(Math.abs(loss - whole.losses[i]!)).toBeLessThan(TOLERANCE);
  for (const [key, { data }] of whole.state)
    for (const [i, value] of data.entries())
      expect(Math.abs(Number(value) - Number(shards.state.get(key)!.data[i])), key).toBeLessThan(TOLERANCE);
});

test("without batch normalization there is nothing to share", async () => {
  const options = { engine, optimizer: sgd(), input: ["N", 3, 32, 32], shards: 2, syncBatchNorm: true } as const;
  await expect(TrainingStep.create(new Sequential([new Flatten(), new Linear(3072, 2)]), options)).rejects.toThrow(
    "syncBatchNorm has no effect: the network has no batch normalization in training form",
  );
});

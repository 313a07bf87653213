/** Weights of CIFAR ResNets as Y. Idelbayev (akamaster) published them. */
import { describe, expect, it } from "vitest";
import { readCheckpoint } from "../../src/checkpoint/node/index.ts";
import { dataLoader, NORMALIZATION, subset } from "../../src/data/index.ts";
import { openDataset } from "../../src/data/node/index.ts";
import { createModel, type ModelName } from "../../src/models/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Evaluator } from "../../src/train/index.ts";
import { shared, unless } from "../support/skip.ts";

const { path: DATA, reason: noData } = shared("data/cifar-10-batches-bin");
const IMAGES = 500;

/** Each with the share of the test images that its author states. */
const PUBLISHED = [
  ["resnet20", "akamaster_pytorch_resnet_cifar10_resnet20-12fca82f.th", 0.9173],
  ["resnet56", "akamaster_pytorch_resnet_cifar10_resnet56-4bfd9763.th", 0.9339],
] as const satisfies readonly (readonly [ModelName, string, number])[];

describe.each(PUBLISHED)("%s", (name, file, stated) => {
  const { path, reason } = shared(`data/found/models/${file}`);

  it("loads by name and classifies as well as stated", { ...unless(reason ?? noData), timeout: 120_000 }, async () => {
    const { tensors } = await readCheckpoint(path);
    const model = createModel(name).loadStateDict(tensors);
    const options = { engine: nodeEngine(), input: ["N", 3, 32, 32], weights: model.stateDict() } as const;
    const evaluator = await Evaluator.create(model, options);
    // its author normalized as for ImageNet
    const transforms = [{ normalize: NORMALIZATION.imagenet }];
    const dataset = await openDataset(DATA, { split: "test" });
    const sample = subset(
      dataset,
      Array.from({ length: IMAGES }, (_, i) => i),
    );
    const loader = dataLoader(sample, { batchSize: 100, transforms });
    const { top1 } = await evaluator.evaluate(loader);
    await evaluator.dispose();
    // three standard deviations of so few images
    expect(Math.abs(top1 - stated)).toBeLessThan(3 * Math.sqrt((stated * (1 - stated)) / IMAGES));
  });
});

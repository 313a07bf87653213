import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { dataLoader, NORMALIZATION } from "../../src/data/index.ts";
import { openDataset } from "../../src/data/node/index.ts";
import { tensor } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { init, type Module } from "../../src/nn/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Evaluator, oneHot, TrainingStep } from "../../src/train/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { shared, unless } from "../support/skip.ts";

const { path: DATA, reason: noData } = shared("data/cifar-10-batches-bin");
const NOTE = shared("seed").path;
const INPUT = ["N", 3, 32, 32] as const;
const transforms = [{ normalize: NORMALIZATION.cifar10 }];

/** Both compute in float32, in another order of sums. */
const TOLERANCE = 1e-3;
const STEPS = 15;
const BATCH = 16;
const STEPS_PER_EPOCH = Math.ceil(50_000 / BATCH);

const folder = mkdtempSync(join(tmpdir(), "convnets-nin-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const reason = pythonSkipReason("torch", "numpy") ?? noData ?? shared("seed/note_models.py").reason;

interface Run {
  readonly losses: readonly number[];
  /** Share of the test images that are classified rightly. */
  readonly accuracy: number | undefined;
}

interface Plan {
  readonly model: Module;
  readonly batch: number;
  readonly steps: number;
  readonly lr: (step: number) => number;
  readonly evaluate: boolean;
}

/** The same training here and in PyTorch. */
async function both({ model, batch, steps, lr, evaluate }: Plan): Promise<readonly [ours: Run, theirs: Run]> {
  await writeCheckpoint(join(folder, "weights.safetensors"), { tensors: model.stateDict(), metadata: {} });
  const engine = nodeEngine({ threads: 1 });
  const loader = dataLoader(await openDataset(DATA), { batchSize: batch, shuffle: true, seed: 3, transforms });
  const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
  const step = await TrainingStep.create(model, { engine, input: INPUT, optimizer, dropout: false });
  const losses: number[] = [];
  const order: { lr: number; samples: number[] }[] = [];
  for await (const { images, labels, samples, index } of loader.epoch(0)) {
    if (index === steps) break;
    order.push({ lr: lr(index), samples: [...samples] });
    losses.push((await step.run({ input: images, target: oneHot(labels.data, 10) }, lr(index))).loss);
  }
  let accuracy: number | undefined;
  if (evaluate) {
    const evaluator = await Evaluator.create(model, { engine, input: INPUT, weights: await step.weights() });
    const tests = dataLoader(await openDataset(DATA, { split: "test" }), { batchSize: 100, transforms });
    accuracy = (await evaluator.evaluate(tests)).top1;
    await evaluator.dispose();
  }
  await step.dispose();
  writeFileSync(join(folder, "plan.json"), JSON.stringify({ ...NORMALIZATION.cifar10, steps: order, evaluate }));
  const script = readFileSync(new URL("./nin.py", import.meta.url), "utf8");
  const lines = python(script, { args: [DATA, NOTE, folder] })
    .trim()
    .split("\n")
    .map(Number);
  expect(losses).toHaveLength(steps);
  return [
    { losses, accuracy },
    { losses: lines.slice(0, steps), accuracy: lines[steps] },
  ];
}

/** The note's NiN with weights of which it learns from the first step on: with PyTorch's own, an epoch brings it nowhere. */
function learner(): Module {
  const model = createModel("nin").initialize(7);
  const heNormal = init.kaimingNormal({ nonlinearity: "relu" });
  for (const [key, parameter] of model.parameters()) {
    const { shape } = parameter;
    // signals keep their size, and the last ReLU lets the scores pass
    if (shape.length === 4) parameter.data = tensor("float32", shape, heNormal(shape, new Random(7, key)));
    if (key === "block3.4.bias") parameter.data = tensor("float32", shape, new Float32Array(10).fill(1));
  }
  return model;
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

const parting = (ours: readonly number[], theirs: readonly number[], tolerance: number): number =>
  ours.findIndex((loss, i) => Math.abs(loss / theirs[i]! - 1) >= tolerance);

describe("the note's NiN on CIFAR-10", unless(reason), () => {
  test(`the first ${STEPS} losses are PyTorch's`, { timeout: 600_000 }, async () => {
    const lr = () => 0.002;
    const [ours, theirs] = await both({ model: learner(), batch: BATCH, steps: STEPS, lr, evaluate: false });
    const at = parting(ours.losses, theirs.losses, TOLERANCE);
    expect(at, `loss ${at + 1}: ${ours.losses[at]}, PyTorch ${theirs.losses[at]}`).toBe(-1);
    // batches differ: the mean of five
    expect(mean(ours.losses.slice(-5))).toBeLessThan(0.95 * mean(ours.losses.slice(0, 5)));
  });

  const tooLong = process.env.CONVNETS_LONG_TESTS ? undefined : "a quarter of an hour; CONVNETS_LONG_TESTS=1 runs them";
  test("accuracy after an epoch is PyTorch's", { ...unless(tooLong), timeout: 3_600_000 }, async () => {
    const lr = (step: number) => 0.002 * Math.min(1, step / 50) * (1 - step / STEPS_PER_EPOCH);
    const [ours, theirs] = await both({ model: learner(), batch: BATCH, steps: STEPS_PER_EPOCH, lr, evaluate: true });
    const parted = [1e-3, 1e-2, 1e-1].map(
      (tolerance) => `${tolerance}: ${parting(ours.losses, theirs.losses, tolerance) + 1}`,
    );
    console.log(`losses part at step ${parted.join(", ")}; accuracy ${ours.accuracy}, PyTorch's ${theirs.accuracy}`);
    expect(ours.accuracy).toBeGreaterThan(0.2);
    expect(Math.abs(ours.accuracy! - theirs.accuracy!)).toBeLessThan(0.02);
  });
});

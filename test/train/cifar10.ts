/** Training on CIFAR-10, here and in PyTorch. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { dataLoader, NORMALIZATION } from "../../src/data/index.ts";
import { openDataset } from "../../src/data/node/index.ts";
import type { Module } from "../../src/nn/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Evaluator, oneHot, TrainingStep } from "../../src/train/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { shared } from "../support/skip.ts";

const { path: DATA, reason: noData } = shared("data/cifar-10-batches-bin");
const INPUT = ["N", 3, 32, 32] as const;
const transforms = [{ normalize: NORMALIZATION.cifar10 }];

/** Why the comparison cannot run. */
export const reason = pythonSkipReason("torch", "numpy") ?? noData;

interface Run {
  readonly losses: readonly number[];
  /** Share of the test images that are classified correctly. */
  readonly accuracy: number | undefined;
  /** PyTorch's losses in a second run, which differs from the first only by rounding. */
  readonly again?: readonly number[];
}

export interface Plan {
  readonly model: Module;
  /** The same network in Python; papers.py and note_models.py are at hand. */
  readonly python: string;
  readonly batch: number;
  readonly steps: number;
  readonly lr: (step: number) => number;
  readonly evaluate?: boolean;
  /** Whether PyTorch trains a second time, with the channels last in memory. */
  readonly again?: boolean;
}

const script = (name: string) => readFileSync(new URL(name, import.meta.url), "utf8");

/** The same training here and in PyTorch: the same weights, the same images in the same order. */
export async function both(plan: Plan): Promise<readonly [ours: Run, theirs: Run]> {
  const { model, batch, steps, lr, evaluate = false, again = false } = plan;
  const folder = mkdtempSync(join(tmpdir(), "convnets-cifar10-"));
  try {
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
    writeFileSync(
      join(folder, "plan.json"),
      JSON.stringify({ ...NORMALIZATION.cifar10, steps: order, evaluate, again }),
    );
    const source = `${script("../networks/papers.py")}\n\n${script("./cifar10.py")}`;
    const lines = python(source, { args: [DATA, shared("seed").path, folder, plan.python] })
      .trim()
      .split("\n")
      .map(Number);
    expect(losses).toHaveLength(steps);
    return [
      { losses, accuracy },
      {
        losses: lines.slice(0, steps),
        accuracy: evaluate ? lines.at(-1) : undefined,
        ...(again && { again: lines.slice(steps, 2 * steps) }),
      },
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** Index of the first loss that is off by so much, as a share; their number where there is none. */
export function parting(ours: readonly number[], theirs: readonly number[], tolerance: number): number {
  const step = ours.findIndex((loss, i) => Math.abs(loss / theirs[i]! - 1) >= tolerance);
  return step < 0 ? ours.length : step;
}

/** How much farther our losses may be from PyTorch's than PyTorch's own are, when it sums in another order. */
const FACTOR = 10;
/** What is rounding for sure, even if PyTorch's own runs happen to agree so far: a few values on the other side of a ReLU. */
const ROUNDING = 1e-5;

/** The largest distance so far at each step, as a share. */
function distances(a: readonly number[], b: readonly number[]): number[] {
  let most = 0;
  return a.map((loss, i) => {
    most = Math.max(most, Math.abs(loss / b[i]! - 1));
    return most;
  });
}

/**
 * Rounding grows from step to step, wherever it comes from: two runs of PyTorch part as well. So our losses have to be as near to
 * PyTorch's as its own second run, but for a factor. With CONVNETS_LONG_TESTS the distances after some steps are printed.
 */
export function expectAsNear(
  losses: readonly number[],
  { losses: theirs, again }: Run,
  shown: readonly number[],
): void {
  const [off, own] = [distances(losses, theirs), distances(again!, theirs)];
  if (process.env.CONVNETS_LONG_TESTS)
    for (const step of shown)
      console.log(`${step} steps: ours ${off[step - 1]!.toExponential(1)}, own ${own[step - 1]!.toExponential(1)}`);
  const at = off.findIndex((distance, i) => distance > FACTOR * own[i]! + ROUNDING);
  expect(at, `step ${at + 1}: ${off[at]} off, PyTorch's own runs ${own[at]}`).toBe(-1);
  expect(off[0]).toBeLessThan(1e-6);
}

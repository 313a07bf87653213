import { describe, expect, test } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { init, type Module } from "../../src/nn/index.ts";
import { Random } from "../../src/random.ts";
import { shared, unless } from "../support/skip.ts";
import { both, expectAsNear, mean, parting, reason } from "./cifar10.ts";

const STEPS = 15;
const BATCH = 16;
const STEPS_PER_EPOCH = Math.ceil(50_000 / BATCH);
const PYTHON = 'importlib.import_module("note_models").NiN()';

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

describe("the note's NiN on CIFAR-10", unless(reason ?? shared("seed/note_models.py").reason), () => {
  test(`the first ${STEPS} losses are as near to PyTorch's as PyTorch's own`, { timeout: 600_000 }, async () => {
    const lr = () => 0.002;
    const [ours, theirs] = await both({
      model: learner(),
      python: PYTHON,
      batch: BATCH,
      steps: STEPS,
      lr,
      again: true,
    });
    expectAsNear(ours.losses, theirs, [1, 2, 5, 10, 15]);
    expect(parting(ours.losses, theirs.losses, 1e-3)).not.toBeLessThan(5);
    // batches differ: the mean of five
    expect(mean(ours.losses.slice(-5))).toBeLessThan(0.95 * mean(ours.losses.slice(0, 5)));
  });

  const tooLong = process.env.CONVNETS_LONG_TESTS ? undefined : "a quarter of an hour; CONVNETS_LONG_TESTS=1 runs them";
  test("accuracy after an epoch is PyTorch's", { ...unless(tooLong), timeout: 3_600_000 }, async () => {
    const lr = (step: number) => 0.002 * Math.min(1, step / 50) * (1 - step / STEPS_PER_EPOCH);
    const [ours, theirs] = await both({
      model: learner(),
      python: PYTHON,
      batch: BATCH,
      steps: STEPS_PER_EPOCH,
      lr,
      evaluate: true,
    });
    const parted = [1e-3, 1e-2, 1e-1].map(
      (tolerance) => `${tolerance}: ${parting(ours.losses, theirs.losses, tolerance) + 1}`,
    );
    console.log(`losses part at step ${parted.join(", ")}; accuracy ${ours.accuracy}, PyTorch's ${theirs.accuracy}`);
    expect(ours.accuracy).toBeGreaterThan(0.2);
    expect(Math.abs(ours.accuracy! - theirs.accuracy!)).toBeLessThan(0.02);
  });
});

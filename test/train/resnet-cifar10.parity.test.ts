import { describe, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { unless } from "../support/skip.ts";
import { both, mean, parting, reason } from "./cifar10.ts";

const STEPS = 100;
/** That with which He et al. begin the training of ResNet-110. */
const RATE = 0.01;
/** How much farther our losses may be from PyTorch's than PyTorch's own are, when it sums in another order. */
const FACTOR = 10;
/** A few roundings of a loss. */
const ROUNDING = 1e-6;

/** The largest distance so far at each step, as a share. */
function distances(a: readonly number[], b: readonly number[]): number[] {
  let most = 0;
  return a.map((loss, i) => {
    most = Math.max(most, Math.abs(loss / b[i]! - 1));
    return most;
  });
}

describe("ResNet-20 on CIFAR-10", unless(reason), () => {
  // five steps amplify rounding ten thousandfold, wherever it comes from: two runs of PyTorch part as well
  test(`for ${STEPS} steps, the losses are as near to PyTorch's as PyTorch's own`, { timeout: 600_000 }, async () => {
    const model = createModel("resnet20").initialize(1);
    const plan = { model, python: "CifarResNet(3)", batch: 4, steps: STEPS, lr: () => RATE, again: true };
    const [ours, theirs] = await both(plan);
    const off = distances(ours.losses, theirs.losses);
    const own = distances(theirs.again!, theirs.losses);
    if (process.env.CONVNETS_LONG_TESTS)
      for (const step of [1, 2, 5, 10, 20, 40, 60, 80, 100])
        console.log(`${step} steps: ours ${off[step - 1]!.toExponential(1)}, own ${own[step - 1]!.toExponential(1)}`);
    const at = off.findIndex((distance, i) => distance > FACTOR * own[i]! + ROUNDING);
    expect(at, `step ${at + 1}: ${off[at]} off, PyTorch's own runs ${own[at]}`).toBe(-1);
    expect(off[0]).toBeLessThan(ROUNDING);
    expect(parting(ours.losses, theirs.losses, 1e-3)).not.toBeLessThan(5);
    expect(mean(ours.losses.slice(-20))).toBeLessThan(0.95 * mean(ours.losses.slice(0, 20)));
  });
});

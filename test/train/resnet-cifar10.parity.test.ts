import { describe, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { unless } from "../support/skip.ts";
import { both, expectAsNear, mean, parting, reason } from "./cifar10.ts";

const STEPS = 100;
/** That with which He et al. begin the training of ResNet-110. */
const RATE = 0.01;
describe("ResNet-20 on CIFAR-10", unless(reason), () => {
  // five steps amplify rounding ten thousandfold, wherever it comes from: two runs of PyTorch part as well
  test(`for ${STEPS} steps, the losses are as near to PyTorch's as PyTorch's own`, { timeout: 600_000 }, async () => {
    const model = createModel("resnet20").initialize(1);
    const plan = { model, python: "CifarResNet(3)", batch: 4, steps: STEPS, lr: () => RATE, again: true };
    const [ours, theirs] = await both(plan);
    expectAsNear(ours.losses, theirs, [1, 2, 5, 10, 20, 40, 60, 80, 100]);
    expect(parting(ours.losses, theirs.losses, 1e-3)).not.toBeLessThan(5);
    expect(mean(ours.losses.slice(-20))).toBeLessThan(0.95 * mean(ours.losses.slice(0, 20)));
  });
});

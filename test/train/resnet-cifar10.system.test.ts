import { describe, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { unless } from "../support/skip.ts";
import { both, expectAsNear, mean, parting, reason } from "./cifar10.ts";

const STEPS = 100;
/** That with which He et al. begin the training of ResNet-110. */
const RATE = 0.01;
const tooLong = process.env.CONVNETS_LONG_TESTS ? undefined : "five minutes; CONVNETS_LONG_TESTS=1 runs them";

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

  // statistics of many images and small steps amplify rounding less: here runs of PyTorch stay together as well
  describe("with whole batches and a small learning rate", unless(tooLong), () => {
    test(`the first ${STEPS} losses are PyTorch's`, { timeout: 1_800_000 }, async () => {
      const model = createModel("resnet20").initialize(1);
      const plan = { model, python: "CifarResNet(3)", batch: 128, steps: STEPS, lr: () => 1e-4, again: true };
      const [{ losses }, theirs] = await both(plan);
      const farthest = (given: readonly number[]) =>
        Math.max(...given.map((loss, i) => Math.abs(loss - theirs.losses[i]!)));
      const [first, last] = [losses[0]!, losses.at(-1)!].map((loss) => loss.toFixed(2));
      const [ours, own] = [farthest(losses), farthest(theirs.again!)].map((distance) => distance.toExponential(1));
      console.log(`the loss goes from ${first} to ${last}; at most ${ours} from PyTorch's, PyTorch from itself ${own}`);
      expect(farthest(losses)).toBeLessThan(1e-3);
      expect(losses.at(-1)).toBeLessThan(0.8 * losses[0]!);
    });
  });
});

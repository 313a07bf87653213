/** Losses in training steps: what they take, and what they refuse. Their numbers are in losses.parity.test.ts. */
import { describe, expect, it } from "vitest";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { Conv2d, Flatten, Linear, LogSoftmax, Module, Sequential, Softmax, type Tensor } from "../../src/nn/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import {
  bceWithLogitsLoss,
  crossEntropyLoss,
  distillationLoss,
  type Loss,
  mseLoss,
  type TargetLoss,
  TrainingStep,
  type TrainingStepOptions,
} from "../../src/train/index.ts";

const engine = nodeEngine({ threads: 1 });

/** Scores of 8×8 images. */
const network = (K: number, ...end: Module<Tensor>[]) =>
  new Sequential(new Conv2d(3, 4, 3, { stride: 2 }), new Flatten(), new Linear(36, K), ...end).initialize(1);

class Sigmoid extends Module<Tensor> {
  forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

function images(N: number): TensorData<"float32"> {
  const random = new Random(3);
  return tensor(
    "float32",
    [N, 3, 8, 8],
    Float32Array.from({ length: N * 192 }, () => random.normal()),
  );
}

async function step<R>(model: Module, options: Partial<TrainingStepOptions>, use: (step: TrainingStep) => Promise<R>) {
  const made = await TrainingStep.create(model, {
    ...{ engine, input: ["N", 3, 8, 8], optimizer: sgd({ momentum: 0.9 }) },
    ...options,
  });
  try {
    return await use(made);
  } finally {
    await made.dispose();
  }
}

const multiHot = tensor("float32", [2, 3], Float32Array.of(1, 1, 0, 0, 1, 1));

describe("a step", () => {
  it("takes labels as whole numbers, or as probabilities", async () => {
    const run = (target: TensorData) => step(network(3), {}, (made) => made.run({ input: images(2), target }, 0.1));
    const wanted = await run(tensor("float32", [2, 3], Float32Array.of(0, 1, 0, 0, 0, 1)));
    expect(await run(tensor("int64", [2], BigInt64Array.of(1n, 2n)))).toEqual(wanted);
    expect(await run(tensor("int32", [2], Int32Array.of(1, 2)))).toEqual(wanted);
    expect(wanted.correct).toBe(2 * wanted.metrics.accuracy!);
  });

  it("trains several labels per image, through scores or through a Sigmoid alike, and stays finite", async () => {
    const losses = (model: Module) =>
      step(model, { loss: bceWithLogitsLoss() }, async (made) => {
        const results = [];
        for (let i = 0; i < 20; i++) results.push(await made.run({ input: images(2), target: multiHot }, 0.05));
        return results;
      });
    const scores = await losses(network(3));
    expect(scores.at(-1)!.loss).toBeLessThan(0.1);
    expect(scores.at(-1)!.metrics).toEqual({ accuracy: 1, f1: 1 });
    expect(await losses(network(3, new Sigmoid()))).toEqual(scores);

    const far = network(3, new Sigmoid());
    far.loadStateDict(new Map([["2.bias", tensor("float32", [3], Float32Array.of(500, -500, 0))]]), { strict: false });
    const { loss } = await step(far, { loss: bceWithLogitsLoss() }, (made) =>
      made.run({ input: images(2), target: tensor("float32", [2, 3], Float32Array.of(0, 1, 0, 0, 1, 0)) }, 0),
    );
    expect(loss).toBeGreaterThan(300);
    expect(loss).toBeLessThan(400);
  });

  it("trains numbers, one per image as [N] too", async () => {
    const result = await step(network(1), { loss: mseLoss() }, async (made) => {
      const target = tensor("float32", [2], Float32Array.of(3, -2));
      for (let i = 0; i < 60; i++) await made.run({ input: images(2), target }, 0.01);
      return made.run({ input: images(2), target }, 0.01);
    });
    expect(result.loss).toBeLessThan(0.01);
    expect(result.metrics.meanAbsoluteError).toBeLessThan(0.1);
    expect(result.correct).toBeNaN();
  });

  it("learns from a teacher, whose weights stay", async () => {
    const teacher = network(3).initialize(9);
    const before = [...teacher.stateDict()].map(([key, { data }]) => [key, [...data]]);
    const target = tensor("int32", [4], Int32Array.of(0, 1, 2, 0));
    const losses = await step(network(3), { loss: distillationLoss({ teacher, alpha: 1 }) }, async (made) => {
      const found = [];
      for (let i = 0; i < 60; i++) found.push((await made.run({ input: images(4), target }, 0.02)).loss);
      expect([...(await made.state()).keys()].filter((name) => name.includes("teacher"))).toEqual([]);
      return found;
    });
    expect(losses[0]).toBeGreaterThan(0.01);
    expect(losses.at(-1)).toBeLessThan(losses[0]! / 20);
    expect([...teacher.stateDict()].map(([key, { data }]) => [key, [...data]])).toEqual(before);
    const same = network(3).initialize(9);
    const { loss } = await step(same, { loss: distillationLoss({ teacher, alpha: 1 }) }, (made) =>
      made.run({ input: images(4), target }, 0.02),
    );
    expect(loss).toBeCloseTo(0, 5);
  });

  it("takes a function as its loss, and functions as metrics", async () => {
    const own: Loss = (output, target) => output.sub(target).apply("Abs").mean();
    const options = {
      loss: own,
      metrics: { squares: (output: Tensor, target: Tensor) => output.sub(target).mul(output.sub(target)).mean() },
    };
    const [first, last] = await step(network(3), options, async (made) => {
      const batch = { input: images(2), target: multiHot };
      const start = await made.run(batch, 0.01);
      for (let i = 0; i < 50; i++) await made.run(batch, 0.01);
      return [start, await made.run([batch, batch], 0.01)];
    });
    expect(last!.loss).toBeLessThan(first!.loss / 3);
    expect(Object.keys(last!.metrics)).toEqual(["squares"]);
    expect(last!.metrics.squares).toBeLessThan(first!.metrics.squares!);
    await expect(step(network(3), { loss: (output) => output }, async () => {})).rejects.toThrow(
      "loss: the function has to return one number, but gives float32[N, 3]; take its mean: .mean()",
    );
    await expect(step(network(3), { loss: (() => 3) as never }, async () => {})).rejects.toThrow(
      "loss: the function has to return a tensor",
    );
  });

  it("weighs classes over all batches of an update", async () => {
    const loss = crossEntropyLoss({ weight: [1, 5, 0.5] });
    const all = images(4);
    const part = (from: number, to: number) =>
      ({
        input: tensor("float32", [to - from, 3, 8, 8], all.data.slice(from * 192, to * 192)),
        target: tensor("int32", [to - from], Int32Array.of(0, 1, 2, 1).slice(from, to)),
      }) as const;
    const weights = (batches: Parameters<TrainingStep["run"]>[0]) =>
      step(network(3), { loss }, async (made) => {
        const result = await made.run(batches, 0.1);
        return { loss: result.loss, weights: [...(await made.weights()).get("2.weight")!.data].map(Number) };
      });
    const whole = await weights(part(0, 4));
    const halves = await weights([part(0, 3), part(3, 4)]);
    expect(halves.loss).toBeCloseTo(whole.loss, 5);
    for (const [i, value] of whole.weights.entries()) expect(halves.weights[i]).toBeCloseTo(value, 5);
  });
});

describe("a loss that does not fit is an error:", () => {
  const run = (model: Module, loss: TargetLoss | undefined, target: TensorData, N = 2) =>
    step(model, loss ? { loss } : {}, (made) => made.run({ input: images(N), target }, 0.1));
  const ints = (...values: number[]) => tensor("int32", [values.length], Int32Array.from(values));
  const floats = (shape: number[], ...values: number[]) => tensor("float32", shape, Float32Array.from(values));

  it.each([
    [
      "several labels under cross-entropy",
      network(3),
      undefined,
      multiHot,
      "sums to 2, but probabilities of classes sum to 1; for several labels per image use bceWithLogitsLoss()",
    ],
    [
      "whole numbers of several labels under cross-entropy",
      network(3),
      undefined,
      tensor("int32", [2, 3], new Int32Array(6)),
      "labels have to be [N]; for several labels per image use bceWithLogitsLoss()",
    ],
    [
      "one output under cross-entropy",
      network(1),
      undefined,
      ints(0, 0),
      "the network has one output, which is always certain after a softmax",
    ],
    [
      "Sigmoid under cross-entropy",
      network(3, new Sigmoid()),
      undefined,
      ints(0, 1),
      "the network ends in Sigmoid, which is for several labels per image; use bceWithLogitsLoss()",
    ],
    ["a label beyond the classes", network(3), undefined, ints(0, 3), "label 3 is not one of the 3 classes, 0 to 2"],
    ["a negative label", network(3), undefined, ints(0, -1), "label -1 is not one of the 3 classes"],
    [
      "labels that are real numbers",
      network(3),
      undefined,
      floats([2], 0, 1),
      'class labels have to be whole numbers: tensor("int32", [N], labels)',
    ],
    [
      "targets of another width",
      network(3),
      undefined,
      floats([2, 2], 0, 1, 1, 0),
      "targets are [2, 2], but the network's output is [N, 3]",
    ],
    [
      "a negative probability",
      network(3),
      undefined,
      floats([2, 3], -1, 1, 1, 0, 1, 0),
      "the target of image 0 holds -1, but has to lie in 0 … 1",
    ],
    [
      "a target that is not a number",
      network(3),
      mseLoss(),
      floats([2, 3], 0, 1, 1, 0, Number.NaN, 0),
      "the target of image 1 holds NaN",
    ],
    [
      "class labels under mean squared error",
      network(3),
      mseLoss(),
      ints(0, 1),
      "mseLoss: targets are whole numbers int32 [2], but float32 [N, 3] is needed; for class labels use crossEntropyLoss()",
    ],
    [
      "class labels under binary cross-entropy",
      network(3),
      bceWithLogitsLoss(),
      ints(0, 1),
      "for class labels use crossEntropyLoss()",
    ],
    [
      "Softmax under binary cross-entropy",
      network(3, new Softmax(1)),
      bceWithLogitsLoss(),
      multiHot,
      "the network ends in Softmax, which allows one class per image",
    ],
    [
      "LogSoftmax under binary cross-entropy",
      network(3, new LogSoftmax(1)),
      bceWithLogitsLoss(),
      multiHot,
      "the network ends in LogSoftmax, which allows one class per image",
    ],
    [
      "a label of 2 under binary cross-entropy",
      network(3),
      bceWithLogitsLoss(),
      floats([2, 3], 0, 2, 0, 0, 0, 0),
      "holds 2, but has to lie in 0 … 1",
    ],
    ["fewer targets than images", network(3), undefined, ints(0), "there are 2 images, but targets of 1"],
    [
      "class weights of another number",
      network(3),
      crossEntropyLoss({ weight: [1, 2] }),
      ints(0, 1),
      "crossEntropyLoss: weight has 2 numbers, but the network's output is [N, 3]",
    ],
  ] as const)("%s", async (_, model, loss, target, message) => {
    await expect(run(model, loss, target)).rejects.toThrow(message);
  });

  it("an output that is no classifier's, with the remedy", async () => {
    class Feature extends Module<{ logits: Tensor; feature: Tensor }> {
      conv = new Conv2d(3, 4, 3);
      fc = new Linear(144, 3);
      forward(x: Tensor) {
        const feature = this.conv.call(x);
        return { logits: this.fc.call(feature.flatten(1)), feature };
      }
    }
    const model = new Feature().initialize(1);
    await expect(run(model, undefined, ints(0, 1))).rejects.toThrow(
      'the output "feature": a classifier has to give [N, classes], but gives [N, 4, 6, 6]; if it is not to be trained, leave it out of the loss: lossWeights: { feature: 0 }',
    );
    const left = await step(model, { lossWeights: { feature: 0 } }, (made) =>
      made.run({ input: images(2), target: ints(0, 1) }, 0.1),
    );
    expect(left.loss).toBeGreaterThan(0);
    await expect(step(model, { lossWeights: { featur: 0 } }, async () => {})).rejects.toThrow(
      "lossWeights: the network has no output featur, only logits, feature",
    );
    await expect(step(model, { loss: (y) => y.mean(), lossWeights: { feature: 0 } }, async () => {})).rejects.toThrow(
      "a loss that is a function weighs the outputs itself",
    );
  });

  it("options that cannot be meant", async () => {
    expect(() => crossEntropyLoss({ labelSmoothing: 1 })).toThrow("labelSmoothing has to lie in [0, 1)");
    expect(() => crossEntropyLoss({ weights: [1] } as never)).toThrow('did you mean "weight"?');
    expect(() => crossEntropyLoss({ weight: [1, -1] })).toThrow("has to hold numbers ≥ 0");
    expect(() => distillationLoss({} as never)).toThrow("a teacher is needed");
    expect(() => distillationLoss({ teacher: network(3), alpha: 2 })).toThrow("alpha has to lie in [0, 1]");
    await expect(step(network(3), { loss: distillationLoss({ teacher: network(4) }) }, async () => {})).rejects.toThrow(
      "the teacher has 4 classes, the network 3",
    );
    await expect(step(network(3), { clipnorm: 1 } as never, async () => {})).rejects.toThrow(
      'TrainingStep: there is no option "clipnorm"; did you mean "clipNorm"?',
    );
    await expect(step(network(3), { labelSmoothing: 0.1 } as never, async () => {})).rejects.toThrow(
      "labelSmoothing belongs to the loss: loss: crossEntropyLoss({ labelSmoothing: 0.1 })",
    );
  });
});

it("log(softmax(x)) of a loss becomes one stable operator", async () => {
  const model = network(2, new Softmax(1));
  model.loadStateDict(new Map([["2.bias", tensor("float32", [2], Float32Array.of(0, 500))]]), { strict: false });
  const { loss } = await step(model, {}, (made) =>
    made.run({ input: images(1), target: tensor("int32", [1], Int32Array.of(0)) }, 0),
  );
  expect(loss).toBeGreaterThan(400);
});

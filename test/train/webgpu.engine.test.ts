/** Training steps as they are written for WebGPU, computed by the processor: they have to be those that are written for it. */
import { expect, it } from "vitest";
import { createModel, type Module, oneHot } from "../../src/index.ts";
import { Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential } from "../../src/nn/index.ts";
import type { Target } from "../../src/operators/index.ts";
import { adamw, lars, type Optimizer, sgd } from "../../src/optim/index.ts";
import { lower, simplify } from "../../src/passes/index.ts";
import type { Engine } from "../../src/runtime/engine.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { TrainingStep } from "../../src/train/index.ts";
import { Draw } from "../support/draw.ts";

const cpu = nodeEngine({ threads: 1 });
const operators: string[][] = [];
const writtenFor = (target: Target): Engine => ({
  name: `graphs for ${target} on the processor`,
  target,
  compile(graph, options) {
    const lowered = simplify(lower(graph, target));
    operators.push(lowered.nodes.map(({ op }) => op));
    return cpu.compile(lowered, options);
  },
});

/** Strides, dilation, groups, overlapping windows, and windows that hang over the end: x [N, 3, 25, 25] → [N, 5] */
const mixed = () =>
  new Sequential(
    new Conv2d(3, 8, 3, { stride: 2, padding: 1 }),
    new ReLU(),
    new MaxPool2d(3, { stride: 2, ceilMode: true }),
    new Conv2d(8, 16, 3, { padding: 2, dilation: 2, groups: 2 }),
    new ReLU(),
    new MaxPool2d(3, { stride: 1, padding: 1 }),
    new Conv2d(16, 16, 3, { padding: 1, groups: 16 }),
    new Conv2d(16, 12, 1, { stride: 2 }),
    new ReLU(),
    new MaxPool2d(2),
    new Flatten(),
    new Linear(12, 5),
  );

/** Losses, accuracies and norms of gradients in four steps. */
async function course(engine: Engine, model: Module, optimizer: Optimizer): Promise<number[]> {
  model.initialize(1);
  const step = await TrainingStep.create(model, {
    ...{ engine, input: ["N", 3, 25, 25], optimizer, gradientNorms: true },
    decays: (key) => key.endsWith("weight"),
  });
  const input = new Draw(1).uniform([4, 3, 25, 25]);
  const target = oneHot([0, 1, 2, 3], step.numClasses);
  const numbers: number[] = [];
  for (let i = 0; i < 4; i++) {
    const { loss, metrics, gradientNorms = {} } = await step.run({ input, target }, 0.01);
    numbers.push(loss, metrics.accuracy!, ...Object.values(gradientNorms));
  }
  await step.dispose();
  return numbers;
}

it.each([
  ["webgpu", "convolutions and pools of every kind", mixed, sgd({ momentum: 0.9, weightDecay: 1e-3 })],
  ["webgpu", "convolutions and pools of every kind", mixed, adamw()],
  ["webgpu", "batch normalization", () => createModel("vgg_small"), sgd({ momentum: 0.9, nesterov: true })],
  ["webgpu", "batch normalization", () => createModel("vgg_small"), lars()],
  ["webgpu-emulated", "convolutions and pools of every kind", mixed, adamw()],
  ["webgpu-emulated", "batch normalization", () => createModel("vgg_small"), sgd({ momentum: 0.9, nesterov: true })],
] as const)("%s: %s", async (target, _, model, optimizer) => {
  const wanted = await course(cpu, model(), optimizer);
  const given = await course(writtenFor(target), model(), optimizer);
  for (const [i, value] of given.entries())
    expect(Math.abs(value - wanted[i]!)).toBeLessThan(2e-4 * Math.max(0.01, Math.abs(wanted[i]!)));
  expect(operators.at(-1)).not.toContain("ArgMax");
  expect(operators.at(-1)!.includes("Split")).toBe(target === "webgpu" && optimizer.isElementwise === true);
});

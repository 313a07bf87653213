/* The comparison of networks.test.ts finds a fault of one part in ten thousand, wherever it is. */
import { beforeAll, describe, expect, it } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import { BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential } from "../../src/nn/index.ts";
import { gradientRules } from "../../src/operators/registry.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import type { Case } from "./cases.ts";
import { compare, type Found, type Kind, type Run, TOLERANCES, worst } from "./compare.ts";

const FAULT = 1e-4;

/** A small network with the operators that hold weights or kinks. */
const example: Case = {
  create: () =>
    new Sequential(
      ...[new Conv2d(3, 16, 3, { padding: 1 }), new BatchNorm2d(16), new ReLU(), new MaxPool2d(2)],
      ...[new Conv2d(16, 24, 3, { padding: 1 }), new BatchNorm2d(24), new ReLU(), new MaxPool2d(3, { stride: 2 })],
      ...[new Flatten(), new Linear(24 * 3 * 3, 32), new ReLU(), new Linear(32, 10)],
    ),
  python: `nn.Sequential(
    nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2),
    nn.Conv2d(16, 24, 3, padding=1), nn.BatchNorm2d(24), nn.ReLU(), nn.MaxPool2d(3, 2),
    nn.Flatten(), nn.Linear(24 * 3 * 3, 32), nn.ReLU(), nn.Linear(32, 10))`,
  classes: 10,
  evalSide: 16,
  training: { side: 16, batch: 4, lr: 1e-3 },
};

/** Computes with one weight too large. */
const inWeight = (key: string): Partial<Run> => ({
  change(weights) {
    const { shape, data } = weights.get(key)!;
    const larger = Float32Array.from(data as Float32Array, (value) => value * (1 + FAULT));
    return new Map([...weights, [key, tensor("float32", shape, larger)]]);
  },
});

/** Computes with a gradient rule that gives too much, for one input of the operator that one module calls. */
const inRule = (op: string, scope: string, input: number): Partial<Run> => ({
  plant() {
    const rules = gradientRules();
    const rule = rules[op]!;
    rules[op] = (g, node) =>
      rule(g, node).map((given, i) => {
        if (i !== input || g.scope !== `backward/${scope}`) return given;
        const gradient = typeof given === "function" ? given() : given;
        return gradient && g.scale(gradient, 1 + FAULT);
      });
    return () => {
      rules[op] = rule;
    };
  },
});

/** Where a fault is, the fault, and what it shows in. */
const FAULTS: readonly (readonly [where: string, fault: Partial<Run>, kind: Kind])[] = [
  // batch normalization takes a factor of its input out again, but for the gradient
  ["the weight of a convolution", inWeight("4.weight"), "gradients"],
  ["the weight of a batch normalization", inWeight("5.weight"), "activations"],
  ["the weight of a dense layer", inWeight("9.weight"), "activations"],
  ["the gradient of a convolution's input", inRule("Conv", "4", 0), "gradients"],
  ["the gradient of a convolution's weight", inRule("Conv", "4", 1), "gradients"],
  ["the gradient of a batch normalization", inRule("BatchNormalization", "5", 0), "gradients"],
  // it comes after the max-pool (pool-first.ts)
  ["the gradient of a ReLU", inRule("Relu", "3", 0), "gradients"],
  ["the gradient of a max-pool", inRule("MaxPool", "3", 0), "gradients"],
  ["the gradient of a dense layer's weight", inRule("Gemm", "11", 1), "gradients"],
];

describe(`a fault of ${FAULT}`, unless(pythonSkipReason("torch")), () => {
  let right: Found;
  let faulty: Found[];
  const exceeded = (found: Found) => (Object.keys(TOLERANCES) as Kind[]).filter((kind) => worst(found, kind));

  beforeAll(async () => {
    const runs = [{}, ...FAULTS.map(([, fault]) => fault)].map((run): Run => ({ seed: 1, steps: 1, ...run }));
    [right, ...faulty] = (await compare(example, ["torch"], runs)) as [Found, ...Found[]];
  }, 900_000);

  it("is not found where there is none", () => expect(exceeded(right)).toEqual([]));

  it.each(FAULTS.map(([where, , kind], i) => [where, kind, i] as const))("in %s is found in the %s", (_, kind, i) => {
    expect(exceeded(faulty[i]!)).toContain(kind);
  });
});

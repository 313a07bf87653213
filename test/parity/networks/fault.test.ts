/* The comparison of networks.test.ts finds a fault of one part in ten thousand, wherever it is. */
import { beforeAll, describe, expect, it } from "vitest";
import { tensor } from "../../../src/graph/index.ts";
import { type Operator, operator } from "../../../src/operators/index.ts";
import { pythonSkipReason } from "../../support/python.ts";
import { type Case, narrowVgg } from "./cases.ts";
import { compare, type Found, type Kind, type Run, TOLERANCES, worst } from "./compare.ts";

const FAULT = 1e-4;
const MODULES = ["torch", "torchvision"];

/** A small network with the operators that hold weights or kinks. */
const example: Case = {
  ...narrowVgg("vgg11_bn"),
  classes: 1000,
  evalSide: 32,
  training: { side: 32, batch: 4, lr: 1e-3 },
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
    const record = operator(op) as { gradient: NonNullable<Operator["gradient"]> };
    const rule = record.gradient;
    record.gradient = (g, backward) =>
      rule(g, backward).map((gradient, i) => {
        if (!gradient || i !== input || g.scope !== `backward/${scope}`) return gradient;
        return () => {
          const right = typeof gradient === "function" ? gradient() : gradient;
          return right && g.scale(right, 1 + FAULT);
        };
      });
    return () => {
      record.gradient = rule;
    };
  },
});

/** Where a fault is, the fault, and what it shows in. */
const FAULTS: readonly (readonly [where: string, fault: Partial<Run>, kind: Kind])[] = [
  // batch normalization takes a factor of its input out again, but for the gradient
  ["the weight of a convolution", inWeight("features.4.weight"), "gradients"],
  ["the weight of a batch normalization", inWeight("features.16.weight"), "activations"],
  ["the gradient of a convolution's input", inRule("Conv", "features.11", 0), "gradients"],
  ["the gradient of a convolution's weight", inRule("Conv", "features.11", 1), "gradients"],
  ["the gradient of a batch normalization", inRule("BatchNormalization", "features.19", 0), "gradients"],
  ["the gradient of a ReLU", inRule("Relu", "features.2", 0), "gradients"],
  ["the gradient of a max-pool", inRule("MaxPool", "features.7", 0), "gradients"],
];

describe.skipIf(pythonSkipReason(...MODULES))(`a fault of ${FAULT}`, () => {
  let right: Found;
  let faulty: Found[];
  const exceeded = (found: Found) => (Object.keys(TOLERANCES) as Kind[]).filter((kind) => worst(found, kind));

  beforeAll(async () => {
    const runs = [{}, ...FAULTS.map(([, fault]) => fault)].map((run): Run => ({ seed: 1, steps: 1, ...run }));
    [right, ...faulty] = (await compare(example, MODULES, runs)) as [Found, ...Found[]];
  }, 300_000);

  it("is not found where there is none", () => expect(exceeded(right)).toEqual([]));

  it.each(FAULTS.map(([where, , kind], i) => [where, kind, i] as const))("in %s is found in the %s", (_, kind, i) => {
    expect(exceeded(faulty[i]!)).toContain(kind);
  });
});

/** Activations against PyTorch, over shapes with any number of axes. */
import fc from "fast-check";
import { describe, it } from "vitest";
import { F, type Tensor } from "../../src/nn/index.ts";
import { family } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 3 });

const ACTIVATIONS: Record<string, [ours: (x: Tensor) => Tensor, torch: string]> = {
  relu: [F.relu, "F.relu(x[0])"],
  relu6: [(x) => F.relu6(x.mul(4)), "F.relu6(x[0] * 4)"],
  leakyRelu: [F.leakyRelu, "F.leaky_relu(x[0])"],
  "leakyRelu with a slope": [(x) => F.leakyRelu(x, 0.2), "F.leaky_relu(x[0], 0.2)"],
  elu: [F.elu, "F.elu(x[0])"],
  "elu with alpha": [(x) => F.elu(x, 0.7), "F.elu(x[0], 0.7)"],
  selu: [F.selu, "F.selu(x[0])"],
  celu: [F.celu, "F.celu(x[0])"],
  "celu with alpha": [(x) => F.celu(x, 1.3), "F.celu(x[0], 1.3)"],
  gelu: [F.gelu, "F.gelu(x[0])"],
  "gelu by tanh": [(x) => F.gelu(x, { approximate: "tanh" }), "F.gelu(x[0], approximate='tanh')"],
  silu: [F.silu, "F.silu(x[0])"],
  mish: [F.mish, "F.mish(x[0])"],
  hardswish: [F.hardswish, "F.hardswish(x[0])"],
  hardsigmoid: [F.hardsigmoid, "F.hardsigmoid(x[0])"],
  hardtanh: [(x) => F.hardtanh(x.mul(3)), "F.hardtanh(x[0] * 3)"],
  "hardtanh with limits": [(x) => F.hardtanh(x, -0.52, 0.28), "F.hardtanh(x[0], -0.52, 0.28)"],
  sigmoid: [F.sigmoid, "F.sigmoid(x[0])"],
  tanh: [F.tanh, "F.tanh(x[0])"],
  softplus: [F.softplus, "F.softplus(x[0])"],
  "softplus with beta": [(x) => F.softplus(x, { beta: 2.5 }), "F.softplus(x[0], 2.5)"],
  "softplus with a threshold": [(x) => F.softplus(x, { beta: 2, threshold: 1.03 }), "F.softplus(x[0], 2, 1.03)"],
  softmax: [(x) => F.softmax(x, 0), "F.softmax(x[0], 0)"],
  logSoftmax: [(x) => F.logSoftmax(x, -1), "F.log_softmax(x[0], -1)"],
};

describe("activations", () => {
  it.each(Object.entries(ACTIVATIONS))("%s", (_, [ours, torch]) =>
    checkFamily(
      family(sizes, (shape, N, draw) => ({
        inputs: [draw.spaced([N, ...shape])],
        build: ([x]) => ours(x!),
        torch,
        // the jump of softplus at its threshold
        smooth: !torch.includes("1.03"),
      })),
      8,
    ),
  );

  it("prelu has one slope, or one for each channel", () => {
    const geometry = fc.record({ channels: fc.integer({ min: 1, max: 4 }), sizes, one: fc.boolean() });
    return checkFamily(
      family(geometry, ({ channels, sizes, one }, N, draw) => ({
        inputs: [draw.spaced([N, channels, ...sizes]), draw.uniform([one ? 1 : channels])],
        wrt: [0, 1],
        build: ([x, w]) => F.prelu(x!, w!),
        torch: "F.prelu(x[0], x[1])",
      })),
    );
  });
});

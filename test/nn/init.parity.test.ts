import { describe, expect, it } from "vitest";
import { createModel } from "../../src/models/index.ts";
import {
  BatchNorm2d,
  Conv2d,
  ConvTranspose2d,
  GroupNorm,
  type Initializer,
  InstanceNorm2d,
  init,
  LayerNorm,
  Linear,
  type Module,
  PReLU,
} from "../../src/nn/index.ts";
import { Random } from "../../src/random.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { Torch } from "../support/torch.ts";

/**
 * Largest difference of two empirical distributions of n draws each, as a multiple of √(2/n) (Kolmogorov and Smirnov): equal
 * distributions exceed it once in 10,000 times. The draws here are seeded, so a test that passes once passes always.
 */
const KOLMOGOROV_SMIRNOV = 2.2;

function expectSameDistribution(ours: Float32Array, theirs: Float64Array, what: string): void {
  expect(ours.length, `numbers of ${what}`).toBe(theirs.length);
  const [a, b] = [Float64Array.from(ours).sort(), Float64Array.from(theirs).sort()];
  const n = a.length;
  let difference = 0;
  for (let i = 0, j = 0; i < n && j < n; ) {
    const x = Math.min(a[i]!, b[j]!);
    while (i < n && a[i]! <= x) i++;
    while (j < n && b[j]! <= x) j++;
    difference = Math.max(difference, Math.abs(i - j) / n);
  }
  expect(difference, `difference of the distributions of ${what}`).toBeLessThanOrEqual(
    Math.min(KOLMOGOROV_SMIRNOV * Math.sqrt(2 / n), 0.999),
  );
}

describe("initial weights against PyTorch", unless(pythonSkipReason("torch", "torchvision")), () => {
  const torch = new Torch("torchvision");

  const ask = async (expression: string) =>
    (await torch.ask({ expression, inputs: [], wrt: [], weights: [] })).outputs.map(({ data }) => data as Float64Array);

  it.each<[string, Module, string]>([
    ["Conv2d", new Conv2d(12, 600, 3), "Conv2d(12, 600, 3)"],
    ["Conv2d in groups", new Conv2d(12, 600, [5, 2], { groups: 4 }), "Conv2d(12, 600, (5, 2), groups=4)"],
    ["Linear", new Linear(90, 1000), "Linear(90, 1000)"],
    ["BatchNorm2d", new BatchNorm2d(64), "BatchNorm2d(64)"],
    ["ConvTranspose2d", new ConvTranspose2d(60, 120, 3), "ConvTranspose2d(60, 120, 3)"],
    [
      "ConvTranspose2d in groups",
      new ConvTranspose2d(60, 120, 3, { groups: 4 }),
      "ConvTranspose2d(60, 120, 3, groups=4)",
    ],
    ["PReLU", new PReLU(8), "PReLU(8)"],
    ["GroupNorm", new GroupNorm(4, 64), "GroupNorm(4, 64)"],
    ["LayerNorm", new LayerNorm([4, 16]), "LayerNorm([4, 16])"],
    ["InstanceNorm2d", new InstanceNorm2d(64, { affine: true }), "InstanceNorm2d(64, affine=True)"],
  ])("%s", async (_, module, expression) => {
    const theirs = await ask(`list(torch.nn.${expression}.parameters())`);
    for (const [i, [key, parameter]] of [...module.parameters()].entries()) {
      const { data } = parameter.draw(new Random(7, key));
      expectSameDistribution(data as Float32Array, theirs[i]!, key);
    }
  });

  const shape = [64, 32, 3, 3] as const;

  it.each<[string, Initializer]>([
    ["kaiming_uniform_(w)", init.kaimingUniform()],
    ["kaiming_uniform_(w, a=0.3)", init.kaimingUniform({ a: 0.3 })],
    [
      "kaiming_uniform_(w, mode='fan_out', nonlinearity='relu')",
      init.kaimingUniform({ mode: "fan_out", nonlinearity: "relu" }),
    ],
    ["kaiming_normal_(w)", init.kaimingNormal()],
    [
      "kaiming_normal_(w, mode='fan_out', nonlinearity='tanh')",
      init.kaimingNormal({ mode: "fan_out", nonlinearity: "tanh" }),
    ],
    ["kaiming_normal_(w, nonlinearity='sigmoid')", init.kaimingNormal({ nonlinearity: "sigmoid" })],
    ["kaiming_normal_(w, nonlinearity='linear')", init.kaimingNormal({ nonlinearity: "linear" })],
    ["xavier_uniform_(w)", init.xavierUniform()],
    ["xavier_uniform_(w, gain=2)", init.xavierUniform(2)],
    ["xavier_normal_(w)", init.xavierNormal()],
    ["xavier_normal_(w, gain=0.5)", init.xavierNormal(0.5)],
    ["uniform_(w, -1, 3)", init.uniform(-1, 3)],
    ["normal_(w, 2, 0.1)", init.normal(2, 0.1)],
    ["trunc_normal_(w)", init.truncatedNormal()],
    ["trunc_normal_(w, 1, 2, -1, 4)", init.truncatedNormal({ mean: 1, std: 2, a: -1, b: 4 })],
    ["trunc_normal_(w, std=0.01)", init.truncatedNormal({ std: 0.01 })],
    ["constant_(w, 0.2)", init.constant(0.2)],
  ])("init.%s", async (call, initializer) => {
    const [theirs] = await ask(`(lambda w: torch.nn.init.${call})(torch.empty(${shape.join(", ")}))`);
    const ours = initializer(shape, new Random(7));
    expectSameDistribution(ours, theirs!.map(Math.fround), call);
  });

  /** Weights beyond this would take seconds to draw. */
  const LARGEST = 5e5;

  it.each([
    ["vgg11_bn", "vgg11_bn(num_classes=50)"],
    ["googlenet", "googlenet(num_classes=50, init_weights=True)"],
  ])(
    "all of torchvision's %s",
    async (name, call) => {
      const model = createModel(name, { variant: "torchvision", numClasses: 50 });
      const small = `[p for p in __import__("torchvision").models.${call}.parameters() if p.numel() < ${LARGEST}]`;
      const theirs = await ask(small);
      const ours = [...model.parameters()].filter(([, { numel }]) => numel < LARGEST);
      expect(ours.length).toBe(theirs.length);
      for (const [i, [key, parameter]] of ours.entries()) {
        expectSameDistribution(parameter.draw(new Random(7, key)).data as Float32Array, theirs[i]!, key);
      }
    },
    60_000,
  );
});

/** Parameters and receptive fields against PyTorch. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { createModel, MODELS, type ModelName } from "../../src/models/index.ts";
import { summarize } from "../../src/summary/index.ts";
import { imagesOf } from "../support/images.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { type Network, network, type Part } from "./networks.ts";
import { ask } from "./python.ts";

const NAMES = (Object.keys(MODELS) as ModelName[]).filter((name) =>
  (MODELS[name].variants as readonly string[]).includes("torchvision"),
);

const COUNTS = `
import json, sys, torch, torchvision.models as models
# numbers do not matter, and drawing them takes half a minute
for name in ("kaiming_uniform_", "kaiming_normal_", "trunc_normal_", "normal_", "uniform_"):
    setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
def count(name):
    # some take long to draw weights, and can be told not to
    options = dict(init_weights=False) if name in ("googlenet", "inception_v3") or name.startswith("vgg") else {}
    return sum(p.numel() for p in getattr(models, name)(num_classes=50, **options).parameters())
print(json.dumps({name: count(name) for name in json.load(sys.stdin)}))
`;

const noTorchvision = pythonSkipReason("torch", "torchvision");

describe("parameters of torchvision's networks", unless(noTorchvision), () => {
  test(NAMES.join(", "), () => {
    const ours = NAMES.map((name) => {
      const model = createModel(name, { variant: "torchvision", numClasses: 50 });
      return [name, summarize(model, { input: imagesOf(model, 2), training: true }).totals.params];
    });
    expect(Object.fromEntries(ours)).toEqual(JSON.parse(python(COUNTS, { input: JSON.stringify(NAMES) })));
  });
});

/** Chains and branches of windows, all of whose weights are 1, so that no gradient vanishes. */
const kernel = fc.integer({ min: 1, max: 5 });
const stride = fc.integer({ min: 1, max: 3 });
const windows: fc.Arbitrary<Part> = fc.oneof(
  fc.record({
    kind: fc.constant("conv" as const),
    out: fc.constant(1),
    kernel: fc.constantFrom(1, 3, 5),
    stride,
    bias: fc.boolean(),
    frozen: fc.constant(false),
  }),
  fc.record({ kind: fc.constant("avgpool" as const), kernel, stride }),
);
const IMAGE: Network["input"] = [1, 1, 260, 300];

const noTorch = pythonSkipReason("torch");

describe("receptive fields", unless(noTorch), () => {
  test("equal the pixels that a gradient in PyTorch reaches", () => {
    const drawn: Network[] = fc
      .sample(fc.array(windows, { minLength: 1, maxLength: 4 }), { numRuns: 40, seed: 3 })
      .map((parts) => ({ parts, classes: null, input: IMAGE }));
    const fields = ask<[number, number]>("field", drawn);
    drawn.forEach((described, i) => {
      const { rows, totals } = summarize(network(described), { input: IMAGE });
      expect(rows[0]!.receptiveField, JSON.stringify(described.parts)).toEqual(fields[i]);
      expect(totals.receptiveField).toEqual(fields[i]);
    });
  });
});

/** torchinfo's tables of torchvision's networks; it runs where Python finds it, as with PYTHONPATH=…/torchinfo. */
import { describe, expect, test } from "vitest";
import { createModel, MODELS, type ModelName } from "../../src/models/index.ts";
import { summarize } from "../../src/summary/index.ts";
import { imagesOf } from "../support/images.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const NAMES = (Object.keys(MODELS) as ModelName[]).filter((name) =>
  (MODELS[name].variants as readonly string[]).includes("torchvision"),
);

const SCRIPT = `
import json, sys, torch, torchvision
from torchinfo import summary
# numbers do not matter, and drawing them takes half a minute
for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "trunc_normal_"):
    setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
def totals(name, size):
    model = getattr(torchvision.models, name)().eval()
    found = summary(model, size, device="cpu", verbose=0)
    return [found.total_params, found.trainable_params, found.total_mult_adds]
print(json.dumps({name: totals(name, size) for name, size in json.load(sys.stdin).items()}))
`;

describe("torchinfo's totals of torchvision's networks", unless(pythonSkipReason("torchvision", "torchinfo")), () => {
  test(NAMES.join(", "), { timeout: 600_000 }, () => {
    const models = NAMES.map((name) => [name, createModel(name, { variant: "torchvision" })] as const);
    const sizes = Object.fromEntries(models.map(([name, model]) => [name, imagesOf(model)]));
    const ours = models.map(([name, model]) => {
      const { params, trainableParams, multAdds } = summarize(model, { input: imagesOf(model) }).totals;
      return [name, [params, trainableParams, multAdds]];
    });
    expect(Object.fromEntries(ours)).toEqual(JSON.parse(python(SCRIPT, { input: JSON.stringify(sizes) })));
  });
});

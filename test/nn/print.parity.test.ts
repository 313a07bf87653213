/** How modules print, against PyTorch's own print. `inplace` aside, which nothing here has. */
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import * as nn from "../../src/nn/index.ts";
import { python } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { LAYERS } from "./layers.ts";
import { modernTorchSkipReason } from "./modern.ts";

/** Layers of the first days, and arguments that print in another way. */
const MORE: readonly (readonly [python: string, make: () => nn.Module])[] = [
  ["Conv2d(3, 8, 3)", () => new nn.Conv2d(3, 8, 3)],
  ["Conv2d(3, 8, (3, 1), 2, 1)", () => new nn.Conv2d(3, 8, [3, 1], { stride: 2, padding: 1 })],
  [
    "Conv2d(4, 8, 3, dilation=2, groups=2, bias=False, padding='same')",
    () => new nn.Conv2d(4, 8, 3, { dilation: 2, groups: 2, bias: false, padding: "same" }),
  ],
  ["Linear(3, 8)", () => new nn.Linear(3, 8)],
  ["Linear(3, 8, bias=False)", () => new nn.Linear(3, 8, { bias: false })],
  ["BatchNorm2d(8)", () => new nn.BatchNorm2d(8)],
  ["BatchNorm2d(8, momentum=0.01, affine=False)", () => new nn.BatchNorm2d(8, { momentum: 0.01, affine: false })],
  ["MaxPool2d(2)", () => new nn.MaxPool2d(2)],
  [
    "MaxPool2d((3, 2), stride=2, padding=(1, 0), dilation=2, ceil_mode=True)",
    () => new nn.MaxPool2d([3, 2], { stride: 2, padding: [1, 0], dilation: 2, ceilMode: true }),
  ],
  ["AvgPool2d(3, 1, 1)", () => new nn.AvgPool2d(3, { stride: 1, padding: 1 })],
  ["AdaptiveAvgPool2d((None, 3))", () => new nn.AdaptiveAvgPool2d([null, 3])],
  ["LPPool2d(2, 3)", () => new nn.LPPool2d(2, 3)],
  ["Dropout(0.3)", () => new nn.Dropout(0.3)],
  ["Flatten()", () => new nn.Flatten()],
  ["Identity()", () => new nn.Identity()],
  ["Softmax(1)", () => new nn.Softmax(1)],
  ["LogSoftmax(-1)", () => new nn.LogSoftmax(-1)],
  ["LocalResponseNorm(5)", () => new nn.LocalResponseNorm(5)],
  ["LocalResponseNorm(3, alpha=0.0000125, k=2.0)", () => new nn.LocalResponseNorm(3, { alpha: 0.0000125, k: 2 })],
  ["Upsample(scale_factor=(2.0, 1.5))", () => new nn.Upsample({ scaleFactor: [2, 1.5] })],
  ["LayerNorm(8, bias=False)", () => new nn.LayerNorm(8, { bias: false })],
  ["utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3))", () => nn.weightNorm(new nn.Conv2d(3, 8, 3))],
  ["ModuleList([])", () => new nn.ModuleList([])],
  [
    "ModuleDict({'a': nn.ReLU(), 'b': nn.Identity()})",
    () => new nn.ModuleDict({ a: new nn.ReLU(), b: new nn.Identity() }),
  ],
  [
    "ModuleList([nn.ReLU(), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 1), nn.ReLU(), nn.ReLU()])",
    () =>
      new nn.ModuleList<nn.Module<nn.Tensor>>([
        new nn.ReLU(),
        ...[0, 1, 2].map(() => new nn.Conv2d(8, 8, 1)),
        ...[0, 1].map(() => new nn.ReLU()),
      ]),
  ],
  [
    "ModuleList([nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), nn.Sequential(nn.ReLU(), nn.Linear(2, 2))])",
    () => new nn.ModuleList([0, 1].map(() => new nn.Sequential(new nn.ReLU(), new nn.Linear(2, 2)))),
  ],
];

const cases = [...LAYERS.map(({ python, make }) => [python, make] as const), ...MORE];

class Tree extends nn.Module<nn.Tensor> {
  layers = new nn.Sequential(...(cases.map(([, make]) => make()) as nn.Module<nn.Tensor>[]));
  head = nn.weightNorm(new nn.Linear(4, 3), { dim: null });
  forward(x: nn.Tensor) {
    return this.head.call(x);
  }
}

describe("modules print as in PyTorch", unless(modernTorchSkipReason()), () => {
  it("every layer, and a tree of all of them", () => {
    const script = `
import json, sys, torch
from torch import nn
class Tree(nn.Module):
    def __init__(self, layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.head = nn.utils.parametrizations.weight_norm(nn.Linear(4, 3), dim=None)
layers = [eval("nn." + code) for code in json.load(sys.stdin)]
print(json.dumps([str(layer) for layer in layers] + [str(Tree(layers))]))
`;
    const input = JSON.stringify(cases.map(([code]) => code));
    const printed = JSON.parse(python(script, { input, modules: ["torch"] })) as string[];
    const wanted = printed.map((text) => text.replaceAll(", inplace=False", ""));
    expect(cases.map(([, make]) => String(make()))).toEqual(wanted.slice(0, -1));
    expect(String(new Tree())).toBe(wanted.at(-1));
    expect(inspect(new Tree())).toBe(String(new Tree()));
  });
});

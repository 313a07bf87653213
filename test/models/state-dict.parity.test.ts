import { describe, expect, it } from "vitest";
import { createModel, MODELS, type ModelName, type ModelOptions } from "../../src/models/index.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { shared, unless } from "../support/skip.ts";

const seed = shared("seed").path;

/** Prints keys, types and shapes of state dicts in PyTorch's order. Nothing is drawn, so that no memory is touched. */
const SCRIPT = `
import json, sys
import torch, torchvision
for name in ("kaiming_uniform_", "kaiming_normal_", "uniform_", "normal_", "trunc_normal_", "constant_"):
    setattr(torch.nn.init, name, lambda tensor, *args, **kwargs: tensor)
sys.path.insert(0, sys.argv[1])
scope = {"torchvision": torchvision.models}
if len(sys.argv) > 2:
    import note_models
    scope["note"] = note_models
def describe(expression):
    state = eval(expression, scope).state_dict()
    return [[key, str(value.dtype).split(".")[1], list(value.shape)] for key, value in state.items()]
print(json.dumps({e: describe(e) for e in json.load(sys.stdin)}))
`;

const hasTorchvision = (name: ModelName) => (MODELS[name].variants as readonly string[]).includes("torchvision");

const TORCHVISION: readonly [string, string, ModelOptions][] = [
  ...(["vgg11", "vgg13", "vgg16", "vgg19"] as const).flatMap((name): [string, string, ModelOptions][] => [
    [`torchvision.${name}(num_classes=50)`, name, { variant: "torchvision", numClasses: 50 }],
    [`torchvision.${name}_bn()`, `${name}_bn`, { variant: "torchvision" }],
  ]),
  ...(
    [
      ...["squeezenet1_0", "squeezenet1_1", "densenet121", "mobilenet_v2", "shufflenet_v2_x1_0"],
      ...["mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0"],
    ] as const
  ).map((name): [string, string, ModelOptions] => [
    `torchvision.${name}(num_classes=50)`,
    name,
    { variant: "torchvision", numClasses: 50 },
  ]),
  ["torchvision.inception_v3(num_classes=50)", "inception_v3", { numClasses: 50 }],
  ["torchvision.inception_v3(aux_logits=False)", "inception_v3", { auxLogits: false }],
  [
    "torchvision.googlenet(num_classes=50, init_weights=False)",
    "googlenet",
    { variant: "torchvision", numClasses: 50 },
  ],
  ...(Object.keys(MODELS) as ModelName[])
    .filter((name) => !/^(vgg|googlenet)/.test(name) && hasTorchvision(name))
    .map((name): [string, string, ModelOptions] => [
      `torchvision.${name}(num_classes=50)`,
      name,
      { variant: "torchvision", numClasses: 50 },
    ]),
];

const NOTE: readonly [string, string, ModelOptions][] = [
  ["note.VGG16()", "vgg16", {}],
  ["note.NiN()", "nin", {}],
  ["note.GoogLeNet()", "googlenet", {}],
  ["note.GoogLeNet(num_classes=50)", "googlenet", { numClasses: 50 }],
];

function check(cases: readonly [string, string, ModelOptions][], ...args: string[]): void {
  const expressions = cases.map(([expression]) => expression);
  const theirs = JSON.parse(python(SCRIPT, { args: [seed, ...args], input: JSON.stringify(expressions) }));
  for (const [expression, name, options] of cases) {
    const model = createModel(name, options);
    const types = new Map([...model.parameters(), ...model.buffers()].map(([key, { dtype }]) => [key, dtype]));
    const ours = [...model.stateShapes()].map(([key, shape]) => [key, types.get(key), shape]);
    expect(ours, expression).toEqual(theirs[expression]);
  }
}

const timeout = 60_000;

describe("state dict keys, types, shapes and order", unless(pythonSkipReason("torch", "torchvision")), () => {
  it("of torchvision's networks", { timeout }, () => check(TORCHVISION));
  it("of the note's networks", { ...unless(shared("seed/note_models.py").reason), timeout }, () => check(NOTE, "note"));
});

/** What we say of torchvision's weights, against what torchvision says; the files themselves are not looked at. */
import { beforeAll, describe, expect, it } from "vitest";
import { applyTransforms, compileTransforms, type Transform } from "../../src/data/index.ts";
import { createModel } from "../../src/models/index.ts";
import { PRETRAINED, type PretrainedName } from "../../src/pretrained/index.ts";
import { testPicture } from "../data/pil.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const NAMES = Object.keys(PRETRAINED) as PretrainedName[];

/** Builds each network as for its pretrained weights, with random ones in the place of a download. */
const SCRIPT = `
import json, re, sys
import numpy as np
import torch
import torchvision
from PIL import Image
from torchvision.models import _api

def no_init(*args, **kwargs):
    return args[0]
for name in ("kaiming_uniform_", "kaiming_normal_", "trunc_normal_", "normal_", "uniform_"):
    setattr(torch.nn.init, name, no_init)

question = json.loads(sys.stdin.read())
picture = np.array(question["picture"], np.uint8).reshape(question["size"], question["size"], 3)
answer = {}
for name in question["names"]:
    weights = torchvision.models.get_weight({"googlenet": "GoogLeNet"}.get(name, name.upper()) + "_Weights.IMAGENET1K_V1")
    meta = weights.meta
    fact = dict(url=weights.url, parameters=meta["num_params"], accuracy=meta["_metrics"]["ImageNet-1K"], size=meta.get("_file_size"))
    fact["sha256"] = re.search("-([a-f0-9]*)[.]", weights.url).group(1)  # torch.hub.HASH_REGEX
    transforms = weights.transforms()
    fact["transforms"] = dict(resize=transforms.resize_size, crop=transforms.crop_size, mean=transforms.mean, std=transforms.std,
        interpolation=transforms.interpolation.value)
    if name in ("googlenet", "vgg11"):
        fact["classes"] = meta["categories"]
        builder = getattr(torchvision.models, name)
        state = (builder(init_weights=False, aux_logits=True) if name == "googlenet" else builder()).state_dict()
        fact["shapes"] = {key: list(value.shape) for key, value in state.items()}
        _api.load_state_dict_from_url = lambda url, progress: state
        model = builder(weights=weights)
        x = transforms(Image.fromarray(picture))[None]
        fact["input"] = (model._transform_input(x) if name == "googlenet" else x)[0, :, ::37, ::41].flatten().tolist()
    answer[name] = fact
print(json.dumps(answer))
`;

interface Fact {
  url: string;
  parameters: number;
  accuracy: { "acc@1": number; "acc@5": number };
  /** Newer versions alone have it. */
  size: number | null;
  sha256: string;
  classes?: string[];
  transforms: { resize: number[]; crop: number[]; mean: number[]; std: number[]; interpolation: string };
  shapes?: Record<string, number[]>;
  input?: number[];
}

const reason = pythonSkipReason("torchvision");

describe(`torchvision's weights`, unless(reason), () => {
  const size = 300;
  const picture = testPicture(size, size);
  let facts: Record<string, Fact>;
  beforeAll(() => {
    const input = JSON.stringify({ names: NAMES, size, picture: [...picture.data] });
    facts = JSON.parse(python(SCRIPT, { input }));
  }, 120_000);

  it.each(NAMES)("%s: every fact", (name) => {
    const { url, sha256, parameters, accuracy, mebibytes, transforms, classes, model, variant } = PRETRAINED[name];
    const theirs = facts[name]!;
    expect({ url, sha256, parameters }).toEqual({
      url: theirs.url,
      sha256: theirs.sha256,
      parameters: theirs.parameters,
    });
    expect(accuracy).toEqual({ top1: theirs.accuracy["acc@1"], top5: theirs.accuracy["acc@5"] });
    if (theirs.size !== null) expect(mebibytes).toBe(theirs.size);
    const { resize, crop, mean, std, interpolation } = theirs.transforms;
    const steps: Transform[] = [
      { resize: { size: resize[0]!, interpolation: interpolation as "bilinear" } },
      { centerCrop: { size: crop[0]! } },
      { normalize: name === "googlenet" ? { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } : { mean, std } },
    ];
    expect(transforms).toEqual(steps);
    expect({ model, variant, count: classes.length }).toEqual({ model: name, variant: "torchvision", count: 1000 });
  });

  it.each(["vgg11", "googlenet"] as const)("%s: names of classes, keys and shapes in their order", (name) => {
    expect(PRETRAINED[name].classes).toEqual(facts[name]!.classes);
    const ours = createModel(name, { variant: "torchvision" }).stateShapes();
    expect([...ours]).toEqual(Object.entries(facts[name]!.shapes!));
  });

  it.each(["vgg11", "googlenet"] as const)("%s: what the first layer gets", (name) => {
    const { shape, data } = applyTransforms(compileTransforms(PRETRAINED[name].transforms), picture);
    expect(shape).toEqual([3, 224, 224]);
    const at = (c: number, y: number, x: number) => data[(c * 224 + y) * 224 + x]!;
    const rows = Array.from({ length: Math.ceil(224 / 37) }, (_, i) => 37 * i);
    const columns = Array.from({ length: Math.ceil(224 / 41) }, (_, i) => 41 * i);
    const ours = [0, 1, 2].flatMap((c) => rows.flatMap((y) => columns.map((x) => at(c, y, x))));
    const theirs = facts[name]!.input!;
    expect(ours).toHaveLength(theirs.length);
    ours.forEach((value, i) => {
      expect(value).toBeCloseTo(theirs[i]!, 5);
    });
  });
});

it("the sizes leave room for the numbers and little else", () => {
  for (const [name, { mebibytes, parameters }] of Object.entries(PRETRAINED)) {
    const numbers = name === "googlenet" ? 13_004_888 : parameters;
    const others = mebibytes * 2 ** 20 - 4 * numbers;
    expect(others, name).toBeGreaterThan(0);
    expect(others, name).toBeLessThan(200_000);
  }
});

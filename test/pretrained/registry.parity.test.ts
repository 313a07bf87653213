/** What we say of torchvision's weights, against what torchvision says; the files themselves are not looked at. */
import { beforeAll, describe, expect, it } from "vitest";
import { applyTransforms, compileTransforms, type Transform } from "../../src/data/index.ts";
import { createModel, MODELS, type ModelName } from "../../src/models/index.ts";
import {
  namedWeights,
  PRETRAINED,
  type PretrainedName,
  publishedVersions,
  publishedWeights,
} from "../../src/pretrained/index.ts";
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
enums = {name[:-8].lower(): value for name, value in vars(torchvision.models).items() if name.endswith("_Weights")}

def fact_of(name, weights):
    meta = weights.meta
    fact = dict(url=weights.url, parameters=meta["num_params"], accuracy=meta["_metrics"]["ImageNet-1K"], size=meta.get("_file_size"))
    fact["sha256"] = re.search("-([a-f0-9]*)[.]", weights.url).group(1)  # torch.hub.HASH_REGEX
    fact["default"] = weights == enums[name].DEFAULT
    transforms = weights.transforms()
    fact["transforms"] = dict(resize=transforms.resize_size, crop=transforms.crop_size, mean=transforms.mean, std=transforms.std,
        interpolation=transforms.interpolation.value)
    if name in question["looked_into"]:
        fact["classes"] = meta["categories"]
        builder = getattr(torchvision.models, name)
        options = dict(init_weights=False, aux_logits=True) if name in ("googlenet", "inception_v3") else {}
        state = builder(**options).state_dict()
        fact["shapes"] = {key: list(value.shape) for key, value in state.items()}
        _api.load_state_dict_from_url = lambda url, progress: state
        model = builder(weights=weights)
        x = transforms(Image.fromarray(picture))[None]
        fact["input"] = (model._transform_input(x) if options else x)[0, :, ::37, ::41].flatten().tolist()
    return fact

answer = {name: {weights.name: fact_of(name, weights) for weights in enums[name] if weights.name.startswith("IMAGENET1K_V")}
    for name in question["names"]}
print(json.dumps(answer))
`;

interface Fact {
  url: string;
  parameters: number;
  accuracy: { "acc@1": number; "acc@5": number };
  /** Newer versions alone have it. */
  size: number | null;
  sha256: string;
  default: boolean;
  classes?: string[];
  transforms: { resize: number[]; crop: number[]; mean: number[]; std: number[]; interpolation: string };
  shapes?: Record<string, number[]>;
  input?: number[];
}

const reason = pythonSkipReason("torchvision");

/** Networks whose weights are loaded and whose first layer is looked at. */
const LOOKED_INTO = ["vgg11", "googlenet", "inception_v3", "resnet50", "efficientnet_b0"] as const;

describe(`torchvision's weights`, unless(reason), () => {
  const size = 400;
  const picture = testPicture(size, size);
  let facts: Record<string, Record<string, Fact>>;
  beforeAll(() => {
    const input = JSON.stringify({ names: NAMES, looked_into: LOOKED_INTO, size, picture: [...picture.data] });
    facts = JSON.parse(python(SCRIPT, { input }));
  }, 120_000);

  it("are all there: of every network that it has", () => {
    const inTorchvision = (Object.keys(MODELS) as ModelName[]).filter((name) =>
      (MODELS[name].variants as readonly string[]).includes("torchvision"),
    );
    expect([...NAMES].sort()).toEqual(inTorchvision.sort());
  });

  it.each(NAMES)("%s: every fact of every version", (name) => {
    const versions = publishedVersions(name);
    expect(versions.map(({ version }) => version)).toEqual(Object.keys(facts[name]!));
    for (const weights of versions) {
      const { url, sha256, parameters, accuracy, mebibytes, transforms, classes, model, variant, version } = weights;
      const theirs = facts[name]![version]!;
      expect({ url, sha256, parameters }).toEqual({
        url: theirs.url,
        sha256: theirs.sha256,
        parameters: theirs.parameters,
      });
      expect(PRETRAINED[name] === weights).toBe(theirs.default);
      expect(accuracy).toEqual({ top1: theirs.accuracy["acc@1"], top5: theirs.accuracy["acc@5"] });
      if (theirs.size !== null) expect(mebibytes).toBe(theirs.size);
      const { resize, crop, mean, std, interpolation } = theirs.transforms;
      const isConverted = name === "googlenet" || name === "inception_v3";
      const steps: Transform[] = [
        { resize: { size: resize[0]!, interpolation: interpolation as "bilinear" } },
        { centerCrop: { size: crop[0]! } },
        { normalize: isConverted ? { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } : { mean, std } },
      ];
      expect(transforms).toEqual(steps);
      expect({ model, variant, count: classes.length }).toEqual({ model: name, variant: "torchvision", count: 1000 });
    }
  });

  it.each(LOOKED_INTO)("%s: names of classes, keys and shapes in their order", (name) => {
    const [theirs] = Object.values(facts[name]!);
    expect(PRETRAINED[name].classes).toEqual(theirs!.classes);
    const ours = createModel(name, { variant: "torchvision" }).stateShapes();
    expect([...ours]).toEqual(Object.entries(theirs!.shapes!));
  });

  it.each(LOOKED_INTO)("%s: what the first layer gets", (name) => {
    for (const { version, transforms } of publishedVersions(name)) {
      const { shape, data } = applyTransforms(compileTransforms(transforms), picture);
      const side = createModel(name).spec!.inputSize!;
      expect(shape).toEqual([3, side, side]);
      const at = (c: number, y: number, x: number) => data[(c * side + y) * side + x]!;
      const rows = Array.from({ length: Math.ceil(side / 37) }, (_, i) => 37 * i);
      const columns = Array.from({ length: Math.ceil(side / 41) }, (_, i) => 41 * i);
      const ours = [0, 1, 2].flatMap((c) => rows.flatMap((y) => columns.map((x) => at(c, y, x))));
      const theirs = facts[name]![version]!.input!;
      expect(ours).toHaveLength(theirs.length);
      ours.forEach((value, i) => {
        expect(value).toBeCloseTo(theirs[i]!, 5);
      });
    }
  });
});

it("the sizes leave room for the numbers and little else", () => {
  for (const name of NAMES) {
    for (const { mebibytes, parameters, version } of publishedVersions(name)) {
      const numbers = name === "googlenet" ? 13_004_888 : parameters;
      // published in half precision
      const bytes = name === "wide_resnet50_2" && version === "IMAGENET1K_V1" ? 2 : 4;
      const others = mebibytes * 2 ** 20 - bytes * numbers;
      expect(others, `${name} ${version}`).toBeGreaterThan(0);
      expect(others, `${name} ${version}`).toBeLessThan(900_000);
    }
  }
});

it("versions are found by name, and unknown ones are refused", () => {
  expect(publishedWeights("resnet50")).toBe(PRETRAINED.resnet50);
  expect(publishedWeights("resnet50", "IMAGENET1K_V1").accuracy.top1).toBe(76.13);
  expect(() => publishedWeights("resnet18", "IMAGENET1K_V2")).toThrow(
    'torchvision has no weights "IMAGENET1K_V2" for resnet18; it has IMAGENET1K_V1',
  );
  expect(publishedVersions("nin")).toEqual([]);
  expect(namedWeights("resnet50", "torchvision")).toBe(PRETRAINED.resnet50);
  expect(namedWeights("resnet50", "torchvision:IMAGENET1K_V1")?.version).toBe("IMAGENET1K_V1");
  expect(namedWeights("resnet50", "C:\\weights.pth")).toBeUndefined();
  expect(namedWeights("resnet50", undefined)).toBeUndefined();
});

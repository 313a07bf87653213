import { describe, expect, it } from "vitest";
import type { Shape } from "../../src/graph/index.ts";
import {
  createModel,
  GoogLeNet,
  googlenet,
  Inception,
  MODELS,
  type ModelName,
  type ModelOptions,
  NaiveInception,
  type Variant,
} from "../../src/models/index.ts";
import { type Module, trace } from "../../src/nn/index.ts";
import { imagesOf } from "../support/images.ts";

/** Every network in every variant. */
const ALL = (Object.keys(MODELS) as ModelName[]).flatMap((name) =>
  MODELS[name].variants.map((variant): [ModelName, Variant] => [name, variant]),
);

const parameters = (model: Module) => [...model.parameters()].reduce((sum, [, { numel }]) => sum + numel, 0);
const shapes = (model: Module, input: Shape, training = false) =>
  Object.fromEntries(
    Object.entries(trace(model, input, { training }).outputs).map(([name, { shape }]) => [name, shape]),
  );
/** The outputs in training, where there are several. */
const OUTPUTS: Partial<Record<ModelName, string[]>> = {
  googlenet: ["logits", "aux2", "aux1"],
  inception_v3: ["logits", "aux"],
};
/** The message of what is thrown, empty where nothing is. */
const errorOf = (run: () => unknown): string => {
  try {
    run();
    return "";
  } catch (error) {
    return (error as Error).message;
  }
};
const operators = (model: Module, input: Shape) => {
  const counts: Record<string, number> = {};
  for (const { op } of trace(model, input).graph.nodes) counts[op] = (counts[op] ?? 0) + 1;
  return counts;
};

describe.each(ALL)("%s, variant %s", (name, variant) => {
  const { inChannels = 0, inputSize = 0 } = createModel(name, { variant }).spec ?? {};

  it("gives as many classes as are asked for", () => {
    const model = createModel(name, { variant, numClasses: 50 });
    const outputs = shapes(model, imagesOf(model, "N"), true);
    for (const shape of Object.values(outputs)) expect(shape.slice(0, 2)).toEqual(["N", 50]);
    expect(Object.keys(outputs)).toEqual(OUTPUTS[name] ?? ["output"]);
  });

  it("takes images with other channels", () => {
    const model = createModel(name, { variant, inChannels: 2 });
    expect(() => trace(model, ["N", 2, inputSize, inputSize])).not.toThrow();
    expect(() => trace(model, ["N", 3, inputSize, inputSize])).toThrow(/has 3 channels, .* expects 2/);
  });

  it("names the sizes that fit where one does not", () => {
    const model = createModel(name, { variant });
    const error = (side: number) => errorOf(() => trace(model, ["N", inChannels, side, side], { training: true }));
    const message = error(2);
    if (message === "") return expect(error(1)).toBe(""); // every size fits
    const range = /(\d+) to (\d+) pixels a side/.exec(message) ?? /at least (\d+)×\1 pixels/.exec(message);
    const [low, high] = range!.slice(1).map(Number);
    expect(error(low! - 1)).toBe(message.replace("2×2", `${low! - 1}×${low! - 1}`));
    expect(error(low!)).toBe("");
    expect(error(high ?? 300)).toBe("");
    if (high) expect(error(high + 1)).toContain(range![0]);
  });
});

describe("sizes", () => {
  it.each([
    ["vgg16", "note", [32, 48, 224, 300]],
    ["vgg11_bn", "paper", [63, 64]],
    ["googlenet", "note", [79, 128, 299]],
    ["googlenet", "paper", [224]],
    ["alexnet", "paper", [67, 99, 227, 258]],
  ] as const)("%s, variant %s, is built for others by inputSize: %j", (name, variant, sides) => {
    for (const side of sides) {
      const model = createModel(name, { variant, inputSize: side });
      expect(errorOf(() => trace(model, [1, 3, side, side]))).toBe("");
      expect(errorOf(() => trace(model, [1, 3, 2 * side, side]))).toContain(`got ${2 * side}×${side}`);
    }
  });

  it("too small to build a network for are refused with the smallest", () => {
    expect(() => createModel("vgg16", { inputSize: 31 })).toThrow("five halvings need at least 32×32");
    expect(() => createModel("alexnet", { variant: "paper", inputSize: 66 })).toThrow("it needs at least 67×67");
    expect(() => createModel("googlenet", { inputSize: 78 })).toThrow("at least 79 pixels a side, but inputSize is 78");
    expect(() => googlenet({ inputSize: 78, auxLogits: false })).not.toThrow();
  });
});

describe("totals", () => {
  it.each<[ModelName, ModelOptions, number]>([
    ["vgg16", {}, 138_357_544],
    ["nin", {}, 966_986],
    ["googlenet", {}, 13_351_716],
    ["vgg16", { variant: "torchvision" }, 138_357_544],
    ["googlenet", { variant: "torchvision" }, 13_004_888],
    ["lenet5", {}, 61_706],
    ["alexnet", {}, 61_100_840],
    ["alexnet", { variant: "paper" }, 60_965_224],
    ["resnet18", {}, 11_689_512],
    ["resnet152", {}, 60_192_808],
    ["resnet50", { variant: "paper" }, 25_557_032],
    // 0.27, 0.46, 0.66, 0.85 and 1.7 million (He et al. 2016, Table 6)
    ["resnet20", {}, 269_722],
    ["resnet32", {}, 464_154],
    ["resnet44", {}, 658_586],
    ["resnet56", {}, 853_018],
    ["resnet110", {}, 1_727_962],
    ["inception_v3", {}, 27_161_264],
    ["inception_v3", { auxLogits: false }, 23_834_568],
    ["squeezenet1_0", {}, 1_248_424],
    ["squeezenet1_1", {}, 1_235_496],
    ["densenet121", {}, 7_978_856],
    ["mobilenet_v2", {}, 3_504_872],
    ["shufflenet_v2_x1_0", {}, 2_278_604],
    ["mobilenet_v3_small", {}, 2_542_856],
    ["mobilenet_v3_large", {}, 5_483_032],
    ["efficientnet_b0", {}, 5_288_548],
  ])("%s %j has %i parameters", (name, options, total) => {
    expect(parameters(createModel(name, options))).toBe(total);
  });

  it("torchvision's GoogLeNet has 6,624,904 without auxiliary classifiers", () => {
    expect(parameters(googlenet({ variant: "torchvision", auxLogits: false }))).toBe(6_624_904);
  });

  it("naive Inception costs more and grows wider", () => {
    const widths = [64, 96, 128, 16, 32, 32] as const;
    const [reduced, naive] = [new Inception(192, widths), new NaiveInception(192, widths)];
    expect(parameters(naive)).toBeGreaterThan(2 * parameters(reduced));
    const input = ["N", 192, 28, 28] as const;
    expect(shapes(reduced, input)).toEqual({ output: ["N", 256, 28, 28] });
    expect(shapes(naive, input)).toEqual({ output: ["N", 64 + 128 + 32 + 192, 28, 28] });
  });
});

describe("variants", () => {
  const image = ["N", 3, 224, 224] as const;
  const dropouts = (name: ModelName, variant: Variant) => {
    const model = createModel(name, { variant });
    return trace(model, imagesOf(model, "N"), { training: true }).tracer.masks.map(({ p }) => p);
  };

  it("end as they were written", () => {
    expect(operators(createModel("vgg16", {}), image).Softmax).toBe(1);
    expect(operators(createModel("nin", {}), ["N", 3, 32, 32]).Softmax).toBe(1);
    expect(operators(createModel("vgg16", { variant: "paper" }), image).Softmax).toBeUndefined();
    expect(operators(createModel("nin", { variant: "paper" }), ["N", 3, 32, 32]).Softmax).toBeUndefined();
  });

  it("drop as they were written", () => {
    expect(dropouts("vgg16", "note")).toEqual([0.5, 0.5]);
    expect(dropouts("vgg16", "torchvision")).toEqual([0.5, 0.5]);
    expect(dropouts("nin", "note")).toEqual([0.25, 0.25]);
    expect(dropouts("nin", "paper")).toEqual([0.5, 0.5]);
    expect(dropouts("googlenet", "note")).toEqual([0.7, 0.7, 0.4]);
    expect(dropouts("googlenet", "torchvision")).toEqual([0.7, 0.7, 0.2]);
    expect(dropouts("squeezenet1_0", "torchvision")).toEqual([0.5]);
    expect(dropouts("inception_v3", "torchvision")).toEqual([0.5]);
    expect(dropouts("mobilenet_v3_small", "torchvision")).toEqual([0.2]);
    // the 9 of EfficientNet's 16 blocks that have a shortcut
    const skipped = [2, 4, 6, 7, 9, 10, 12, 13, 14].map((block) => (0.2 * block) / 16);
    expect(dropouts("efficientnet_b0", "torchvision")).toEqual([...skipped, 0.2]);
  });

  it("of GoogLeNet normalise as they were written", () => {
    const paper = operators(createModel("googlenet", { variant: "paper" }), image);
    expect([paper.LRN, paper.BatchNormalization]).toEqual([2, undefined]);
    const note = operators(createModel("googlenet", {}), image);
    // each convolution, those of the auxiliary classifiers included, has its own
    expect([note.LRN, note.BatchNormalization]).toEqual([undefined, note.Conv]);
    expect(note.Conv).toBe(3 + 9 * 6 + 2);
  });

  it("of GoogLeNet differ in the branch named 5×5", () => {
    const kernels = (variant: Variant) => {
      const keys = [...googlenet({ variant }).stateShapes()].filter(([, shape]) => shape.length === 4);
      return keys.filter(([, shape]) => shape[2] === 5).length;
    };
    expect([kernels("note"), kernels("paper"), kernels("torchvision")]).toEqual([9, 9, 0]);
  });

  it("of torchvision give auxiliary logits in training only", () => {
    const model = createModel("googlenet", { variant: "torchvision" });
    expect(Object.keys(shapes(model, image))).toEqual(["logits"]);
    expect(Object.keys(shapes(model, image, true))).toEqual(["logits", "aux2", "aux1"]);
  });
});

describe("the registry", () => {
  it("names what there is where a name is wrong", () => {
    expect(() => createModel("resnet51")).toThrow('there is no network "resnet51"; did you mean "resnet50"?');
    expect(() => createModel("MobileNet")).toThrow('there is no network "MobileNet"; ');
    expect(() => createModel("transformer")).toThrow(
      /there is no network "transformer"; the networks are lenet5, alexnet, vgg11 … vgg_small, nin, .*resnet18 … resnet110/,
    );
    expect(errorOf(() => createModel("transformer")).length).toBeLessThan(400);
    expect(() => createModel("nin", { variant: "torchvision" })).toThrow(
      'nin has no variant "torchvision"; it has note, paper',
    );
    expect(() => createModel("toString")).toThrow('there is no network "toString"');
  });

  it("takes transformInput with torchvision's variant only", () => {
    expect(() => new GoogLeNet({ transformInput: true })).toThrow("transformInput is for torchvision's weights");
  });
});

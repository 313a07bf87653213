import { describe, expect, it } from "vitest";
import type { Shape } from "../../src/graph/index.ts";
import { createModel, MODELS, type ModelName } from "../../src/models/index.ts";
import {
  auxiliaryWeight,
  BatchNorm2d,
  Conv2d,
  Flatten,
  Linear,
  type ModelSpec,
  Module,
  Sequential,
  type Tensor,
  trace,
} from "../../src/nn/index.ts";
import { inferenceGraph } from "../../src/onnx/export.ts";
import { fitOptions, parseConfig, recipe, scaledRate } from "../../src/runs/index.ts";
import { lastLayers } from "../../src/train/index.ts";
import { imagesOf } from "../support/images.ts";

const CIFAR = { name: "cifar10", format: "cifar10", size: 32, channels: 3 };

/** A user's own network that describes itself. */
class Own extends Module<Readonly<Record<string, Tensor>>> {
  override readonly spec: ModelSpec = {
    inputSize: 48,
    inChannels: 1,
    auxiliary: { early: 0.5 },
    lastLayers: ["body.3"],
    training: { lr: 0.2, large: { lr: 0.1 } },
  };
  readonly body = new Sequential(new Conv2d(1, 4, 3), new BatchNorm2d(4), new Flatten(), new Linear(4 * 46 * 46, 2));
  readonly early = new Sequential(new Flatten(), new Linear(48 * 48, 2));

  forward(x: Tensor) {
    return { logits: this.body.call(x), early: this.early.call(x) };
  }
}

/** Weights of the auxiliary outputs, where there are some. */
const AUXILIARY: Partial<Record<ModelName, number[]>> = { googlenet: [0.3, 0.3], inception_v3: [0.4] };

describe.each(Object.keys(MODELS) as ModelName[])("%s says of itself", (name) => {
  const { variants, inputSize, inChannels } = MODELS[name];

  it("what the registry says of its first variant", () => {
    expect(createModel(name).spec).toMatchObject({ inputSize, inChannels });
  });

  it.each(variants)("its input size, its auxiliary outputs and how to train it: variant %s", (variant) => {
    const model = createModel(name, { variant });
    expect(model.spec?.training).toMatchObject({ lr: expect.any(Number) });
    const { outputs } = trace(model, imagesOf(model, 2), { training: true });
    const weights = Object.keys(outputs).map((output) => auxiliaryWeight(model.spec, output));
    expect(weights).toEqual([undefined, ...(AUXILIARY[name] ?? [])]);
  });

  it("sizes of images that it can be built for and trained at", () => {
    for (const size of [28, 32, 64, undefined]) {
      const data = { name: "mine", format: "image-folder", channels: 3, ...(size && { size }) };
      const { inputSize = 0 } = recipe(name, data);
      const shape: Shape = [2, 3, inputSize, inputSize];
      expect(() => trace(createModel(name, { inputSize, inChannels: 3 }), shape, { training: true })).not.toThrow();
    }
  });
});

describe("recipes", () => {
  it.each([
    ["vgg16", { inputSize: 32, lr: 0.01, init: "kaiming_fan_out", clipNorm: 1, batchSize: 64 }],
    ["vgg16_bn", { inputSize: 32, lr: 0.05, batchSize: 64 }],
    ["nin", { inputSize: 32, lr: 0.05, init: "kaiming_fan_in", optimizer: { weightDecay: 1e-4 } }],
    ["googlenet", { inputSize: 96, lr: 0.02, schedule: { name: "polynomial", power: 0.5 }, batchSize: 16 }],
    ["vgg_small", { inputSize: 32, lr: 0.05, schedule: { name: "cosine" } }],
    ["alexnet", { inputSize: 64, lr: 0.01, clipNorm: 1, batchSize: 64 }],
    ["resnet18", { inputSize: 64, lr: 0.025, optimizer: { weightDecay: 1e-4 } }],
    ["resnet20", { inputSize: 32, lr: 0.05, optimizer: { weightDecay: 1e-4 } }],
    ["./net.js", { inputSize: 32, lr: 1e-3, optimizer: { name: "adamw" } }],
  ])("%s on CIFAR-10", (name, expected) => expect(recipe(name, CIFAR)).toMatchObject(expected));

  it("of AdamW take smaller steps without batch normalization", () => {
    expect(recipe("vgg16", CIFAR, { optimizer: "adamw" }).lr).toBe(1e-4);
    expect(recipe("vgg16_bn", CIFAR, { optimizer: "adamw" }).lr).toBe(1e-3);
  });

  it("for large batches scale the learning rate with the batch, and warm it up for longer", () => {
    expect(recipe("nin", CIFAR, { optimizer: "lars" })).toMatchObject({ lr: 1, optimizer: { name: "lars" } });
    const { lr, batchSize, warmupEpochs } = recipe("resnet20", CIFAR);
    expect([lr, batchSize, warmupEpochs]).toEqual([0.05, 64, 1]);
    const scaled = (batch: number, epochs: number) =>
      scaledRate({ lr, batchSize: batch, accumulate: 2, epochs, warmupEpochs: 1 }, batchSize);
    expect(scaled(512, 90)).toEqual({ lr: 0.8, warmupEpochs: 5 });
    expect(scaled(64, 6)).toEqual({ lr: 0.1, warmupEpochs: 2 });
    expect(scaled(16, 90)).toEqual({ lr: 0.025, warmupEpochs: 1 });
  });
});

describe("a user's own network", () => {
  it("is trained as it says", () => {
    const network = new Own();
    expect(recipe("./own.js", CIFAR, { network })).toMatchObject({
      inputSize: 48,
      lr: 0.2,
      optimizer: { name: "sgd" },
    });
    expect(recipe("./own.js", CIFAR, { network, inputSize: 128 }).lr).toBe(0.1);
    expect(lastLayers(network, [1, 1, 48, 48])).toEqual(["body.3"]);
  });

  it("weighs its auxiliary outputs as it says, unless a config sets the weight", () => {
    const model = new Own();
    expect(["logits", "early", "aux"].map((name) => auxiliaryWeight(model.spec, name))).toEqual([
      undefined,
      0.5,
      undefined,
    ]);
    const config = parseConfig(recipe("./own.js", CIFAR, { network: model }));
    const run = { model } as unknown as Parameters<typeof fitOptions>[1];
    const { lossWeights } = fitOptions({ ...config, auxWeight: 0.1 }, run);
    const weightOf = lossWeights as (output: string) => number | undefined;
    expect(["logits", "early"].map(weightOf)).toEqual([undefined, 0.1]);
    expect(fitOptions(config, run).lossWeights).toBeUndefined();
  });

  it("is exported without the outputs that only help training", () => {
    const outputs = (aux: boolean) => [...inferenceGraph(new Own(), { input: ["N", 1, 48, 48], aux }).outputs.keys()];
    expect(outputs(false)).toEqual(["logits"]);
    expect(outputs(true)).toEqual(["logits", "early"]);
  });
});

describe("auxiliary outputs", () => {
  it("are those called aux… if the network does not say", () => {
    expect([undefined, {}].map((spec) => auxiliaryWeight(spec, "aux1"))).toEqual([0.3, 0.3]);
    expect(auxiliaryWeight({}, "logits")).toBeUndefined();
    expect(auxiliaryWeight({ auxiliary: {} }, "aux1")).toBeUndefined();
  });
});

describe("createModel", () => {
  it("leaves out GoogLeNet's auxiliary classifiers on request", () => {
    const model = createModel("googlenet", { auxLogits: false, inputSize: 32 });
    expect(Object.keys(trace(model, [2, 3, 32, 32], { training: true }).outputs)).toEqual(["logits"]);
    expect(() => createModel("googlenet", { inputSize: 32 })).toThrow(
      "auxLogits: false; on the command line: --no-aux",
    );
  });

  it("refuses unknown options and wrong types", () => {
    expect(() => createModel("nin", { classes: 3 } as never)).toThrow(/nin: there is no option "classes"/);
    expect(() => createModel("nin", { numClasses: "3" } as never)).toThrow(
      "nin: numClasses has to be a positive whole",
    );
  });
});

import { describe, expect, test } from "vitest";
import { toBytes } from "../../src/graph/index.ts";
import { createModel, MODELS, modelEntry } from "../../src/models/index.ts";
import { BatchNorm2d, type Module, trace } from "../../src/nn/index.ts";
import { fans } from "../../src/nn/init.ts";
import { chooseInit } from "../../src/runs/build.ts";
import { freeze } from "../../src/train/fine-tuning.ts";
import { lastLayers } from "../../src/train/last-layers.ts";
import { imagesOf } from "../support/images.ts";

const INPUT = ["N", 3, 32, 32];

/** Mean and standard deviation of a drawn parameter. */
function moments(model: Module, key: string): { mean: number; std: number } {
  const data = model.stateDict().get(key)!.data as Float32Array;
  let [sum, squares] = [0, 0];
  for (const x of data) {
    sum += x;
    squares += x * x;
  }
  const mean = sum / data.length;
  return { mean, std: Math.sqrt(squares / data.length - mean * mean) };
}

describe("chooseInit", () => {
  test("network: every layer draws as it says", () => {
    const [model, plain] = [createModel("nin"), createModel("nin")];
    chooseInit(model, "network", INPUT);
    const wanted = plain.initialize(3).stateDict();
    for (const [key, value] of model.initialize(3).stateDict())
      expect(Buffer.compare(toBytes(value), toBytes(wanted.get(key)!)), key).toBe(0);
  });

  test.each([
    ["nin", "block3.4", "kaiming_fan_in"],
    ["vgg_small", "classifier", "kaiming_fan_out"],
    ["inception_small", "fc", "kaiming_fan_in"],
  ] as const)("%s, whose scores are %s: %s", (name, head, how) => {
    const model = createModel(name, { inputSize: 32, numClasses: 10 });
    chooseInit(model, how, INPUT);
    model.initialize(3);
    const parameters = [...model.parameters()];
    expect(parameters.map(([key]) => key)).toContain(`${head}.weight`);
    for (const [key, { shape, numel }] of parameters) {
      const { mean, std } = moments(model, key);
      const last = key.startsWith(`${head}.`);
      if (shape.length >= 2) {
        const expected = last ? 0.01 : Math.sqrt(2 / fans(shape)[how === "kaiming_fan_in" ? "fanIn" : "fanOut"]);
        // the deviation of a deviation of n draws is 1 / √(2n)
        expect(Math.abs(std / expected - 1)).toBeLessThan(5 / Math.sqrt(2 * numel));
        expect(Math.abs(mean)).toBeLessThan((5 * expected) / Math.sqrt(numel));
      } else if (last) {
        expect({ mean, std }).toEqual({ mean: 1, std: 0 });
      } else if (key.endsWith("bias")) {
        expect({ mean, std }).toEqual({ mean: 0, std: 0 });
      }
    }
  });
});

const NETWORKS = Object.keys(MODELS).flatMap((name) =>
  modelEntry(name).variants.map((variant) => [name, variant] as const),
);

describe.each(NETWORKS)("the last layers of %s (%s)", (name, variant) => {
  const model = createModel(name, { variant, numClasses: 7 });
  const input = imagesOf(model, "N");
  const parameters = new Map(model.parameters());

  test("have the classes as outputs, one layer an output", () => {
    const layers = lastLayers(model, input);
    expect(layers).toHaveLength(Object.keys(trace(model, input, { training: true }).outputs).length);
    for (const layer of layers) expect(parameters.get(`${layer}.weight`)!.shape[0]).toBe(7);
  });

  test("are what is trained where the backbone is frozen; its normalization follows no batches", () => {
    freeze(model, ["backbone"], input);
    const trained = [...model.parameters()].flatMap(([key, { requiresGrad }]) => (requiresGrad ? [key] : []));
    const layers = lastLayers(model, input);
    expect(trained.sort()).toEqual(layers.flatMap((layer) => [`${layer}.bias`, `${layer}.weight`]).sort());
    for (const [, module] of model.modules()) if (module instanceof BatchNorm2d) expect(module.training).toBe(false);
    expect(trace(model, input, { training: true }).tracer.updates.size).toBe(0);
  });
});

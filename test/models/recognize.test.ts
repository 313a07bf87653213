import { expect, it } from "vitest";
import { createModel, MODELS, type ModelName, recognize } from "../../src/models/index.ts";

const shapesOf = (...args: Parameters<typeof createModel>) =>
  new Map([...createModel(...args).stateShapes()].map(([key, shape]) => [key, { shape }]));

it("every network is recognized by its weights, with its classes and channels", () => {
  for (const model of Object.keys(MODELS) as ModelName[]) {
    for (const variant of MODELS[model].variants) {
      for (const options of [
        { numClasses: 7, inChannels: 2 },
        { numClasses: MODELS[model].numClasses, inChannels: MODELS[model].inChannels },
      ]) {
        expect(recognize(shapesOf(model, { variant, ...options }))).toContainEqual({ model, variant, ...options });
      }
    }
  }
});

it("variants that differ in no weight are told together, and counts of batches may be missing", () => {
  const vgg = shapesOf("vgg11_bn", { variant: "torchvision" });
  for (const key of [...vgg.keys()]) if (key.endsWith("num_batches_tracked")) vgg.delete(key);
  expect(recognize(vgg).map(({ model, variant }) => `${model} ${variant}`)).toEqual([
    "vgg11_bn paper",
    "vgg11_bn torchvision",
  ]);
});

it("what does not fit strictly is not recognized", () => {
  expect(recognize(new Map())).toEqual([]);
  const nin = shapesOf("nin");
  const [first] = nin.keys();
  expect(recognize(new Map([...nin, ["other", { shape: [1] }]]))).toEqual([]);
  expect(recognize(new Map([...nin, [first!, { shape: [1, 1, 1, 1] }]]))).toEqual([]);
  nin.delete(first!);
  expect(recognize(nin)).toEqual([]);
});

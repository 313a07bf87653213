import { expect, it } from "vitest";
import * as nn from "../../src/nn/index.ts";
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  layerCode,
  layerSettings,
  layerWith,
  MaxPool2d,
  type Module,
  ReLU,
  Sequential,
} from "../../src/nn/index.ts";
import { LAYERS } from "./layers.ts";

it.each([
  [new Conv2d(3, 64, 7, { stride: 2, padding: 3 }), "new Conv2d(3, 64, 7, { stride: 2, padding: 3 })"],
  [new Conv2d(8, 8, [3, 5], { groups: 8, bias: false }), "new Conv2d(8, 8, [3, 5], { groups: 8, bias: false })"],
  [new Linear(4, 2), "new Linear(4, 2)"],
  [new BatchNorm2d(4, { eps: 1e-3 }), "new BatchNorm2d(4, { eps: 0.001 })"],
  [new MaxPool2d(3, { stride: 2, ceilMode: true }), "new MaxPool2d(3, { stride: 2, ceilMode: true })"],
  [new AdaptiveAvgPool2d(1), "new AdaptiveAvgPool2d(1)"],
  [new Dropout(0.3), "new Dropout(0.3)"],
  [new Dropout(), "new Dropout()"],
  [new Flatten(), "new Flatten()"],
  [new ReLU(), "new ReLU()"],
  [new Sequential([new ReLU()]), undefined],
] as const)("layers as code: $1", (layer: Module, code) => {
  expect(layerCode(layer)).toBe(code);
});

it("a layer with other settings keeps the rest", () => {
  const conv = new Conv2d(3, 8, 3, { padding: 1, bias: false });
  expect(layerCode(layerWith(conv, { outChannels: 16, stride: 2 }))).toBe(
    "new Conv2d(3, 16, 3, { stride: 2, padding: 1, bias: false })",
  );
  expect(layerSettings(layerWith(new BatchNorm2d(4), { numFeatures: 6 }))).toMatchObject({ numFeatures: 6, eps: 1e-5 });
  expect(() => layerWith(conv, { groups: 2 })).toThrow("3 → 8 channels do not divide into 2 groups");
  expect(() => layerWith(new Sequential([conv]), {})).toThrow("contains other modules");
});

it.each(LAYERS.map(({ python, make }) => [python, make] as const))("the code of %s makes the same layer", (_, make) => {
  const layer = make();
  const code = layerCode(layer)!;
  const made = new Function("nn", `return ${code.replace("new ", "new nn.")}`)(nn) as Module;
  expect([String(made), layerCode(made)], code).toEqual([String(layer), code]);
  expect([...made.stateShapes()], code).toEqual([...layer.stateShapes()]);
  expect(String(layerWith(layer, {}))).toBe(String(layer));
});

import { expect, it } from "vitest";
import { Conv2d, Flatten, Linear, ReLU, Sequential, weightNorm } from "../../src/nn/index.ts";
import { chooseInit } from "../../src/runs/index.ts";
import { lastLayers } from "../../src/train/index.ts";

const INPUT = [2, 3, 6, 6];
const network = (wrap: (layer: Conv2d | Linear) => Conv2d | Linear) =>
  new Sequential(wrap(new Conv2d(3, 4, 3)), new ReLU(), new Flatten(), wrap(new Linear(64, 5)));

it("weights that are computed from others are initialized and found like plain ones", () => {
  const [plain, normalized] = [network((layer) => layer), network((layer) => weightNorm(layer))];
  expect(lastLayers(normalized, INPUT)).toEqual(["3"]);
  for (const model of [plain, normalized]) {
    chooseInit(model, "kaiming_fan_in", INPUT);
    model.initialize(1);
  }
  for (const i of [0, 3]) {
    const [wanted, weight] = [plain, normalized].map((model) => (model[i] as Conv2d).weight);
    const largest = Math.max(...(wanted!.data!.data as Float32Array).map(Math.abs));
    for (const [k, value] of (weight!.data!.data as Float32Array).entries())
      expect(Math.abs(value - Number(wanted!.data!.data[k]))).toBeLessThan(1e-6 * largest + 1e-9);
  }
});

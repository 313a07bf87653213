import { describe, expect, test } from "vitest";
import { createModel } from "../../src/models/index.ts";
import type { Module } from "../../src/nn/index.ts";
import { fans } from "../../src/nn/init.ts";
import { chooseInit } from "../../src/train/build.ts";

/** Mean and standard deviation of a drawn parameter. */
function moments(model: Module, key: string): { mean: number; std: number } {
  const data = Float64Array.from(model.stateDict().get(key)!.data as Float32Array);
  const mean = data.reduce((sum, x) => sum + x, 0) / data.length;
  return { mean, std: Math.sqrt(data.reduce((sum, x) => sum + (x - mean) ** 2, 0) / data.length) };
}

describe("chooseInit", () => {
  test("network: every layer draws as it says", () => {
    const [model, plain] = [createModel("nin"), createModel("nin")];
    chooseInit(model, "network");
    expect(model.initialize(3).stateDict()).toEqual(plain.initialize(3).stateDict());
  });

  test.each([
    ["nin", "block3.4", "kaiming_fan_in"],
    ["vgg11", "clf_part.6", "kaiming_fan_out"],
    ["inception_small", "fc", "kaiming_fan_in"],
  ] as const)("%s, whose scores are %s: %s", (name, head, how) => {
    const model = createModel(name, { inputSize: 32, numClasses: 10 });
    chooseInit(model, how);
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

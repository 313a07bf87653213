import { describe, expect, it } from "vitest";
import { checkStateDict, type TensorType } from "../../src/graph/index.ts";

const types = (shapes: Record<string, number[]>) =>
  new Map<string, TensorType>(Object.entries(shapes).map(([key, shape]) => [key, { dtype: "float32", shape }]));
const expected = types({ "conv.weight": [8, 3, 3, 3], "conv.bias": [8], "fc.weight": [10, 8] });

describe("checkStateDict", () => {
  it("takes what fits, in any order", () => {
    const given = types({ "fc.weight": [10, 8], "conv.bias": [8], "conv.weight": [8, 3, 3, 3] });
    expect(() => checkStateDict(given, expected, "Net")).not.toThrow();
  });

  it("lists all that is missing, unexpected and misshapen in one error", () => {
    const given = types({ "conv.weight": [8, 1, 3, 3], "fc.weight": [1000, 8], "fc.bias": [10], extra: [] });
    expect(() => checkStateDict(given, expected, "Net: does not fit")).toThrow(
      [
        "Net: does not fit",
        "  missing: conv.bias",
        "  unexpected: fc.bias, extra",
        "  of another shape or type: conv.weight (float32[8, 1, 3, 3] instead of float32[8, 3, 3, 3]), fc.weight (float32[1000, 8] instead of float32[10, 8])",
      ].join("\n"),
    );
    expect(() => checkStateDict(given, expected, "Net", false)).toThrow(/^Net\n {2}of another shape/);
  });

  it("weights without running statistics: which network has none", () => {
    const norm = types({ "bn.weight": [8], "bn.running_mean": [8], "bn.running_var": [8] });
    expect(() => checkStateDict(types({ "bn.weight": [8] }), norm, "Net")).toThrow(
      /missing: bn\.running_mean, bn\.running_var\n.*saved without running statistics.*trackRunningStats: false/s,
    );
  });

  it("tells a scalar from a tensor with one element", () => {
    expect(() => checkStateDict(types({ a: [1] }), types({ a: [] }), "Net")).toThrow("float32[1] instead of float32[]");
  });
});

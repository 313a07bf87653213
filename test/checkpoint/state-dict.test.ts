import { describe, expect, it } from "vitest";
import { CheckpointError, checkStateDict, mapStateDict, StateDictError } from "../../src/checkpoint/index.ts";

const expected = new Map([
  ["conv.weight", [8, 3, 3, 3]],
  ["conv.bias", [8]],
  ["fc.weight", [10, 8]],
]);
const shapes = (entries: Record<string, number[]>) =>
  new Map(Object.entries(entries).map(([key, shape]) => [key, { shape }]));

describe("checkStateDict", () => {
  it("takes what fits, in any order", () => {
    const actual = shapes({ "fc.weight": [10, 8], "conv.bias": [8], "conv.weight": [8, 3, 3, 3] });
    expect(() => checkStateDict(expected, actual)).not.toThrow();
  });

  it("lists all that is missing, unexpected and misshapen in one error", () => {
    const actual = shapes({ "conv.weight": [8, 1, 3, 3], "fc.weight": [1000, 8], "fc.bias": [10], extra: [] });
    let failure: unknown;
    try {
      checkStateDict(expected, actual, "Net");
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(StateDictError);
    expect(failure).toBeInstanceOf(CheckpointError);
    expect(failure).toMatchObject({
      missing: ["conv.bias"],
      unexpected: ["fc.bias", "extra"],
      misshapen: ["conv.weight", "fc.weight"],
      message: [
        "Net does not fit:",
        "  missing keys: conv.bias",
        "  unexpected keys: fc.bias, extra",
        "  size mismatch for conv.weight: [8, 1, 3, 3] in the file, [8, 3, 3, 3] in the network",
        "  size mismatch for fc.weight: [1000, 8] in the file, [10, 8] in the network",
      ].join("\n"),
    });
  });

  it("tells a scalar from a tensor with one element", () => {
    expect(() => checkStateDict(new Map([["a", []]]), shapes({ a: [1] }))).toThrow(
      "[1] in the file, [] in the network",
    );
  });

  it("points at a prefix that all keys have, which mapStateDict takes off", () => {
    const wrapped = new Map([...expected].map(([key, shape]) => [`module.${key}`, { shape }]));
    expect(() => checkStateDict(expected, wrapped)).toThrow('begin with "module.": take it off with mapStateDict');
    const mapped = mapStateDict(wrapped, (key) => key.replace(/^module\./, ""));
    expect([...mapped.keys()]).toEqual([...expected.keys()]);
    expect(() => checkStateDict(expected, mapped)).not.toThrow();
  });
});

describe("mapStateDict", () => {
  it("leaves out what has no new name, and refuses two values of one name", () => {
    const state = new Map([
      ["a", 1],
      ["b", 2],
    ]);
    expect(mapStateDict(state, (key) => (key === "a" ? undefined : key))).toEqual(new Map([["b", 2]]));
    expect(() => mapStateDict(state, () => "c")).toThrow('two keys become "c", the second is "b"');
  });
});

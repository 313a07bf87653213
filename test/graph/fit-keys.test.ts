import { describe, expect, it } from "vitest";
import { commonPrefixes, countFitting, fitKeys, renameKeys } from "../../src/graph/index.ts";

const map = (...keys: string[]) => new Map(keys.map((key) => [key, { shape: [key.length] }]));
const network = new Map([
  ["conv.weight", [1]],
  ["bn.weight", [2]],
  ["bn.running_mean", [2]],
  ["fc.weight", [3]],
]);
const keys = [...network.keys()];
const under = (prefix: string, names = keys) => map(...names.map((key) => prefix + key));

describe("fitKeys", () => {
  it("removes any prefix that makes the keys fit", () => {
    for (const prefix of ["module.", "_orig_mod.module.", "net.", "model.backbone.", "module.net."]) {
      const { weights, removed } = fitKeys(under(prefix), network);
      expect([...weights.keys()]).toEqual(keys);
      expect(removed).toBe(prefix);
    }
  });

  it("leaves keys alone that fit, or that fit under no prefix", () => {
    const own = under("");
    expect(fitKeys(own, network)).toEqual({ weights: own });
    const others = under("net.", ["a", "b"]);
    expect(fitKeys(others, network)).toEqual({ weights: others });
    const few = under("net.", ["fc.weight", "a", "b"]);
    expect(fitKeys(few, network)).toEqual({ weights: few });
  });

  it("names the keys without the prefix, as those of a loss beside the network", () => {
    const { weights, leftOut } = fitKeys(new Map([...under("model."), ...map("loss.weight")]), network);
    expect([...weights.keys()]).toEqual(keys);
    expect(leftOut).toEqual(["loss.weight"]);
  });

  it("fits most of the keys if all have the prefix, as a backbone with another last layer", () => {
    const { weights, removed } = fitKeys(under("backbone.", [...keys.slice(0, 3), "head.weight"]), network);
    expect(removed).toBe("backbone.");
    expect([...weights.keys()]).toContain("head.weight");
  });

  it("leaves out counts of batches that the network does not keep", () => {
    const { weights } = fitKeys(map(...keys, "bn.num_batches_tracked", "other.num_batches_tracked"), network);
    expect([...weights.keys()]).toEqual([...keys, "other.num_batches_tracked"]);
  });
});

describe("renameKeys", () => {
  it("replaces the start of keys, rule by rule", () => {
    const renamed = renameKeys(map("module.fc.weight", "module.conv.fc.bias"), [
      ["module.", ""],
      ["fc.", "head."],
    ]);
    expect([...renamed.keys()]).toEqual(["head.weight", "conv.fc.bias"]);
  });

  it("refuses a rule without effect, and keys that become the same", () => {
    expect(() => renameKeys(map("a.b"), [["c.", ""]])).toThrow('no key begins with "c."; the keys are a.b');
    expect(() => renameKeys(map("a.x", "b.x"), [["a.", "b."]])).toThrow('"a.=b." makes two keys the same');
  });
});

it("commonPrefixes are those of every key", () => {
  expect(commonPrefixes(["a.b.c", "a.b.d"])).toEqual(["", "a.", "a.b."]);
  expect(commonPrefixes(["a.b.c", "x"])).toEqual([""]);
});

it("countFitting prefers the set with nothing else in it", () => {
  const exact = new Map([...network].map(([key, shape]) => [key, { shape }]));
  expect(countFitting(exact, network)).toBe(4);
  expect(countFitting(new Map([...exact, ["more", { shape: [1] }]]), network)).toBeLessThan(4);
  expect(countFitting(under("net."), network)).toBeLessThan(1);
});

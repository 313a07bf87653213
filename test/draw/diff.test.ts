/** What two networks share and where they part. */
import { describe, expect, it } from "vitest";
import { drawDiff } from "../../src/draw/index.ts";
import { compareItems } from "../../src/draw/read/compare.ts";
import { type Item, itemsOf, type Level } from "../../src/draw/read/items.ts";
import { networkOf } from "../../src/draw/read/parts.ts";
import { createModel, Inception, NaiveInception } from "../../src/models/index.ts";
import { Conv2d, MaxPool2d, type Module, ReLU, Sequential, trace } from "../../src/nn/index.ts";

const WIDTHS = [64, 96, 128, 16, 32, 32] as const;

/** Titles with their marks, first network and second network. */
function compared(first: Module, second: Module, input: readonly number[], level: Level = "layer") {
  const lists = [first, second].map((model) => itemsOf(networkOf(trace(model, input)), level)) as [Item[], Item[]];
  const marks = compareItems(...lists, level === "layer");
  return lists.map((items) =>
    items.filter(({ role }) => role !== "input" && role !== "output").map((item) => `${item.title} ${marks.get(item)}`),
  );
}

describe("compareItems", () => {
  it("finds the same network in both, whatever its layers are called", () => {
    const [a, b] = [
      new Sequential(new Conv2d(3, 4, 3), new ReLU()),
      new Sequential({ stem: new Conv2d(3, 4, 3), act: new ReLU() }),
    ];
    expect(compared(a, b, [1, 3, 8, 8])).toEqual([["conv same"], ["conv same"]]);
  });

  it("tells changed layers from those that only one has", () => {
    const a = new Sequential(new Conv2d(3, 4, 3), new Conv2d(4, 4, 3), new ReLU());
    const b = new Sequential(new Conv2d(3, 4, 5), new Conv2d(4, 4, 3), new ReLU(), new MaxPool2d(2));
    expect(compared(a, b, [1, 3, 16, 16])).toEqual([
      ["conv changed", "conv same"],
      ["conv changed", "conv same", "max pool second"],
    ]);
  });

  it("compares whole blocks where they are closed", () => {
    const [shallow, deep] = compared(createModel("resnet18"), createModel("resnet34"), [1, 3, 64, 64], "block");
    expect(shallow).toEqual([
      ...["conv same", "max pool same", "layer1 changed", "layer2 changed", "layer3 changed", "layer4 changed"],
      ...["avg pool same", "linear same"],
    ]);
    expect(deep).toEqual(shallow);
  });
});

describe("drawDiff", () => {
  const networks = [new Inception(192, WIDTHS), new NaiveInception(192, WIDTHS)] as const;
  const input = [1, 192, 28, 28];

  it("draws both networks with counts and a legend", () => {
    const svg = drawDiff(...networks, { input, names: ["a & b", "<c>"] });
    for (const text of ["a &amp; b and &lt;c&gt;", "in both", "changed", "only in a &amp; b"])
      expect(svg).toContain(`>${text}<`);
    expect(svg).not.toContain(">only in &lt;c&gt;<");
    expect(svg).toMatch(/2 in both {2}· {2}\d changed {2}· {2}\d only in the first {2}· {2}0 only in the second/);
    expect(svg.match(/class="first"/g)!.length).toBeGreaterThan(2);
  });

  it("writes PDF and TikZ, and takes inputs of two shapes", () => {
    const otherInput = [1, 192, 14, 14];
    expect(String.fromCharCode(...drawDiff(...networks, { input, otherInput, format: "pdf" }).slice(0, 8))).toBe(
      "%PDF-1.7",
    );
    expect(drawDiff(...networks, { input, otherInput, format: "tex" })).toContain("\\begin{tikzpicture}");
  });
});

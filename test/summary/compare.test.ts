/** Two networks lined up layer by layer. */
import { describe, expect, it } from "vitest";
import { createModel } from "../../src/models/index.ts";
import { BatchNorm2d, Conv2d, layerSettings, type Module, ReLU, Sequential, type Tensor } from "../../src/nn/index.ts";
import { type Compared, compareSummaries, type RowPair, summarize } from "../../src/summary/index.ts";

const INPUT = [1, 3, 32, 32];

function compared(model: Module, input: readonly number[] = INPUT): Compared {
  const settings = Object.fromEntries([...model.modules()].map(([path, module]) => [path, layerSettings(module)]));
  return { rows: summarize(model, { input }).rows, settings };
}
const statusOf = ({ a, b, status }: RowPair) => `${a?.path ?? "–"} ${b?.path ?? "–"} ${status}`;
const conv = (channels: number, stride = 1) => new Conv2d(3, channels, 3, { stride, padding: 1 });

describe("compareSummaries", () => {
  it("finds nothing in a network and itself", () => {
    const [a, b] = [compared(createModel("nin")), compared(createModel("nin"))];
    const pairs = compareSummaries(a, b);
    expect(pairs.map(({ status }) => status)).toEqual(a.rows.map(() => "same"));
    expect(pairs.every(({ a, b }) => a?.path === b?.path)).toBe(true);
  });

  it("names the settings that differ, and marks the blocks around them", () => {
    const [a, b] = [conv(8), conv(16, 2)].map((layer) => compared(new Sequential(layer, new ReLU()))) as [
      Compared,
      Compared,
    ];
    const pairs = compareSummaries(a, b);
    expect(pairs.map(statusOf)).toEqual(["  changed", "0 0 changed", "1 1 same"]);
    expect(pairs[1]!.differences).toEqual([
      { name: "outChannels", a: 8, b: 16 },
      { name: "stride", a: 1, b: 2 },
    ]);
  });

  it("keeps what only one has in its place: VGG19 has three convolutions more than VGG16", () => {
    const [a, b] = ["vgg16", "vgg19"].map((name) => compared(createModel(name), [1, 3, 224, 224])) as [
      Compared,
      Compared,
    ];
    const pairs = compareSummaries(a, b);
    const alone = pairs.filter(({ status }) => status === "onlyB");
    expect(alone.map(({ b }) => b!.type).sort()).toEqual(["Conv2d", "Conv2d", "Conv2d", "ReLU", "ReLU", "ReLU"]);
    expect(pairs.filter(({ status }) => status === "onlyA")).toEqual([]);
    expect(pairs.filter(({ a, status }) => a?.leaf && status === "changed")).toEqual([]);
    expect(pairs.flatMap(({ a }) => a ?? [])).toEqual(a.rows);
    expect(pairs.flatMap(({ b }) => b ?? [])).toEqual(b.rows);
  });

  it("looks through lists of layers where blocks are of two types", () => {
    const [note, torchvision] = (["note", "torchvision"] as const).map((variant) =>
      compared(createModel("googlenet", { variant }), [1, 3, 224, 224]),
    ) as [Compared, Compared];
    const pairs = compareSummaries(note, torchvision);
    const of = (path: string) => pairs.find(({ a }) => a?.path === path);
    expect(statusOf(of("conv1.conv.0")!)).toBe("conv1.conv.0 conv1.conv same");
    expect(of("conv1.conv.1")!.differences).toEqual([{ name: "eps", a: 1e-5, b: 1e-3 }]);
    expect(of("aux1")!.status).toBe("onlyA");
  });

  it("compares kernels and parameters without settings", () => {
    const of = (layer: Module<Tensor>) => summarize(new Sequential(layer), { input: INPUT });
    const [, pair] = compareSummaries(of(conv(8)), of(new Conv2d(3, 8, 5)));
    expect(pair!.differences.map(({ name }) => name)).toEqual(["kernelSize", "params"]);
    const [, other] = compareSummaries(of(new BatchNorm2d(3)), of(conv(3)));
    expect(other!.status).toBe("onlyA");
  });
});

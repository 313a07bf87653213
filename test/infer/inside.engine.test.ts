/** What `lookInside` gives beyond what PyTorch has a counterpart of, and its messages. */
import { describe, expect, it } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import { lookInside } from "../../src/infer/index.ts";
import { Conv2d, Linear, Module, type Tensor } from "../../src/nn/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";

/** Its first class counts what is bright in the upper left corner; its second channel responds to vertical edges. */
class Corner extends Module<Tensor> {
  conv = new Conv2d(1, 2, 3, { padding: 1 });
  fc = new Linear(2 * 64, 2);

  forward(x: Tensor): Tensor {
    return this.fc.call(this.conv.call(x).relu().flatten(1));
  }
}

function corner(): Corner {
  const model = new Corner();
  const weight = new Float32Array(18);
  weight[4] = 1;
  for (const row of [9, 12, 15]) {
    weight[row] = -1;
    weight[row + 2] = 1;
  }
  const scores = new Float32Array(2 * 128);
  for (let y = 0; y < 3; y++) for (let x = 0; x < 3; x++) scores[y * 8 + x] = 1;
  model.loadStateDict(
    new Map([
      ["conv.weight", tensor("float32", [2, 1, 3, 3], weight)],
      ["conv.bias", tensor("float32", [2], new Float32Array(2))],
      ["fc.weight", tensor("float32", [2, 128], scores)],
      ["fc.bias", tensor("float32", [2], new Float32Array(2))],
    ]),
  );
  return model;
}

const shape = [1, 1, 8, 8] as const;
const bright = tensor("float32", shape, new Float32Array(64).fill(1));

describe("lookInside", () => {
  const inside = lookInside(corner(), { engine: nodeEngine({ threads: 1 }) });

  it("names layers as the drawing does", async () => {
    expect(inside.layers(shape)).toEqual(["conv", "fc", "/Relu", "/Flatten"]);
    const { activations } = await inside.see(bright, ["conv", "/Relu", "fc"]);
    expect(Object.values(activations).map((one) => one.shape)).toEqual([
      [1, 2, 8, 8],
      [1, 2, 8, 8],
      [1, 2],
    ]);
    await expect(inside.see(bright, ["cnv"])).rejects.toThrow('there is no layer "cnv"; did you mean "conv"?');
  });

  it("finds by occlusion what a class depends on", async () => {
    const done: number[] = [];
    const map = await inside.occlusion(bright, { size: 2, stride: 2, onProgress: (count) => done.push(count) });
    expect(done).toEqual([8, 16]);
    expect(Array.from(map.data.slice(0, 8))).toEqual([4, 4, 2, 2, 0, 0, 0, 0]);
    expect(map.data[63]).toBe(0);
  });

  it("finds by the gradient what a class depends on", async () => {
    const { data } = await inside.inputGradient(bright, { classIndex: 0 });
    expect(data[0]).toBe(1);
    expect(data[63]).toBe(0);
    await expect(inside.inputGradient(bright, { classIndex: 2 })).rejects.toThrow("the network has 2 classes, 0 to 1");
  });

  it("climbs to an image that a channel responds to, the same for the same seed", async () => {
    const values: number[] = [];
    const options = { layer: "/Relu", channel: 1, shape, steps: 12 };
    const image = await inside.respond({ ...options, onStep: (_, value) => values.push(value) });
    expect(values.at(-1)).toBeGreaterThan(5 * values[0]!);
    expect((await inside.respond(options)).data).toEqual(image.data);
    await expect(inside.respond({ ...options, channel: 2 })).rejects.toThrow("/Relu has 2 channels, 0 to 1");
    const stop = new AbortController();
    stop.abort(new Error("enough"));
    await expect(inside.respond({ ...options, signal: stop.signal })).rejects.toThrow("enough");
  });

  it("says which layer Grad-CAM can take", async () => {
    await expect(inside.gradCam(bright, { layer: "fc" })).rejects.toThrow("gradCam: fc gives [1, 2]");
    expect((await inside.gradCam(bright)).layer).toBe("/Relu");
  });
});

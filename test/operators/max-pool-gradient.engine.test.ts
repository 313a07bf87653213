import { describe, expect, it } from "vitest";
import { Graph } from "../../src/graph/index.ts";
import { Ops, windowOf } from "../../src/operators/index.ts";
import { differentiate, lower } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";

const [N, C] = [2, 16];

type Relu = "before" | "after" | undefined;

/** Σ w · max pool of x, with a ReLU before or after it if there is one, and its gradient. */
function poolGraph(size: readonly number[], attributes: Record<string, readonly number[]>, relu: Relu) {
  const graph = new Graph("pool");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [N, C, ...size]);
  const pooled = g.one("MaxPool", [relu === "before" ? g.relu(x) : x], attributes);
  const y = relu === "after" ? g.relu(pooled) : pooled;
  const w = graph.input("w", "float32", y.shape);
  const { graph: backward, gradients } = differentiate(graph, g.reduceSum(g.mul(y, w), [0, 1, 2, 3], false), [x]);
  backward.output("dx", gradients.get(x)!);
  return { graph: backward, x: x.shape as number[], y: y.shape as number[] };
}

/** The same in plain JavaScript: the first of the largest elements of a window gets all of its gradient. */
function expected(
  x: Float32Array,
  w: Float32Array,
  { x: [, , H, W], y: [, , outH, outW], attributes, relu }: Expected,
) {
  const { stride, before, kernel } = windowOf({ op: "MaxPool", attributes }, [N, C, H!, W!]);
  const dx = new Float32Array(x.length);
  for (let o = 0; o < w.length; o++) {
    const [image, row, column] = [Math.floor(o / (outH! * outW!)), Math.floor(o / outW!) % outH!, o % outW!];
    let [best, at] = [Number.NEGATIVE_INFINITY, -1];
    for (let i = 0; i < kernel[0]; i++)
      for (let j = 0; j < kernel[1]; j++) {
        const [h, v] = [row * stride[0] - before[0] + i, column * stride[1] - before[1] + j];
        if (h < 0 || v < 0 || h >= H! || v >= W!) continue;
        const index = (image * H! + h) * W! + v;
        const value = relu ? Math.max(0, x[index]!) : x[index]!;
        if (value > best) [best, at] = [value, index];
      }
    if (!relu || x[at]! > 0) dx[at]! += w[o]!;
  }
  return dx;
}

interface Expected {
  readonly x: readonly number[];
  readonly y: readonly number[];
  readonly attributes: Record<string, readonly number[]>;
  readonly relu: Relu;
}

const square = (size: number, stride: number, before: number, after: number) => ({
  kernel_shape: [size, size],
  strides: [stride, stride],
  pads: [before, before, after, after],
});

describe("the gradient of max pooling in blocks of channels is that of the definition, with ties", () => {
  it.each([
    ["3×3, behind a ReLU", [7, 9], square(3, 1, 1, 1), "before"],
    ["5×1, behind a ReLU", [6, 5], { kernel_shape: [5, 1], pads: [1, 0, 3, 0] }, "before"],
    ["3×3 with stride 2 and an overhang", [8, 12], square(3, 2, 0, 1), undefined],
    ["3×3 with stride 2 and padding, behind a ReLU", [8, 6], square(3, 2, 1, 0), "before"],
    ["3×3 with stride 2 and padding, in front of a ReLU", [8, 6], square(3, 2, 1, 0), "after"],
    ["3×3, in front of a ReLU", [7, 9], square(3, 1, 1, 1), "after"],
    ["3×3 without padding, in front of a ReLU", [7, 9], square(3, 1, 0, 0), "after"],
    ["3×3 with stride 2, which leaves the last pixels out", [8, 12], square(3, 2, 0, 0), undefined],
    ["6×3 with stride 4 and 3, which leaves several out", [8, 9], { kernel_shape: [6, 3], strides: [4, 3] }, undefined],
    ["2×2 with stride 2", [4, 6], square(2, 2, 0, 0), undefined],
    ["4×4 with stride 3 and an overhang", [9, 6], square(4, 3, 0, 1), undefined],
    ["2×2 with stride 1, behind a ReLU", [4, 5], square(2, 1, 0, 1), "before"],
  ] as const)("%s", async (_, size, attributes, relu) => {
    const { graph, ...shapes } = poolGraph(size, attributes, relu);
    const ops = lower(graph, "cpu", { block: 8 }).nodes.map(({ op, domain }) => `${domain}.${op}`);
    expect(ops).toContain("com.microsoft.nchwc.MaxPool");
    const draw = new Draw(1);
    const executable = await nodeEngine({ threads: 1 }).compile(graph);
    for (const x of [draw.integers(shapes.x), draw.spaced(shapes.x)]) {
      const w = draw.uniform(shapes.y);
      const { dx } = await executable.run({ x, w });
      const wanted = expected(x.data as Float32Array, w.data as Float32Array, { ...shapes, attributes, relu });
      const given = (await dx!.read()).data as Float32Array;
      given.forEach((value, i) => {
        expect(Math.abs(value - wanted[i]!)).toBeLessThan(1e-5);
      });
    }
    await executable.dispose();
  });
});

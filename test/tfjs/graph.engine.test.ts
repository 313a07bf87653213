/** Operators of TensorFlow's graphs, with those that its converter fuses, against the same reference. */
import { describe, expect, it } from "vitest";
import type { TensorData } from "../../src/graph/index.ts";
import { tfjsModel } from "../../src/tfjs/index.ts";
import { difference, runGraph } from "../onnx/support.ts";
import * as is from "./reference.ts";
import {
  constant,
  list,
  modelFiles,
  nchw,
  node,
  numbers,
  placeholder,
  readerOf,
  type Tf,
  text,
  texts,
} from "./support.ts";

/** Sums of 126 numbers are added up in another order than that of the reference. */
const TOLERANCE = 1e-5;
const X = numbers([2, 7, 6, 3]);
const kernel = numbers([3, 3, 3, 4], 2);
const bias = numbers([4], 3);
const deep = numbers([3, 3, 3, 2], 3);

const whole = (...values: readonly number[]): Tf => ({ shape: [values.length], data: Float32Array.from(values) });
const scalar = (value: number): Tf => ({ shape: [], data: Float32Array.of(value) });

async function run(
  nodes: readonly object[],
  weights: Readonly<Record<string, Tf>> = {},
  batch = -1,
): Promise<{ y: TensorData; names: string[] }> {
  const constants = Object.keys(weights).map(constant);
  // in no order, as converters write them
  const files = modelFiles({ node: [...nodes.toReversed(), ...constants, placeholder(batch, 7, 6, 3)] }, weights, {
    format: "graph-model",
  }); // prettier-ignore
  const model = tfjsModel(files.text, readerOf(files));
  const results = await runGraph(model.graph, model.weights, { image: nchw(X) });
  return { y: Object.values(results)[0]!, names: [...model.weights.keys()] };
}

const conv = (strides: readonly number[] = [1, 1, 1, 1], padding = "SAME") => ({
  strides: list(...strides),
  padding: text(padding),
  data_format: text("NHWC"),
  dilations: list(1, 1, 1, 1),
});
const keep = { keep_dims: { b: true } };
const convolved = () => is.conv2d(X, kernel, { same: true, stride: 2 }, bias);
const relu6 = (x: Tf) => is.each(x, (value) => Math.min(Math.max(value, 0), 6));
const two = [1, 2, 2, 1];

const CASES: readonly (readonly [string, readonly object[], Readonly<Record<string, Tf>>, () => Tf])[] = [
  [
    "_FusedConv2D with Relu6",
    [
      node("y", "_FusedConv2D", ["image", "net/conv/w", "net/conv/b"], {
        ...conv(two),
        fused_ops: texts("BiasAdd", "Relu6"),
      }),
    ],
    { "net/conv/w": kernel, "net/conv/b": bias },
    () => relu6(convolved()),
  ],
  [
    "Conv2D, BiasAdd and Identity",
    [
      node("c", "Conv2D", ["image", "w"], conv(two)),
      node("a", "BiasAdd", ["c", "b"]),
      node("y", "Identity", ["a:0", "^c"]),
    ],
    { w: kernel, b: bias },
    convolved,
  ],
  [
    "Conv2D with explicit padding",
    [
      node("y", "Conv2D", ["image", "w"], {
        ...conv([1, 1, 1, 1], "EXPLICIT"),
        explicit_paddings: list(0, 0, 1, 1, 1, 1, 0, 0),
      }),
    ],
    { w: kernel },
    () => is.conv2d(X, kernel, { same: true }),
  ],
  [
    "FusedDepthwiseConv2dNative",
    [
      node("y", "FusedDepthwiseConv2dNative", ["image", "w", "b"], {
        ...conv(two),
        fused_ops: texts("BiasAdd", "Relu"),
      }),
    ],
    { w: deep, b: numbers([6]) },
    () => is.each(is.depthwise(X, deep, { same: true, stride: 2 }, numbers([6])), (x) => Math.max(x, 0)),
  ],
  [
    "_FusedConv2D with Prelu",
    [node("y", "_FusedConv2D", ["image", "w", "b", "a"], { ...conv(), fused_ops: texts("BiasAdd", "Prelu") })],
    { w: kernel, b: bias, a: numbers([1, 1, 4], 5) },
    () => is.each(is.conv2d(X, kernel, { same: true }, bias), (x, c) => (x > 0 ? x : x * numbers([4], 5).data[c]!)),
  ],
  [
    "Conv2DBackpropInput",
    [node("y", "Conv2DBackpropInput", ["s", "w", "image"], conv(two))],
    { s: whole(2, 14, 12, 4), w: numbers([3, 3, 4, 3]) },
    () => is.convTranspose(X, numbers([3, 3, 4, 3]), 2, true),
  ],
  [
    "FusedBatchNormV3",
    [node("y", "FusedBatchNormV3", ["image", "g", "b", "m", "v"], { epsilon: { f: 0.01 }, is_training: { b: false } })],
    { g: numbers([3]), b: numbers([3], 2), m: numbers([3], 3), v: whole(0.5, 1, 2) },
    () => is.batchNorm(X, [numbers([3]), numbers([3], 2), numbers([3], 3), whole(0.5, 1, 2)], 0.01),
  ],
  [
    "MaxPool and AvgPool",
    [
      node("m", "MaxPool", ["image"], { ...conv(two), ksize: list(1, 3, 3, 1) }),
      node("y", "AvgPool", ["m"], { ...conv([1, 1, 1, 1], "VALID"), ksize: list(1, 2, 2, 1) }),
    ],
    {},
    () => is.pool(is.pool(X, "max", { kernel: [3, 3], stride: 2, same: true }), "average", { kernel: [2, 2] }),
  ],
  [
    "Mean, Squeeze and _FusedMatMul",
    [
      node("m", "Mean", ["image", "axes"], keep),
      node("s", "Squeeze", ["m"], { squeeze_dims: list(1, 2) }),
      node("y", "_FusedMatMul", ["s", "w", "b"], { fused_ops: texts("BiasAdd"), transpose_b: { b: true } }),
    ],
    { axes: whole(1, 2), w: numbers([4, 3]), b: bias },
    () => is.dense(is.globalPool(X, "average"), transposed(numbers([4, 3])), bias),
  ],
  [
    "Mean over channels",
    [node("y", "Mean", ["image", "axes"], keep)],
    { axes: whole(-1) },
    () => is.conv2d(X, { shape: [1, 1, 3, 1], data: new Float32Array(3).fill(1 / 3) }),
  ],
  [
    "Shape, StridedSlice, Pack and Reshape",
    [
      node("sh", "Shape", ["image"]),
      node("n", "StridedSlice", ["sh", "zero", "one", "one"], { shrink_axis_mask: { i: "1" } }),
      node("p", "Pack", ["n", "all"], { axis: { i: "0" } }),
      node("f", "Reshape", ["image", "p"]),
      node("y", "MatMul", ["f", "w"]),
    ],
    { zero: whole(0), one: whole(1), all: scalar(126), w: numbers([126, 4]) },
    () => is.dense(is.reshape(X, [2, 126]), numbers([126, 4])),
  ],
  [
    "Sub, Mul and AddV2 with vectors",
    [node("s", "Sub", ["image", "a"]), node("m", "Mul", ["s", "b"]), node("y", "AddV2", ["m", "c"])],
    { a: numbers([3], 2), b: scalar(2), c: numbers([1, 1, 1, 3], 3) },
    () => is.each(X, (x, c) => (x - numbers([3], 2).data[c]!) * 2 + numbers([3], 3).data[c]!),
  ],
  [
    "AddV2 and ConcatV2 of branches",
    [node("r", "Relu", ["image"]), node("a", "AddV2", ["image", "r"]), node("y", "ConcatV2", ["a", "r", "axis"])],
    { axis: scalar(3) },
    () =>
      is.concat(
        is.each(X, (x) => x + Math.max(x, 0)),
        is.each(X, (x) => Math.max(x, 0)),
      ),
  ],
  [
    "Pad and StridedSlice of pixels",
    [
      node("p", "Pad", ["image", "pads"]),
      node("y", "StridedSlice", ["p", "from", "to", "by"], { begin_mask: { i: "9" }, end_mask: { i: "9" } }),
    ],
    {
      pads: { shape: [4, 2], data: Float32Array.of(0, 0, 1, 0, 0, 1, 0, 0) },
      from: whole(0, 0, 1, 0),
      to: whole(0, 8, 7, 0),
      by: whole(1, 2, 2, 1),
    },
    () => is.pixels(X, 4, 3, (h, w) => [2 * h - 1, 2 * w + 1]),
  ],
  [
    "ResizeBilinear",
    [node("y", "ResizeBilinear", ["image", "size"])],
    { size: whole(14, 12) },
    () => is.bilinear(X, 14, 12),
  ],
  [
    "ResizeNearestNeighbor",
    [node("y", "ResizeNearestNeighbor", ["image", "size"])],
    { size: whole(14, 18) },
    () => is.pixels(X, 14, 18, (h, w) => [h >> 1, Math.floor(w / 3)]),
  ],
  [
    "Transpose to channels first and back",
    [
      node("t", "Transpose", ["image", "p"]),
      node("u", "Transpose", ["t", "q"]),
      node("y", "LeakyRelu", ["u"], { alpha: { f: 0.1 } }),
    ],
    { p: whole(0, 3, 1, 2), q: whole(0, 2, 3, 1) },
    () => is.each(X, (x) => (x > 0 ? x : 0.1 * x)),
  ],
  [
    "ClipByValue, Rsqrt and Softmax",
    [node("c", "ClipByValue", ["image", "low", "high"]), node("r", "Rsqrt", ["c"]), node("y", "Softmax", ["r"])],
    { low: scalar(0.1), high: scalar(0.9) },
    () => is.softmax(is.each(X, (x) => 1 / Math.sqrt(Math.min(Math.max(x, 0.1), 0.9)))),
  ],
]; // prettier-ignore

function transposed({ shape, data }: Tf): Tf {
  const [rows, columns] = shape as readonly [number, number];
  return { shape: [columns, rows], data: data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!) };
}

describe("graphs", () => {
  it.each(CASES)("%s", async (_, nodes, weights, wanted) => {
    const { y } = await run(nodes, weights);
    expect(difference(y, nchw(wanted()))).toBeLessThan(TOLERANCE);
  });

  it("frees a batch of 1, also in the target of a Reshape", async () => {
    const { y } = await run([node("y", "Reshape", ["image", "shape"])], { shape: whole(1, 126) }, 1);
    expect(difference(y, nchw(is.reshape(X, [2, 126])))).toBeLessThan(TOLERANCE);
  });

  it("names weights after their layers, without what functions leave in names", async () => {
    const [w, b] = [
      "StatefulPartitionedCall/net/conv1/Conv2D/ReadVariableOp",
      "StatefulPartitionedCall/net/conv1/BiasAdd/ReadVariableOp",
    ]; // prettier-ignore
    const fused = { ...conv(), fused_ops: texts("BiasAdd", "Relu") };
    const nodes = [
      node("StatefulPartitionedCall/net/conv1/Relu", "_FusedConv2D", ["image", w, b], fused),
      node("StatefulPartitionedCall/net/act/Relu", "Relu", ["StatefulPartitionedCall/net/conv1/Relu"]),
    ];
    const { names } = await run(nodes, { [w]: kernel, [b]: bias });
    expect(names).toEqual(["conv1.weight", "conv1.bias"]);
  });
});

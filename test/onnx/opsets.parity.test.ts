/** Operators as other opsets have them: ONNX Runtime runs the file as it is, ours the graph that was made of it. */
import { beforeAll, describe, expect, it } from "vitest";
import { decode, encode } from "../../src/onnx/index.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { makeModels, type PythonAttribute, type PythonModel, type PythonTensor } from "./python-models.ts";
import { difference, normal, runFile, runGraph } from "./support.ts";

const TOLERANCE = 1e-6;

const ints = (...values: number[]): PythonTensor => ({ dtype: "int64", shape: [values.length], values });
const floats = (...values: number[]): PythonTensor => ({ dtype: "float", shape: [values.length], values });
const real = (value: number) => ({ real: value });

type Attributes = Readonly<Record<string, PythonAttribute>>;
interface Options {
  initializers?: Readonly<Record<string, PythonTensor>>;
  inputs?: PythonModel["inputs"];
  outputs?: readonly string[];
}

/** One operator over x and constants. */
function one(opset: number, op: string, attributes: Attributes = {}, options: Options = {}): [string, PythonModel] {
  const { initializers = {}, outputs = ["y"], inputs } = options;
  const names = Object.keys(inputs ?? { x: [] });
  const node = {
    op,
    inputs: [...names, ...Object.keys(initializers).map((name) => (name.startsWith("-") ? "" : name))],
    outputs,
    attributes,
  };
  const given = Object.fromEntries(Object.entries(initializers).filter(([name]) => !name.startsWith("-")));
  return [
    `${op} of opset ${opset} ${JSON.stringify(attributes)}`,
    { opset, nodes: [node], initializers: given, outputs, ...(inputs && { inputs }) },
  ];
}

const NONE: PythonTensor = floats();
const channels = {
  scale: floats(1, 2, 3),
  bias: floats(0, 1, -1),
  mean: floats(0.1, 0, -0.2),
  variance: floats(1, 2, 0.5),
};
const square = { scales: floats(1, 1, 2, 3) };

const CASES: readonly [string, PythonModel][] = [
  ...[7, 11, 12].flatMap((opset) => [
    one(opset, "Softmax"),
    one(opset, "Softmax", { axis: 2 }),
    one(opset, "LogSoftmax", { axis: 3 }),
    one(opset, "LogSoftmax", { axis: 0 }),
  ]),
  one(12, "Softmax", { axis: -2 }),
  one(13, "Softmax", { axis: 1 }),
  one(9, "Softmax", {}, { inputs: { x: [2, 5, 1, 1] } }),
  one(8, "Squeeze", { axes: [0, 2] }, { inputs: { x: [1, 3, 1, 4] } }),
  one(12, "Squeeze", {}, { inputs: { x: [1, 3, 1, 4] } }),
  one(13, "Squeeze", {}, { inputs: { x: [1, 3, 1, 4] }, initializers: { axes: ints(-2) } }),
  one(11, "Unsqueeze", { axes: [0, -1] }),
  one(11, "ReduceSum", { axes: [1, -1], keepdims: 0 }),
  one(11, "ReduceSum"),
  one(13, "ReduceSum", { keepdims: 0 }, { initializers: { axes: ints(2) } }),
  one(13, "ReduceSum", { noop_with_empty_axes: 1 }),
  one(11, "ReduceMean", { axes: [2, 3] }),
  one(18, "ReduceMean", { keepdims: 0 }, { initializers: { axes: ints(-1, 2) } }),
  one(18, "ReduceMean"),
  one(18, "ReduceMax", { noop_with_empty_axes: 1 }),
  one(18, "ReduceMax", {}, { initializers: { axes: ints(1) } }),
  one(20, "ReduceL2", {}, { initializers: { axes: ints(1) } }),
  one(11, "Split", { axis: 1, split: [1, 2] }, { outputs: ["y", "z"] }),
  one(11, "Split", { axis: 2 }, { outputs: ["y", "z"] }),
  one(13, "Split", { axis: -1 }, { outputs: ["y", "z"], initializers: { split: ints(1, 3) } }),
  one(18, "Split", { axis: 1, num_outputs: 2 }, { outputs: ["y", "z"] }),
  one(9, "Clip", { min: real(-0.5), max: real(0.5) }),
  one(9, "Clip", { max: real(0.5) }),
  one(7, "Clip"),
  one(11, "Clip", {}, { initializers: { "-min": NONE, max: { ...floats(0.2), shape: [] } } }),
  one(10, "Pad", { pads: [0, 0, 1, 2, 0, 0, 0, 1], value: real(2) }),
  one(9, "Pad", { pads: [0, 0, 1, 1, 0, 0, 1, 1], mode: "reflect" }),
  one(18, "Pad", {}, { initializers: { pads: ints(1, 2, 3, 4), "-value": NONE, axes: ints(-1, 2) } }),
  one(9, "Slice", { starts: [1, -2], ends: [2 ** 62, 3], axes: [1, -1] }),
  one(9, "Slice", { starts: [1, 0], ends: [2, 2] }),
  one(10, "Slice", {}, { initializers: { starts: ints(-1), ends: ints(-100), axes: ints(3), steps: ints(-2) } }),
  one(7, "Upsample", { scales: { real: [1, 1, 2, 3] } }),
  one(9, "Upsample", { mode: "nearest" }, { initializers: square }),
  one(9, "Upsample", { mode: "linear" }, { initializers: { scales: floats(1, 1, 2, 2) } }),
  one(10, "Resize", { mode: "nearest" }, { initializers: { scales: floats(1, 1, 0.5, 2) } }),
  one(10, "Resize", { mode: "linear" }, { initializers: square }),
  one(
    11,
    "Resize",
    { mode: "linear", coordinate_transformation_mode: "align_corners" },
    { initializers: { roi: NONE, ...square } },
  ),
  one(
    13,
    "Resize",
    { nearest_mode: "ceil" },
    { initializers: { "-roi": NONE, "-scales": NONE, sizes: ints(2, 3, 7, 5) } },
  ),
  one(
    18,
    "Resize",
    { axes: [2, 3], mode: "linear" },
    { initializers: { "-roi": NONE, "-scales": NONE, sizes: ints(8, 2) } },
  ),
  one(18, "Resize", { axes: [3] }, { initializers: { "-roi": NONE, scales: floats(2) } }),
  one(7, "BatchNormalization", { epsilon: real(0.01), spatial: 1 }, { initializers: channels }),
  one(9, "BatchNormalization", {}, { initializers: channels, inputs: { x: [4, 3] } }),
  one(15, "BatchNormalization", {}, { initializers: channels, inputs: { x: [2, 3, 5] } }),
  one(15, "BatchNormalization", {}, { initializers: channels, inputs: { x: [2, 3, 2, 3, 2] } }),
  one(7, "Dropout", { ratio: real(0.3) }),
  one(12, "Dropout", {}, { initializers: { ratio: { ...floats(0.3), shape: [] } } }),
  one(14, "Reshape", { allowzero: 1 }, { initializers: { shape: ints(6, -1) } }),
  one(7, "Reshape", {}, { initializers: { shape: ints(0, -1) } }),
  one(19, "AveragePool", { kernel_shape: [2, 2], dilations: [1, 1] }),
  one(19, "Cast", { to: 1, saturate: 1 }),
  one(15, "CastLike", {}, { initializers: { like: floats(1) } }),
  one(20, "Gelu"),
  one(20, "Gelu", { approximate: "tanh" }),
  one(18, "Mish"),
  one(
    18,
    "GroupNormalization",
    { num_groups: 2, epsilon: real(0.01) },
    { inputs: { x: [2, 4, 3, 3] }, initializers: { scale: floats(1, 2), bias: floats(0, 1) } },
  ),
  one(
    21,
    "GroupNormalization",
    { num_groups: 2 },
    { inputs: { x: [2, 4, 3, 3] }, initializers: { scale: floats(1, 2, 3, 4), bias: floats(0, 1, 0, -1) } },
  ),
  one(8, "MaxPool", { kernel_shape: [2, 2], auto_pad: "SAME_UPPER", storage_order: 0 }),
  one(22, "MaxPool", { kernel_shape: [3, 3], ceil_mode: 1, strides: [2, 2] }),
  one(7, "AveragePool", { kernel_shape: [2, 2], pads: [1, 1, 1, 1] }),
  one(
    7,
    "Gemm",
    { transB: 1, alpha: real(0.5) },
    { inputs: { x: [2, 3] }, initializers: { w: { ...floats(1, 2, 3, 4, 5, 6), shape: [2, 3] }, b: floats(1, 2) } },
  ),
  one(
    7,
    "InstanceNormalization",
    { epsilon: real(0.1) },
    { initializers: { scale: floats(1, 2, 3), bias: floats(0, 1, -1) } },
  ),
  one(
    17,
    "LayerNormalization",
    { axis: -1 },
    { initializers: { scale: floats(1, 2, 3, 4), bias: floats(0, 1, -1, 2) } },
  ),
  one(7, "PRelu", {}, { initializers: { slope: { ...floats(0.1, 0.2, 0.3), shape: [3, 1, 1] } } }),
  one(8, "Max", {}, { initializers: { other: floats(0.5) } }),
  one(13, "DepthToSpace", { blocksize: 2, mode: "CRD" }, { inputs: { x: [1, 8, 2, 3] } }),
  one(7, "GlobalMaxPool"),
];

describe("operators of other opsets", unless(pythonSkipReason("onnx")), () => {
  let files: Uint8Array[];
  beforeAll(() => {
    files = makeModels(CASES.map(([, model]) => model));
  });

  it.each(CASES.map(([name], i) => [name, i] as const))("%s", async (_, i) => {
    const [file, { inputs = { x: [2, 3, 4, 4] } }] = [files[i]!, CASES[i]![1]];
    const feeds = Object.fromEntries(
      Object.entries(inputs).map(([name, shape]) => [name, normal(shape as number[], i)]),
    );
    const wanted = await runFile(file, feeds);
    const { graph, weights } = decode(file);
    const ours = await runGraph(graph, weights, feeds);
    // what was made of it is a valid file of our opset too
    const again = await runFile(encode(graph, { weights }), feeds);
    for (const [name, value] of Object.entries(wanted)) {
      expect(graph.outputs.get(name)?.shape, `inferred shape of ${name}`).toEqual(value.shape);
      expect(difference(ours[name]!, value), name).toBeLessThan(TOLERANCE);
      expect(difference(again[name]!, value), `${name} of our file`).toBeLessThan(TOLERANCE);
    }
  });
});

describe("what cannot be said in our opset", unless(pythonSkipReason("onnx")), () => {
  const refused: readonly [string, PythonModel, string][] = [
    [...one(99, "Relu"), "written in opset 99; opsets 1 to 23 are understood"],
    [...one(17, "Hardmax"), 'Hardmax (node "node_0"): the operator is not supported; it is one of ONNX\'s own domain'],
    [...one(10, "Upsample", {}, { initializers: square }), "Upsample: is none of this opset"],
    [
      ...one(18, "Resize", { antialias: 1 }, { initializers: { "-roi": NONE, ...square } }),
      "Resize: antialias is not supported",
    ],
    [
      ...one(7, "BatchNormalization", { spatial: 0 }, { initializers: channels }),
      "statistics for each pixel (spatial = 0)",
    ],
    [
      ...one(19, "AveragePool", { kernel_shape: [2, 2], dilations: [2, 2] }),
      "AveragePool: dilations are not supported",
    ],
    [...one(14, "Reshape", { allowzero: 1 }, { initializers: { shape: ints(0, 4) } }), "sizes of 0 (allowzero)"],
  ];
  let files: Uint8Array[];
  beforeAll(() => {
    files = makeModels(refused.map(([, model]) => model));
  });

  it.each(refused.map(([name, , message], i) => [name, message, i] as const))("%s is refused: %s", (_, message, i) => {
    expect(() => decode(files[i]!)).toThrow(
      expect.objectContaining({ name: "OnnxError", message: expect.stringContaining(message) }),
    );
  });
});

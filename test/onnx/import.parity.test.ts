/** What decode makes of files of other programs. */
import { beforeAll, describe, expect, it } from "vitest";
import { decode, OnnxError } from "../../src/onnx/index.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { makeModels, type PythonModel, type PythonNode, type PythonTensor } from "./python-models.ts";
import { difference, normal, runFile, runGraph } from "./support.ts";

const ints = (...values: number[]): PythonTensor => ({ dtype: "int64", shape: [values.length], values });
const scalar = (value: number): PythonTensor => ({ dtype: "int64", shape: [], values: [value] });
const filled = (shape: readonly number[], value = 0.1): PythonTensor => ({
  dtype: "float",
  shape,
  values: new Array<number>(shape.reduce((a, b) => a * b, 1)).fill(value),
});
const node = (op: string, inputs: string, output: string, attributes: PythonNode["attributes"] = {}): PythonNode => ({
  op,
  inputs: inputs.split(" ").map((name) => (name === "-" ? "" : name)),
  outputs: [output],
  attributes,
});
const conv = node("Conv", "x conv.weight", "c", { kernel_shape: [1, 1] });
const kernel = { "conv.weight": filled([8, 3, 1, 1]) };

const MODELS = {
  /** x.view(x.size(0), -1), as PyTorch writes it. */
  view: {
    opset: 11,
    inputs: { x: ["batch", 3, 2, 2] },
    nodes: [
      conv,
      node("Shape", "c", "s"),
      node("Gather", "s zero", "n", { axis: 0 }),
      node("Unsqueeze", "n", "n1", { axes: [0] }),
      node("Concat", "n1 open", "target", { axis: 0 }),
      node("Reshape", "c target", "flat"),
      node("Gemm", "flat fc.weight fc.bias", "y", { transB: 1 }),
    ],
    initializers: {
      ...kernel,
      zero: scalar(0),
      open: ints(-1),
      "fc.weight": filled([5, 32]),
      "fc.bias": filled([5]),
    },
  },
  /** A channel shuffle with every size read from the tensor. */
  shuffle: {
    opset: 13,
    inputs: { x: ["batch", 3, 2, 4] },
    nodes: [
      conv,
      node("Shape", "c", "s"),
      ...["n", "k", "h", "w"].map((name, i) => node("Gather", `s i${i}`, name)),
      node("Div", "k two", "half"),
      node("Cast", "half", "half1", { to: 7 }),
      ...["n", "half1", "h", "w"].map((name) => node("Unsqueeze", `${name} axis`, `${name}_1`)),
      node("Concat", "n_1 groups half1_1 h_1 w_1", "apart", { axis: 0 }),
      node("Reshape", "c apart", "five"),
      node("Transpose", "five", "turned", { perm: [0, 2, 1, 3, 4] }),
      node("Concat", "n_1 open h_1 w_1", "back", { axis: 0 }),
      node("Reshape", "turned back", "y"),
    ],
    initializers: {
      ...kernel,
      ...Object.fromEntries([0, 1, 2, 3].map((i) => [`i${i}`, scalar(i)])),
      two: scalar(2),
      axis: ints(0),
      groups: ints(2),
      open: ints(-1),
    },
  },
  /** tensor.expand with sizes from the tensor: ConstantOfShape, Mul, Equal and Where. */
  expand: {
    opset: 13,
    inputs: { x: ["batch", 3, 2, 4] },
    nodes: [
      conv,
      node("ReduceMean", "c", "m", { axes: [2, 3] }),
      node("Shape", "c", "s"),
      node("Slice", "s zero two", "n8"),
      node("Concat", "n8 h w", "sizes", { axis: 0 }),
      node("ConstantOfShape", "four", "zeros"),
      node("Cast", "zeros", "zeros_int", { to: 7 }),
      node("Add", "zeros_int one", "ones"),
      node("Mul", "ones minus", "minuses"),
      node("Equal", "sizes minuses", "open"),
      node("Where", "open ones sizes", "target"),
      node("Expand", "m target", "wide"),
      node("Sub", "c wide", "y"),
    ],
    initializers: {
      ...kernel,
      zero: ints(0),
      two: ints(2),
      h: ints(2),
      w: ints(4),
      four: ints(4),
      one: scalar(1),
      minus: scalar(-1),
    },
  },
  /** Upsampling to twice the size that the tensor has when it runs. */
  upsample: {
    opset: 13,
    inputs: { x: ["batch", 3, 3, 4] },
    nodes: [
      node("Shape", "x", "s"),
      node("Slice", "s zero two", "kept"),
      node("Slice", "s two four", "pixels"),
      node("Cast", "pixels", "real", { to: 1 }),
      node("Mul", "real factor", "scaled"),
      node("Floor", "scaled", "floored"),
      node("Cast", "floored", "whole", { to: 7 }),
      node("Concat", "kept whole", "sizes", { axis: 0 }),
      node("Resize", "x - - sizes", "y", { mode: "linear" }),
    ],
    initializers: { zero: ints(0), two: ints(2), four: ints(4), factor: filled([1], 2.5) },
  },
  /** The batch size 2 is in the file, and in the target of a Reshape. */
  fixed: {
    opset: 13,
    inputs: { x: [2, 3, 2, 2] },
    nodes: [
      conv,
      node("Reshape", "c target", "flat"),
      node("MatMul", "flat fc.weight", "z"),
      node("Add", "z fc.bias", "y"),
    ],
    initializers: { ...kernel, target: ints(2, 32), "fc.weight": filled([32, 5]), "fc.bias": filled([5]) },
  },
  /** The images of a batch are joined: the size cannot be anything else. */
  joined: {
    opset: 13,
    inputs: { x: [2, 3, 2, 2] },
    nodes: [node("Reshape", "x target", "flat"), node("MatMul", "flat fc.weight", "y")],
    initializers: { target: ints(1, 24), "fc.weight": filled([24, 5]) },
  },
  /** Preprocessing, a layer, a bias apart, a gain, limits, and an operand that is one number. */
  kinds: {
    opset: 13,
    inputs: { x: [1, 3, 2, 2] },
    nodes: [
      node("Sub", "x mean", "x1"),
      node("Mul", "x1 factors", "x2"),
      { ...conv, inputs: ["x2", "conv.weight"] },
      node("Add", "c conv_bias", "c1"),
      node("Mul", "c1 gain", "c2"),
      node("Mul", "c2 half", "c3"),
      node("Clip", "c3 low high", "c4"),
      node("Transpose", "turned", "kernel", { perm: [1, 0, 2, 3] }),
      node("Conv", "c4 kernel", "y"),
    ],
    initializers: {
      ...kernel,
      mean: filled([1, 3, 1, 1]),
      factors: filled([1, 3, 1, 1]),
      conv_bias: filled([8, 1, 1]),
      gain: filled([8, 1, 1]),
      half: filled([], 0.5),
      low: filled([], 0),
      high: filled([], 6),
      turned: filled([8, 2, 1, 1]),
      idle: filled([4]),
    },
  },
  /** Equal weights are stored once by PyTorch, and handed on. */
  shared: {
    opset: 14,
    inputs: { x: [1, 3, 2, 2] },
    nodes: [
      node("Identity", "a.weight", "b.weight"),
      node("Identity", "b.weight", "c.weight"),
      node("Conv", "x a.weight", "1"),
      node("Conv", "1 b.weight", "2"),
      node("Conv", "2 c.weight", "y"),
    ],
    initializers: { "a.weight": filled([3, 3, 1, 1]) },
  },
  /** Numbers in the field of their type, and as bytes. */
  fields: {
    opset: 13,
    inputs: { x: [1] },
    nodes: [node("Identity", "x", "y")],
    outputs: [
      "y",
      "float",
      "double",
      "int32",
      "int8",
      "uint8",
      "int16",
      "uint16",
      "bool",
      "float16",
      "uint32",
      "uint64",
      "int64",
      "raw",
    ],
    initializers: {
      float: { dtype: "float", shape: [2], values: [0.1, -1e30] },
      double: { dtype: "double", shape: [1, 2], values: [0.1, -1e300] },
      int32: { dtype: "int32", shape: [2], values: [-5, 2 ** 31 - 1] },
      int8: { dtype: "int8", shape: [2], values: [-128, 127] },
      uint8: { dtype: "uint8", shape: [2], values: [0, 255] },
      int16: { dtype: "int16", shape: [2], values: [-32768, 5] },
      uint16: { dtype: "uint16", shape: [1], values: [65535] },
      bool: { dtype: "bool", shape: [3], values: [1, 0, 1] },
      float16: { dtype: "float16", shape: [4], values: [1, -2, 0.1, 65504] },
      uint32: { dtype: "uint32", shape: [1], values: [2 ** 32 - 1] },
      uint64: { dtype: "uint64", shape: [2], values: [0, 2 ** 53] },
      int64: { dtype: "int64", shape: [2], values: [-(2 ** 53), 7] },
      raw: { dtype: "float", shape: [3], values: [1, 2, 3], raw: true },
    },
  },
} as const satisfies Record<string, PythonModel>;

type Name = keyof typeof MODELS;

describe("decode", unless(pythonSkipReason("onnx")), () => {
  const files = {} as Record<Name, Uint8Array>;
  beforeAll(() => {
    const names = Object.keys(MODELS) as Name[];
    makeModels(Object.values(MODELS)).forEach((file, i) => {
      files[names[i]!] = file;
    });
  });
  const opsOf = (name: Name, options = {}) => decode(files[name], options).graph.nodes.map(({ op }) => op);

  it.each<[Name, string[]]>([
    ["view", ["Conv", "Reshape", "Gemm"]],
    ["shuffle", ["Conv", "Reshape", "Transpose", "Reshape"]],
    ["expand", ["Conv", "ReduceMean", "Expand", "Sub"]],
  ])("does the arithmetic of shapes of %s beforehand", (name, ops) => {
    expect(opsOf(name)).toEqual(ops);
    expect(opsOf(name, { fold: false })).toHaveLength(MODELS[name].nodes.length);
  });

  it("keeps nodes for sizes that only the run knows", () => {
    expect(opsOf("upsample")).toContain("Concat");
    expect(decode(files.upsample).graph.outputs.get("y")?.shape).toEqual(["batch", 3, 7, 10]);
  });

  it.each(["view", "shuffle", "expand", "upsample"] as const)("gives the numbers of %s at any batch", async (name) => {
    for (const fold of [true, false]) {
      const { graph, weights } = decode(files[name], { fold, batch: "N" });
      for (const batch of [1, 3]) {
        const x = normal([batch, ...MODELS[name].inputs.x.slice(1)] as number[]);
        const [wanted, ours] = [await runFile(files[name], { x }), await runGraph(graph, weights, { x })];
        expect(graph.outputs.get("y")?.shape.slice(1)).toEqual(wanted.y!.shape.slice(1));
        expect(difference(ours.y!, wanted.y!)).toBeLessThan(1e-6);
      }
    }
  });

  it("frees a batch that the exporter fixed", async () => {
    const { graph, weights } = decode(files.fixed, { batch: "N" });
    expect(graph.inputs[0]!.shape).toEqual(["N", 3, 2, 2]);
    expect(graph.outputs.get("y")?.shape).toEqual(["N", 5]);
    const x = normal([2, 3, 2, 2]);
    const whole = (await runGraph(graph, weights, { x })).y!;
    expect(difference(whole, (await runFile(files.fixed, { x })).y!)).toBeLessThan(1e-6);
    const image = { ...x, shape: [1, 3, 2, 2], data: x.data.slice(12) };
    const second = (await runGraph(graph, weights, { x: image })).y!;
    expect(difference(second, { ...whole, shape: [1, 5], data: whole.data.slice(5) } as typeof whole)).toBeLessThan(
      1e-6,
    );
    // as it is in the file where nothing else is asked for
    expect(decode(files.fixed).graph.outputs.get("y")?.shape).toEqual([2, 5]);
  });

  it("says where a batch cannot be freed", () => {
    expect(() => decode(files.joined, { batch: "N" })).toThrow("the batch size 2 is part of the model");
  });

  it("takes other shapes of inputs", () => {
    const { graph } = decode(files.expand, { inputs: { x: ["batch", 3, 2, 4] } });
    expect(graph.outputs.get("y")?.shape).toEqual(["batch", 8, 2, 4]);
    expect(() => decode(files.view, { inputs: { x: [1, 4, 2, 2] } })).toThrow(
      "Conv: the input [1, 4, 2, 2] has 4 channels",
    );
  });

  it("tells parameters from constants", () => {
    const { graph, weights } = decode(files.kinds, { fold: false });
    expect(graph.parameters.map(({ name }) => name)).toEqual(["conv.weight", "conv_bias", "gain", "turned"]);
    expect([...weights.keys()]).toEqual(["conv.weight", "conv_bias", "gain", "turned"]);
    const constants = [...graph.constants.keys()].map(({ name }) => name);
    expect(constants).toEqual(["mean", "factors", "half", "low", "high", "idle"]);
    expect([...decode(files.kinds).graph.constants.keys()].map(({ name }) => name)).not.toContain("idle");
  });

  it("gives weights that were stored once their names back", () => {
    const { graph, weights } = decode(files.shared, { fold: false });
    expect([...weights.keys()]).toEqual(["a.weight", "b.weight", "c.weight"]);
    expect(graph.nodes.map(({ op, inputs }) => [op, inputs[1]?.name])).toEqual([
      ["Conv", "a.weight"],
      ["Conv", "b.weight"],
      ["Conv", "c.weight"],
    ]);
  });

  it("reads numbers of every type, in their field or as bytes", () => {
    const { graph } = decode(files.fields, { fold: false });
    const numbers = (name: string) => Array.from(graph.constants.get(graph.outputs.get(name)!)!.data, Number);
    for (const [name, { values }] of Object.entries(MODELS.fields.initializers)) {
      if (name === "float16") expect(numbers(name)).toEqual([0x3c00, 0xc000, 0x2e66, 0x7bff]);
      else if (name === "float") expect(numbers(name)).toEqual([...values].map(Math.fround));
      else expect(numbers(name), name).toEqual([...values]);
    }
  });
});

describe("decode refuses what onnx can make", unless(pythonSkipReason("onnx")), () => {
  const relu = node("Relu", "x", "y");
  const cases: readonly [string, PythonModel][] = [
    [
      'Conv (node "node_0") reads "w", which nothing before it computes',
      { opset: 13, nodes: [node("Conv", "x w", "y")] },
    ],
    ['the value "y" is computed twice', { opset: 13, nodes: [relu, node("Relu", "x", "y")] }],
    ['the value "x" is computed twice', { opset: 13, nodes: [node("Relu", "x", "x")], outputs: ["x"] }],
    [
      'reads "z", which nothing before it computes',
      { opset: 13, nodes: [node("Relu", "z", "y"), node("Relu", "y", "z")] },
    ],
    ['the output "z" is not computed', { opset: 13, nodes: [relu], outputs: ["z"] }],
    ["the graph has no output", { opset: 13, nodes: [relu], outputs: [] }],
    [
      'Relu (node "node_0"): the operator is not supported; it is of the domain "org.else"',
      { opset: 13, nodes: [{ ...relu, domain: "org.else" }] },
    ],
    [
      "a 3×3 window does not fit into 2×2 pixels",
      { opset: 13, inputs: { x: [1, 1, 2, 2] }, nodes: [node("MaxPool", "x", "y", { kernel_shape: [3, 3] })] },
    ],
    [
      'MaxPool (node "node_0"): MaxPool: needs a list of whole numbers as attribute "kernel_shape"',
      { opset: 13, nodes: [node("MaxPool", "x", "y")] },
    ],
    [
      "the height and width of images have to be known, but one is h",
      { opset: 13, inputs: { x: [1, 3, "h", "w"] }, nodes: [conv], initializers: kernel, outputs: ["c"] },
    ],
  ];

  let files: Uint8Array[];
  beforeAll(() => {
    files = makeModels(cases.map(([, model]) => model));
  });

  it.each(cases.map(([message], i) => [message, i] as const))("%s", (message, i) => {
    let error: unknown;
    try {
      decode(files[i]!);
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(OnnxError);
    expect((error as Error).message).toContain(message);
  });
});

describe("decode refuses", () => {
  it.each<[string, Uint8Array, string]>([
    ["nothing", new Uint8Array(), "it holds no graph"],
    ["text", new TextEncoder().encode("this is a text, which is no model"), "this is no ONNX file"],
    ["a picture", Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a), "this is no ONNX file"],
  ])("%s", (_, bytes, message) => {
    expect(() => decode(bytes)).toThrow(
      expect.objectContaining({ name: "OnnxError", message: expect.stringContaining(message) }),
    );
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Float, Graph, type Shape, type TensorData, tensor, uniqueNames, type Value } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { trace } from "../../src/nn/index.ts";
import { decode, encode } from "../../src/onnx/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { lower } from "../../src/passes/index.ts";
import { Random } from "../../src/random.ts";
import { trainingGraphs } from "../../src/train/training-graph.ts";

/** A graph as data that can be compared: values by name and type. */
function described(graph: Graph) {
  const names = uniqueNames(graph);
  const value = (v: Value | undefined) => v && `${names.get(v)}: ${v.dtype}[${v.shape}]`;
  return {
    name: graph.name,
    inputs: graph.inputs.map(value),
    parameters: graph.parameters.map(value),
    constants: [...graph.constants].map(([v, data]) => [value(v), data]),
    nodes: graph.nodes.map(({ inputs, outputs, ...node }) => ({
      ...node,
      inputs: inputs.map(value),
      outputs: outputs.map(value),
    })),
    outputs: [...graph.outputs].map(([name, v]) => [name, value(v)]),
  };
}

type Weights = Map<string, TensorData>;

/** Demands that bytes → graph → bytes gives the same bytes, and that the graph is the one they were made of. */
function checkRoundTrip(graph: Graph, weights: Weights = new Map(), metadata: Record<string, string> = {}) {
  const bytes = encode(graph, { weights, metadata });
  const model = decode(bytes, { fold: false });
  expect(Buffer.compare(encode(model.graph, { weights: model.weights, metadata: model.metadata }), bytes)).toBe(0);
  expect(model.metadata).toEqual(metadata);
  expect(model.opset).toBe(17);
  return model;
}

/** Random operators over random values, weights, constants, scopes and names. */
function randomGraph(seed: number): { graph: Graph; weights: Weights } {
  const random = new Random(seed);
  const graph = new Graph(`graph ${seed}`);
  const ops = new Ops(graph);
  const weights: Weights = new Map();
  const pick = <T>(items: readonly T[]): T => items[random.integer(items.length)]!;
  const size = () => 1 + random.integer(4);
  const values: Value[] = [graph.input("x", "float32", [pick(["N", "2*batch", 3] as const), 2, size(), size()])];
  const parameter = (name: string, shape: readonly number[], with_ = true) => {
    const count = shape.reduce((a, b) => a * b, 1);
    if (with_)
      weights.set(
        name,
        tensor(
          "float32",
          shape,
          Float32Array.from({ length: count }, () => random.normal()),
        ),
      );
    return graph.parameter(name, "float32", shape);
  };
  const steps: ((x: Value, i: number) => readonly Value[])[] = [
    (x) => [ops.relu(x)],
    (x) => [ops.one("LeakyRelu", [x], { alpha: new Float(random.uniform()) })],
    (x) => [ops.add(x, ops.scalar(random.normal()))],
    (x) => [ops.concat([x, x], x.shape.length - 1)],
    (x) => [ops.one("Clip", [x, undefined, ops.scalar(1)])],
    (x) => [ops.one("Softmax", [x], { axis: -1 })],
    (x) => [ops.one("ReduceMean", [x], { axes: [x.shape.length - 1], keepdims: 1 })],
    (x) => [ops.reduceSum(x, [-1])],
    (x) => [ops.cast(ops.cast(x, "float64"), "float32")],
    (x) => [ops.one("Pad", [x, ops.ints([0, 0, 0, 0, 0, 0, 0, 1]), ops.scalar(-1)], { mode: "constant" })],
    (x) => ops.emit("Split", [ops.concat([x, x], 1), ops.ints([1, 3])], { axis: 1 }),
    (x, i) => [ops.mul(x, parameter(`weight.${i}`, [1], random.integer(3) > 0))],
    (x) => [ops.matmulT(x, x, { transB: true })],
    (x, i) => [
      ops.one("Conv", [x, parameter(`conv${i}.weight`, [2, 2, 1, 1]), parameter(`conv${i}.bias`, [2])], {
        kernel_shape: [1, 1],
        auto_pad: "NOTSET",
        pads: [0, 0, 0, 0],
      }),
    ],
  ];
  for (let i = 0; i < 12; i++) {
    ops.scope = pick(["", "a", "a.b", "backward/a.b", "update"]);
    const images = values.filter(({ shape }) => shape.length === 4 && shape[1] === 2);
    values.push(...pick(steps)(pick(images), i));
  }
  parameter("unused", [2, 3]);
  graph.output("y", values.at(-1)!);
  graph.output("twice", values.at(-1)!);
  graph.output("given", values[0]!);
  graph.output("leaf", graph.parameters.at(-1)!);
  return { graph, weights };
}

describe("encode and decode", () => {
  it("are one to one for random graphs", () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const { graph, weights } = randomGraph(seed);
        checkRoundTrip(graph, weights, { seed: String(seed), ключ: "ünicode\n" });
      }),
      { numRuns: 100, seed: 1 },
    );
  });

  it("keep everything that a graph says", () => {
    const { graph, weights } = randomGraph(5);
    const model = checkRoundTrip(graph, weights);
    const [before, after] = [described(graph), described(model.graph)];
    // parameters without numbers are inputs in a file; outputs that are others' values get a node that names them
    const fed = graph.parameters.filter(({ name }) => !weights.has(name)).length;
    expect(after.inputs).toEqual([
      ...before.inputs,
      ...before.parameters.filter((text) => !weights.has(text!.split(":")[0]!)),
    ]);
    expect(after.parameters).toHaveLength(before.parameters.length - fed);
    expect(after.constants).toEqual(before.constants);
    expect(after.nodes.slice(0, before.nodes.length)).toEqual(before.nodes);
    expect(model.weights).toEqual(weights);
  });

  it.each<[string, Shape]>([
    ["nin", ["N", 3, 32, 32]],
    ["googlenet", ["N", 3, 224, 224]],
    ["inception_small", [4, 3, 32, 32]],
  ])("keep the graph of %s, folded or not", (name, input) => {
    const { graph } = trace(createModel(name, { numClasses: 5 }), input);
    const model = checkRoundTrip(graph);
    expect(model.graph.nodes.map(({ scope }) => scope)).toEqual(graph.nodes.map(({ scope }) => scope));
    // there is nothing to fold in our own graphs
    const folded = decode(encode(graph)).graph;
    expect(folded.nodes.map(({ op }) => op)).toEqual(graph.nodes.map(({ op }) => op));
  });

  it.each(["cpu", "webgpu"] as const)("keep a training step as it is spelled for %s", (target) => {
    const { step } = trainingGraphs(createModel("inception_small"), {
      input: ["N", 3, 32, 32],
      optimizer: sgd({ momentum: 0.9 }),
      engine: { target },
    });
    checkRoundTrip(step);
    checkRoundTrip(lower(step, target));
  });

  it("keep every kind of attribute and every type of number", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", ["N", 4]);
    const attributes = {
      epsilon: new Float(1),
      axis: 1,
      big: 2 ** 40,
      negative: -3,
      empty: [],
      axes: [0, -1],
      scales: Float32Array.of(0.1, 2),
      mode: "naïve",
      names: ["a", "b"],
      value: tensor("int64", [2], BigInt64Array.of(-1n, 2n ** 62n)),
    };
    graph.add({ op: "Relu", inputs: [x], attributes, scope: "s" }, [x]);
    const types = [
      tensor("float64", [1], Float64Array.of(0.1)),
      tensor("float16", [1], Uint16Array.of(0x3c00)),
      tensor("bfloat16", [], Uint16Array.of(0x3f80)),
      tensor("int8", [2], Int8Array.of(-1, 2)),
      tensor("uint8", [1, 1], Uint8Array.of(255)),
      tensor("bool", [2], Uint8Array.of(0, 1)),
      tensor("int32", [0], Int32Array.of()),
      tensor("uint64", [1], BigUint64Array.of(2n ** 64n - 1n)),
      tensor("uint32", [1], Uint32Array.of(2 ** 32 - 1)),
      tensor("int16", [1], Int16Array.of(-2)),
      tensor("uint16", [1], Uint16Array.of(65535)),
    ];
    for (const data of types) graph.constant(data, `of ${data.dtype}`);
    graph.output("y", graph.nodes[0]!.outputs[0]!);
    const { graph: decoded } = checkRoundTrip(graph);
    expect(decoded.nodes[0]!.attributes).toEqual(attributes);
    expect([...decoded.constants.values()]).toEqual(types);
  });
});

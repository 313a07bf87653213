import { describe, expect, it } from "vitest";
import { Float, Graph, tensor, type Value } from "../../src/graph/index.ts";
import { createModel, MODELS, type ModelName } from "../../src/models/index.ts";
import { trace } from "../../src/nn/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { imagesApart } from "../../src/passes/index.ts";

/** What is found about a graph that computes y from images [N, 2, 4, 6]. */
function of(build: (g: Ops, x: Value) => Value | undefined) {
  const graph = new Graph("apart");
  const g = new Ops(graph);
  graph.output("y", build(g, graph.input("x", "float32", ["N", 2, 4, 6]))!);
  return imagesApart(graph);
}

it.each(Object.keys(MODELS) as ModelName[])("finds that %s computes images apart", (name) => {
  const { inChannels, inputSize } = MODELS[name];
  const { graph } = trace(createModel(name).eval(), ["N", inChannels, inputSize, inputSize]);
  expect(imagesApart(graph)?.batch).toBe("N");
});

describe("images are apart", () => {
  it.each<[string, (g: Ops, x: Value) => Value | undefined]>([
    ["where a number of all is added", (g, x) => g.add(x, g.scalar(1))],
    ["in a sum over their pixels", (g, x) => g.one("ReduceSum", [x, g.ints([1, 2, 3])], { keepdims: 0 })],
    ["when joined along their channels", (g, x) => g.concat([x, g.neg(x)], 1)],
    ["when flattened", (g, x) => g.one("Flatten", [x], { axis: 1 })],
    ["in a product of their own rows", (g, x) => g.one("MatMul", [g.one("Flatten", [x], { axis: 1 }), matrix(g, 48)])],
    ["in a part of their rows", (g, x) => g.slice(x, [[2, 1, 3]])],
    ["with softmax over their channels", (g, x) => g.one("Softmax", [x], { axis: 1 })],
  ])("%s", (_, build) => {
    expect(of(build)?.batch).toBe("N");
  });
});

const matrix = (g: Ops, rows: number) =>
  g.graph.constant(tensor("float32", [rows, 3], new Float32Array(rows * 3).fill(0.5)));

describe("images are not apart", () => {
  it.each<[string, (g: Ops, x: Value) => Value | undefined]>([
    ["in a softmax over the batch", (g, x) => g.one("Softmax", [x], { axis: 0 })],
    ["when the mean of the batch is taken off", (g, x) => g.sub(x, g.one("ReduceMean", [x], { axes: [0] }))],
    ["in a sum over the batch", (g, x) => g.one("ReduceSum", [x, g.ints([0])], { keepdims: 1 })],
    ["when they move up by one", (g, x) => g.pad(x, [-1, 0, 0, 0, 1, 0, 0, 0])],
    ["when the batch is no longer first", (g, x) => g.one("Transpose", [x], { perm: [1, 0, 2, 3] })],
    ["when pixels are in front of them", (g, x) => g.one("Reshape", [x, g.ints([-1, 6])])],
    [
      "in products of images with images",
      (g, x) => {
        const rows = g.one("Flatten", [x], { axis: 1 });
        return g.one("MatMul", [g.one("MatMul", [rows, g.one("Transpose", [rows], { perm: [1, 0] })]), rows]);
      },
    ],
    [
      "in statistics of the batch",
      (g, x) => {
        const ones = g.graph.constant(tensor("float32", [2], new Float32Array(2).fill(1)));
        const options = { training_mode: 1, momentum: new Float(0.9), epsilon: new Float(1e-5) };
        return g.emit("BatchNormalization", [x, ones, ones, ones, ones], options)[0];
      },
    ],
    ["if an output has nothing to do with them", (g) => g.scalar(1)],
    ["if a tensor has a size for each", (g, x) => g.add(x, g.graph.parameter("each", "float32", [3, 2, 4, 6]))],
  ])("%s", (_, build) => {
    expect(of(build)).toBe(undefined);
  });

  it("if an operator is not known to keep them apart", () => {
    expect(of((g, x) => g.one("Einsum", [x], { equation: "nchw->nchw" }))).toBe(undefined);
  });

  it("if their height and width are not known", () => {
    const graph = new Graph("sizes");
    graph.output("y", new Ops(graph).relu(graph.input("x", "float32", ["N", 3, "H", "W"])));
    expect(imagesApart(graph)).toBe(undefined);
  });
});

it("counts the bytes of one image that are needed at the same time", () => {
  // 48 numbers each: a, and what is made from it one after the other, until both are added
  expect(of((g, x) => g.relu(g.neg(x)))?.bytes).toBe(2 * 48 * 4);
  const branches = (g: Ops, x: Value) => {
    const a = g.neg(x);
    return g.add(g.exp(g.exp(a)), a);
  };
  expect(of(branches)?.bytes).toBe(3 * 48 * 4);
});

import { describe, expect, it } from "vitest";
import { attribute, Float, Graph, printGraph, tensor, uniqueNames } from "../../src/graph/index.ts";

const vector = { dtype: "float32", shape: [2] } as const;

/** y = relu(x·w), twice over, with equal names inside. */
function example() {
  const graph = new Graph("example");
  const x = graph.input("x", "float32", ["N", 2]);
  const w = graph.parameter("w", "float32", [2, 2]);
  const [product] = graph.add({ op: "MatMul", inputs: [x, w], scope: "a" }, [
    { dtype: "float32", shape: ["N", 2] },
  ]).outputs;
  const [again] = graph.add({ op: "MatMul", inputs: [product, w], scope: "a" }, [
    { dtype: "float32", shape: ["N", 2] },
  ]).outputs;
  graph.output("y", again!);
  return { graph, x, w, product: product!, again: again! };
}

describe("a graph", () => {
  it("knows what computes a value", () => {
    const { graph, x, w, product, again } = example();
    expect(graph.producer(product)).toBe(graph.nodes[0]);
    expect(graph.producer(again)).toBe(graph.nodes[1]);
    expect([graph.producer(x), graph.producer(w)]).toEqual([undefined, undefined]);
  });

  it("does not change when its copy does", () => {
    const { graph, x } = example();
    const copy = graph.copy();
    copy.add({ op: "Relu", inputs: [x] }, [vector]);
    copy.output("z", x);
    copy.input("x2", "float32", [1]);
    expect([graph.nodes.length, graph.outputs.size, graph.inputs.length]).toEqual([2, 1, 1]);
    expect([copy.nodes.length, copy.outputs.size, copy.inputs.length]).toEqual([3, 2, 2]);
    expect(copy.producer(graph.outputs.get("y")!)).toBe(graph.nodes[1]);
  });

  it("has unique names of inputs and parameters, and of outputs", () => {
    const { graph, x } = example();
    expect(() => graph.input("w", "float32", [1])).toThrow('there is already an input or parameter "w"');
    expect(() => graph.parameter("x", "float32", [1])).toThrow('there is already an input or parameter "x"');
    expect(() => graph.output("y", x)).toThrow('there is already an output "y"');
  });

  it("gives every value a unique name, and keeps those of inputs, parameters and outputs", () => {
    const { graph, x, w, product, again } = example();
    const taken = graph.constant(tensor("float32", [], Float32Array.of(1)), "y");
    const names = uniqueNames(graph);
    expect([x, w, again].map((value) => names.get(value))).toEqual(["x", "w", "y"]);
    expect(new Set(names.values()).size).toBe(names.size);
    expect(names.get(product)).toBe("a/MatMul");
    expect(names.get(taken)).not.toBe("y");
  });

  it("is printed, one line per node", () => {
    const { graph, again } = example();
    graph.constant(tensor("float32", [9], new Float32Array(9)), "c");
    const attributes = { axis: 1, alpha: new Float(0.5), mode: "constant", pads: [0, 1] };
    graph.add({ op: "Odd", domain: "com.microsoft", inputs: [again, undefined], attributes }, [vector]);
    expect(printGraph(graph)).toBe(
      [
        "graph example(x: float32[N, 2])",
        "  parameter w: float32[2, 2]",
        "  constant c: float32[9] = [0, 0, 0, 0, 0, 0, 0, 0, …]",
        "  a/MatMul: float32[N, 2] = MatMul(x, w)",
        "  y: float32[N, 2] = MatMul(a/MatMul, w)",
        '  Odd: float32[2] = com.microsoft.Odd(y, -, axis=1, alpha=0.5, mode="constant", pads=[0, 1])',
        "  return y=y",
      ].join("\n"),
    );
  });
});

describe("attributes", () => {
  const node = { op: "Conv", attributes: { group: 2, pads: [1, 2], alpha: new Float(0.5), mode: "same" } };

  it("are read by type, with a default when they are left out", () => {
    expect(attribute.int(node, "group")).toBe(2);
    expect(attribute.int(node, "axis", -1)).toBe(-1);
    expect(attribute.ints(node, "pads")).toEqual([1, 2]);
    expect(attribute.ints(node, "axes", [3])).toEqual([3]);
    expect(attribute.float(node, "alpha")).toBe(0.5);
    expect(attribute.float(node, "beta", 0.75)).toBe(0.75);
    expect(attribute.string(node, "mode")).toBe("same");
    expect(attribute.string(node, "auto_pad", "NOTSET")).toBe("NOTSET");
  });

  it("of another type, or missing, are named with the operator", () => {
    expect(() => attribute.int(node, "axis")).toThrow('Conv: needs a whole number as attribute "axis"');
    expect(() => attribute.int(node, "alpha")).toThrow('needs a whole number as attribute "alpha"');
    expect(() => attribute.ints(node, "group")).toThrow('needs a list of whole numbers as attribute "group"');
    expect(() => attribute.float(node, "group", 1)).toThrow('needs a real number as attribute "group"');
    expect(() => attribute.string(node, "pads")).toThrow('needs a string as attribute "pads"');
  });
});

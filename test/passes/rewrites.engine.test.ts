import fc from "fast-check";
import * as ort from "onnxruntime-node";
import { describe, expect, it } from "vitest";
import { Float, Graph, printGraph, tensor, type Value } from "../../src/graph/index.ts";
import { encode } from "../../src/onnx/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { logSoftmax, lower, prune, rewrite, simplify } from "../../src/passes/index.ts";
import { SEED } from "../support/family.ts";

const opsOf = (graph: Graph) => graph.nodes.map(({ op }) => op);

/** Runs a graph as it is, past the engine, which would simplify it. */
async function runRaw(graph: Graph, x: Float32Array): Promise<Float32Array[]> {
  const session = await ort.InferenceSession.create(encode(graph), { graphOptimizationLevel: "disabled" });
  const results = await session.run({ x: new ort.Tensor("float32", x, [x.length]) });
  await session.release();
  return [...graph.outputs.keys()].map((name) => results[name]!.data as Float32Array);
}

describe("logSoftmax", () => {
  const build = (axis: number) => {
    const graph = new Graph();
    const ops = new Ops(graph);
    const x = graph.input("x", "float32", ["N", 5, 1, 1]);
    const softmax = ops.one("Softmax", [x], { axis });
    return { graph, ops, softmax, log: ops.log(softmax) };
  };

  it("turns log(softmax(x)) into one operator over the same axis", () => {
    const { graph, log } = build(1);
    graph.output("y", log);
    const stable = logSoftmax(graph);
    expect(opsOf(stable)).toEqual(["LogSoftmax"]);
    expect(stable.nodes[0]!.attributes).toEqual({ axis: 1 });
    expect(stable.outputs.get("y")!.shape).toEqual(["N", 5, 1, 1]);
    expect(opsOf(graph)).toEqual(["Softmax", "Log"]);
  });

  it("keeps the probabilities where they are wanted as well", () => {
    const { graph, softmax, log } = build(1);
    graph.output("p", softmax);
    graph.output("y", log);
    expect(opsOf(logSoftmax(graph)).sort()).toEqual(["LogSoftmax", "Softmax"]);
  });

  it("leaves other logarithms and softmaxes alone", () => {
    const { graph, ops, softmax } = build(1);
    graph.output("a", ops.log(ops.exp(softmax)));
    graph.output("b", ops.exp(softmax));
    expect(opsOf(logSoftmax(graph)).sort()).toEqual(["Exp", "Exp", "Log", "Softmax"]);
  });
});

describe("simplify", () => {
  const build = () => {
    const graph = new Graph();
    return { graph, ops: new Ops(graph), x: graph.input("x", "float32", ["N", 2, 8, 8]) };
  };

  it("merges equal computations, through what lies below them", () => {
    const { graph, ops, x } = build();
    const once = () => ops.exp(ops.mul(x, ops.scalar(2)));
    graph.output("y", ops.add(once(), once()));
    const simple = simplify(graph);
    expect(opsOf(simple)).toEqual(["Mul", "Exp", "Add"]);
    expect(simple.constants.size).toBe(1);
  });

  it("tells attributes, inputs and their order apart", () => {
    const { graph, ops, x } = build();
    graph.output("a", ops.one("Softmax", [x], { axis: 1 }));
    graph.output("b", ops.one("Softmax", [x], { axis: 2 }));
    graph.output("c", ops.one("LeakyRelu", [x], { alpha: new Float(0.1) }));
    graph.output("d", ops.one("LeakyRelu", [x], { alpha: new Float(0.2) }));
    graph.output("e", ops.sub(x, ops.scalar(1)));
    graph.output("f", ops.sub(ops.scalar(1), x));
    expect(simplify(graph).nodes).toHaveLength(6);
  });

  it("tells infinite attributes apart", () => {
    const { graph, ops, x } = build();
    graph.output("a", ops.one("LeakyRelu", [x], { alpha: new Float(Number.POSITIVE_INFINITY) }));
    graph.output("b", ops.one("LeakyRelu", [x], { alpha: new Float(Number.NEGATIVE_INFINITY) }));
    expect(simplify(graph).nodes).toHaveLength(2);
  });

  it("compares tensors among the attributes by content", () => {
    const { graph, ops } = build();
    const constant = (value: bigint) =>
      ops.one("Constant", [], { value: tensor("int64", [1], BigInt64Array.of(value)) });
    graph.output("a", constant(1n));
    graph.output("b", constant(1n));
    graph.output("c", constant(2n));
    expect(simplify(graph).nodes).toHaveLength(2);
  });

  it("lets a MaxPool with winners stand for one without, whichever comes first", () => {
    const { graph, ops, x } = build();
    const window = { kernel_shape: [2, 2], strides: [2, 2] };
    const plain = ops.one("MaxPool", [x], window);
    const [values, winners] = ops.emit("MaxPool", [x], window);
    graph.output("plain", plain);
    graph.output("values", values!);
    graph.output("winners", winners!);
    graph.output("other", ops.one("MaxPool", [x], { ...window, strides: [1, 1] }));
    const simple = simplify(graph);
    expect(opsOf(simple)).toEqual(["MaxPool", "MaxPool"]);
    expect(simple.outputs.get("plain")).toBe(simple.outputs.get("values"));
    expect(simple.outputs.get("winners")!.dtype).toBe("int64");
  });

  it("drops what does nothing, and keeps the names of outputs", () => {
    const { graph, ops, x } = build();
    graph.output("y", ops.one("Identity", [ops.relu(ops.one("Dropout", [ops.one("Identity", [x])]))]));
    graph.output("z", ops.one("Identity", [x]));
    const simple = simplify(graph);
    expect(opsOf(simple)).toEqual(["Relu"]);
    expect([...simple.outputs.keys()]).toEqual(["y", "z"]);
    expect(simple.outputs.get("z")).toBe(x);
  });

  /** A random computation in which the same steps come again and again. */
  const programs = fc.array(
    fc.record({
      op: fc.constantFrom("Add", "Sub", "Mul", "Relu", "Neg", "Identity", "LeakyRelu", "Clip"),
      a: fc.nat(),
      b: fc.nat(),
      constant: fc.constantFrom(undefined, 0, 1, -0.5),
      alpha: fc.constantFrom(0.1, 0.5),
    }),
    { minLength: 1, maxLength: 25 },
  );

  it("changes no number, and finds nothing more the second time", () =>
    fc.assert(
      fc.asyncProperty(
        programs,
        fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 3, maxLength: 3 }),
        async (steps, x) => {
          const graph = new Graph();
          const ops = new Ops(graph);
          const values: Value[] = [graph.input("x", "float32", [3])];
          for (const { op, a, b, constant, alpha } of steps) {
            const pick = (i: number) => values[i % values.length]!;
            const second = constant === undefined ? pick(b) : ops.scalar(constant);
            const binary = op === "Add" || op === "Sub" || op === "Mul";
            const inputs =
              op === "Clip" ? [pick(a), ops.scalar(-1), ops.scalar(1)] : binary ? [pick(a), second] : [pick(a)];
            values.push(ops.one(op, inputs, op === "LeakyRelu" ? { alpha: new Float(alpha) } : {}));
          }
          for (const [i, value] of values.slice(-3).entries()) graph.output(`y${i}`, value);
          const simple = simplify(graph);
          const numbers = Float32Array.from(x);
          expect(await runRaw(simple, numbers)).toEqual(await runRaw(graph, numbers));
          expect(simple.nodes.length).toBeLessThanOrEqual(graph.nodes.length);
          expect(printGraph(simplify(simple))).toBe(printGraph(simple));
        },
      ),
      { numRuns: 40, seed: SEED },
    ));
});

describe("prune and rewrite", () => {
  it("leave out what no output needs, but no input", () => {
    const graph = new Graph();
    const ops = new Ops(graph);
    const x = graph.input("x", "float32", [2]);
    graph.input("unused", "float32", [2]);
    const used = graph.parameter("used", "float32", [2]);
    ops.exp(ops.mul(graph.parameter("idle", "float32", [2]), ops.scalar(3)));
    graph.output("y", ops.add(x, used));
    const pruned = prune(graph);
    expect(opsOf(pruned)).toEqual(["Add"]);
    expect(pruned.inputs.map(({ name }) => name)).toEqual(["x", "unused"]);
    expect(pruned.parameters).toEqual([used]);
    expect(pruned.constants.size).toBe(0);
  });

  it("replace a node for all that read it", () => {
    const graph = new Graph();
    const ops = new Ops(graph);
    const x = graph.input("x", "float32", [2]);
    const negative = ops.neg(x);
    graph.output("y", ops.add(negative, negative));
    graph.output("z", negative);
    const result = rewrite(graph, (g, node, inputs) =>
      node.op === "Neg" ? [g.mul(inputs[0]!, g.scalar(-1))] : undefined,
    );
    expect(opsOf(result)).toEqual(["Mul", "Add"]);
    expect(result.producer(result.outputs.get("z")!)?.op).toBe("Mul");
    expect(opsOf(graph)).toEqual(["Neg", "Add"]);
  });
});

describe("lower", () => {
  const convolution = (filters: number) => {
    const graph = new Graph();
    const x = graph.input("x", "float32", ["N", 3, 6, 6]);
    const w = graph.parameter("w", "float32", [filters, 3, 3, 3]);
    graph.output("y", new Ops(graph).one("Conv", [x, w]));
    return graph;
  };

  it("spells batch normalization in training with operators for inference", () => {
    const graph = new Graph();
    const inputs = [["N", 3, 4, 4] as const, [3], [3], [3], [3]].map((shape, i) =>
      graph.input(`x${i}`, "float32", shape),
    );
    const outputs = new Ops(graph).emit("BatchNormalization", inputs, { training_mode: 1 });
    for (const [i, value] of outputs.entries()) graph.output(`y${i}`, value);
    const lowered = lower(graph, "cpu");
    expect(lowered.nodes.filter(({ attributes }) => attributes.training_mode)).toEqual([]);
    expect([...lowered.outputs.values()].map(({ shape }) => shape)).toEqual([["N", 3, 4, 4], [3], [3]]);
  });

  it("leaves convolutions whose weights are fixed to the engine", () => {
    const many = convolution(32);
    expect(opsOf(lower(many, "cpu"))).not.toContain("Conv");
    expect(opsOf(lower(many, "cpu", { fixed: new Set(["w"]) }))).toEqual(["Conv"]);
    expect(opsOf(lower(convolution(4), "cpu"))).toEqual(["Conv"]);
  });
});

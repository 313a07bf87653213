import { describe, expect, test } from "vitest";
import { Graph, type Node, type Value } from "../../src/graph/index.ts";
import { createModel, sgd } from "../../src/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { inPlace, lower, simplify } from "../../src/passes/index.ts";
import { trainingGraphs } from "../../src/train/training-graph.ts";

const SIDE = 512;

/** A weight w and its update w − lr·w². */
function update() {
  const graph = new Graph("update");
  const g = new Ops(graph);
  const w = graph.parameter("w", "float32", [SIDE, SIDE]);
  const next = g.sub(w, g.mul(g.mul(w, w), graph.input("lr", "float32", [])));
  graph.output("next:w", next);
  return { graph, g, w, next };
}

const replaced = new Map([["next:w", "w"]]);

/** Whether a node cannot run before those that read `value`, directly or behind views of it. */
function isLast(graph: Graph, node: Node, value: Value): boolean {
  const before = new Set<Node>([node]);
  for (const one of before)
    for (const input of one.inputs) {
      const producer = input && graph.producer(input);
      if (producer) before.add(producer);
    }
  const reads = (from: Value): Node[] =>
    graph.nodes
      .filter(({ inputs }) => inputs.includes(from))
      .flatMap((one) => (/Reshape|Squeeze|Flatten|Transpose/.test(one.op) ? reads(one.outputs[0]!) : [one]));
  return reads(value).every((reader) => before.has(reader));
}

describe("inPlace", () => {
  test("keeps a graph as it is where nothing else reads what is written over", () => {
    const { graph } = update();
    const result = inPlace(graph, replaced);
    expect(result.inputs).toEqual(replaced);
    expect(result.graph.nodes.map(({ op }) => op)).toEqual(["Mul", "Mul", "Sub"]);
  });

  test("makes what writes over an input wait for all that reads it", () => {
    const { graph, g, w, next } = update();
    const x = graph.input("x", "float32", [4, SIDE]);
    graph.output("dx", g.matmul(x, g.one("Transpose", [w], { perm: [1, 0] })));
    graph.output("norm", g.reduceSum(g.reshape(w, [SIDE * SIDE]), [0]));
    const last = graph.producer(next)!;
    expect(isLast(graph, last, w)).toBe(false);

    const result = inPlace(graph, replaced);
    expect(result.inputs).toEqual(replaced);
    expect(isLast(result.graph, result.graph.producer(result.graph.outputs.get("next:w")!)!, w)).toBe(true);
    expect([...result.graph.outputs.keys()]).toEqual(["next:w", "dx", "norm"]);
  });

  test("leaves an input alone that the graph returns, that is small, or that is read after", () => {
    const returned = update();
    returned.graph.output("w", returned.w);
    expect(inPlace(returned.graph, replaced).inputs.size).toBe(0);

    const after = update();
    after.graph.output("sum", after.g.add(after.w, after.next));
    expect(inPlace(after.graph, replaced).inputs.size).toBe(0);

    const small = new Graph("small");
    const v = small.parameter("w", "float32", [10]);
    small.output("next:w", new Ops(small).mul(v, v));
    expect(inPlace(small, replaced).inputs.size).toBe(0);
  });

  test("adds the momentum to a gradient where that lies, if nobody needs it afterwards", () => {
    const graph = new Graph("momentum");
    const g = new Ops(graph);
    const [v, gradient] = [graph.parameter("v", "float32", [SIDE, SIDE]), graph.input("d", "float32", [SIDE, SIDE])];
    const next = g.add(g.scale(v, 0.9), gradient);
    graph.output("next:v", next);
    graph.output("next:w", g.sub(graph.parameter("w", "float32", [SIDE, SIDE]), next));
    const replaced = new Map([["next:v", "v"]]);
    const lowered = simplify(lower(graph, "cpu", { block: 8 }));
    expect(inPlace(lowered, replaced).spent.size).toBe(0);
    const { inputs, spent, ...result } = inPlace(lowered, replaced, new Set(["d"]));
    expect(inputs).toEqual(replaced);
    expect([...spent.values()]).toEqual(["d"]);
    const [output] = spent.keys();
    const sum = result.graph.producer(result.graph.outputs.get(output!)!)!;
    expect(sum.op).toBe("FusedConv");
    expect(result.graph.producer(sum.inputs[3]!)!.inputs[0]).toBe(gradient);

    const decayed = new Graph("decayed");
    const h = new Ops(decayed);
    const [u, w] = ["v", "w"].map((name) => decayed.parameter(name, "float32", [SIDE, SIDE])) as [Value, Value];
    const d = h.add(decayed.input("d", "float32", [SIDE, SIDE]), h.scale(w, 5e-4));
    decayed.output("next:v", h.add(h.scale(u, 0.9), d));
    const both = inPlace(simplify(lower(decayed, "cpu", { block: 8 })), replaced, new Set(["d"]));
    expect([...both.spent.values()]).toEqual(["d", "d"]);

    graph.output("norm", g.reduceSum(g.reshape(gradient, [SIDE * SIDE]), [0]));
    expect(inPlace(simplify(lower(graph, "cpu", { block: 8 })), replaced, new Set(["d"])).spent.size).toBe(0);
  });

  test.each([
    ["vgg_small", 32],
    ["inception_small", 64],
    ["mobilenet_v2", 64],
    ["nin", 32],
  ])("orders the whole step of %s", (name, side) => {
    const model = createModel(name, { numClasses: 10, inputSize: side }).train();
    const graphs = trainingGraphs(model, {
      input: [8, 3, side, side],
      optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
    });
    const replaced = new Map([...graphs.state.keys()].map((key) => [`next:${key}`, key]));
    const { graph, inputs } = inPlace(simplify(lower(graphs.step, "cpu", { block: 8 })), replaced);
    const leaves = new Map([...graph.inputs, ...graph.parameters].map((value) => [value.name, value]));
    const large = [...graphs.state].filter(([, { shape }]) => shape.reduce((a, b) => a * b, 4) >= 2 ** 18);
    expect([...inputs.values()].sort()).toEqual(large.map(([key]) => key).sort());
    for (const [output, input] of inputs)
      expect(isLast(graph, graph.producer(graph.outputs.get(output)!)!, leaves.get(input)!), output).toBe(true);
  });
});

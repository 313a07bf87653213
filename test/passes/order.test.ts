import { expect, it } from "vitest";
import { Graph } from "../../src/graph/index.ts";
import { createModel, sgd } from "../../src/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { lower, shallowFirst, simplify } from "../../src/passes/index.ts";
import { trainingGraphs } from "../../src/train/training-graph.ts";

it("puts what has few steps before it first, but last among what nothing reads", () => {
  const graph = new Graph("order");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [4]);
  const deep = g.exp(g.sqrt(g.relu(x)));
  const shallow = g.neg(x);
  graph.output("c", g.exp(x));
  graph.output("b", g.log(deep));
  graph.output("a", g.mul(deep, shallow));
  const ordered = shallowFirst(graph);
  expect(ordered.nodes.map(({ op }) => op)).toEqual(["Relu", "Neg", "Sqrt", "Exp", "Log", "Mul", "Exp"]);
  expect([...ordered.outputs.keys()]).toEqual(["c", "b", "a"]);
});

it("keeps a training step's nodes, each behind what it reads", () => {
  const { step } = trainingGraphs(createModel("nin").train(), {
    input: [4, 3, 32, 32],
    optimizer: sgd({ momentum: 0.9 }),
  });
  const lowered = simplify(lower(step, "cpu", { block: 8 }));
  const ordered = shallowFirst(lowered);
  expect(new Set(ordered.nodes)).toEqual(new Set(lowered.nodes));
  const known = new Set([...ordered.inputs, ...ordered.parameters, ...ordered.constants.keys()]);
  for (const { inputs, outputs } of ordered.nodes) {
    for (const value of inputs) if (value) expect(known.has(value)).toBe(true);
    for (const value of outputs) known.add(value);
  }
});

import { expect, test } from "vitest";
import { Graph } from "../../src/graph/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { inRounds, split } from "../../src/passes/index.ts";

const names = (values: Iterable<{ readonly name: string }>) => [...values].map(({ name }) => name);
const shown = (graphs: readonly Graph[]) =>
  graphs.map(({ inputs, nodes, outputs }) => ({
    inputs: names(inputs),
    nodes: nodes.map(({ op }) => op),
    outputs: [...outputs.keys()],
  }));

test("a node is in the first segment that needs it; later ones are handed its value, but repeat reshapes", () => {
  const graph = new Graph("test");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [2, 3]);
  const flat = g.reshape(g.exp(x), [6]);
  graph.output("late", g.neg(flat));
  graph.output("early", g.sqrt(flat));
  expect(shown(split(graph, (name) => (name === "late" ? 1 : 0)))).toEqual([
    { inputs: ["x"], nodes: ["Exp", "Reshape", "Sqrt"], outputs: ["early", "kept:0"] },
    { inputs: ["kept:0"], nodes: ["Reshape", "Neg"], outputs: ["late"] },
  ]);
  expect(shown(split(graph, () => 0))).toEqual([
    { inputs: ["x"], nodes: ["Exp", "Reshape", "Neg", "Sqrt"], outputs: ["late", "early"] },
  ]);
});

test("a round for what needs what came back; exchanges that do not need each other share one", () => {
  const graph = new Graph("test");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [4]);
  const received = [0, 1, 2].map((i) => graph.input(`received:${i}`, "float32", [2, 4]));
  // as a gradient, the second one is made last, from nodes that stand after those that read what comes back
  const both = g.add(received[0]!, received[1]!);
  graph.output("sent:2", g.reduceSum(g.add(both, x), 0, false));
  graph.output("y", g.neg(received[2]!));
  graph.output("sent:0", g.exp(x));
  graph.output("sent:1", g.sqrt(x));
  expect(shown(inRounds(graph)).map(({ outputs }) => outputs)).toEqual([["sent:0", "sent:1"], ["sent:2"], ["y"]]);
  expect(shown(inRounds(graph)).map(({ inputs }) => inputs)).toEqual([
    ["x"],
    ["x", "received:0", "received:1"],
    ["received:2"],
  ]);
});

test("what waits for itself is refused", () => {
  const graph = new Graph("test");
  graph.output("sent:0", new Ops(graph).neg(graph.input("received:0", "float32", [1])));
  expect(() => inRounds(graph)).toThrow("sent:0 needs what is sent back for it");
});

import { Graph, type Shape, type Value } from "../graph/index.ts";
import { Ops } from "../operators/index.ts";
import { type Placed, Placement, type PlacementOptions } from "./place.ts";
import { prune } from "./rewrite.ts";

/** How shapes change while constants are folded. */
export interface FoldOptions extends Pick<PlacementOptions, "batch"> {
  /** Other shapes for inputs, by name. */
  inputs?: Readonly<Record<string, Shape>>;
}

/** Does what can be done before the graph runs, which is mostly the arithmetic of shapes; inputs may get other shapes. */
export function foldConstants(graph: Graph, { inputs = {}, batch }: FoldOptions = {}): Graph {
  const result = new Graph(graph.name);
  const placement = new Placement(new Ops(result), { batch });
  const placed = new Map<Value, Placed>();
  for (const value of graph.inputs) {
    const shape = inputs[value.name];
    placed.set(value, placement.leaf(result.adopt("inputs", shape ? { ...value, shape } : value)));
  }
  for (const value of graph.parameters) placed.set(value, placement.leaf(result.adopt("parameters", value)));
  for (const [value, data] of graph.constants) {
    result.constants.set(value, data);
    placed.set(value, placement.leaf(value));
  }
  for (const node of graph.nodes) {
    const results = placement.place({
      ...node,
      inputs: node.inputs.map((value) => value && placed.get(value)),
      outputs: node.outputs.map(({ name }) => name),
    });
    node.outputs.forEach((value, i) => {
      placed.set(value, results[i]!);
    });
  }
  for (const [name, value] of graph.outputs) result.outputs.set(name, placed.get(value)!.value());
  return prune(result);
}

import { Graph, type Node, type Value } from "../graph/index.ts";
import { Ops, type Target } from "../operators/index.ts";

/**
 * Replacement of a node: the values that stand for its outputs, or undefined to keep it.
 *
 * `inputs` are the inputs of the node in the new graph, which is `g.graph`.
 */
export type Rule = (g: Ops, node: Node, inputs: Node["inputs"]) => readonly Value[] | undefined;

/** Rebuilds a graph node by node. Names of inputs, parameters and outputs stay; what no output needs is left out. */
export function rewrite(graph: Graph, rule: Rule, target: Target = "cpu"): Graph {
  const result = new Graph(graph.name);
  const g = new Ops(result, { target });
  const replaced = new Map<Value, Value>();
  const now = (value: Value) => replaced.get(value) ?? value;

  for (const value of graph.inputs) result.adopt("inputs", value);
  for (const value of graph.parameters) result.adopt("parameters", value);
  for (const [value, data] of graph.constants) result.constants.set(value, data);
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((value) => value && now(value));
    g.scope = node.scope;
    const values = rule(g, node, inputs);
    if (values) {
      node.outputs.forEach((output, i) => {
        if (values[i]) replaced.set(output, values[i]);
      });
    } else {
      result.append(inputs.every((value, i) => value === node.inputs[i]) ? node : { ...node, inputs });
    }
  }
  for (const [name, value] of graph.outputs) result.outputs.set(name, now(value));
  return prune(result);
}

/** The graph without nodes, constants and parameters that no output needs. Inputs stay: they are its interface. */
export function prune(graph: Graph): Graph {
  const needed = new Set<Value>(graph.outputs.values());
  const kept: Node[] = [];
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some((value) => needed.has(value))) continue;
    kept.push(node);
    for (const value of node.inputs) if (value) needed.add(value);
  }
  const result = new Graph(graph.name);
  for (const value of graph.inputs) result.adopt("inputs", value);
  for (const value of graph.parameters) if (needed.has(value)) result.adopt("parameters", value);
  for (const [value, data] of graph.constants) if (needed.has(value)) result.constants.set(value, data);
  for (const node of kept.reverse()) result.append(node);
  for (const [name, value] of graph.outputs) result.outputs.set(name, value);
  return result;
}

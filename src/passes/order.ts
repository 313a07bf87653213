import { Graph, type Value } from "../graph/index.ts";

/**
 * Nodes in an order with which ONNX Runtime takes less memory: those with the fewest steps before them first.
 *
 * ONNX Runtime orders nodes by itself, from the outputs backwards. Of the inputs of a node, it computes the one that stands last in the file
 * first. So what takes long stands last, and what takes little is computed when it is needed, instead of being kept through all of
 * the rest. Nodes that nothing reads stay at the end, and it computes the last of those first, too: those with the fewest steps before them come
 * last, so that the gradient of a weight is computed when its inputs are, and these are not kept until the whole backward pass is done.
 */
export function shallowFirst(graph: Graph): Graph {
  const read = new Set<Value | undefined>(graph.nodes.flatMap(({ inputs }) => inputs));
  const depths = new Map<Value, number>();
  const nodes = graph.nodes.map((node) => {
    const depth = 1 + Math.max(0, ...node.inputs.map((value) => (value && depths.get(value)) ?? 0));
    for (const value of node.outputs) depths.set(value, depth);
    const isLast = !node.outputs.some((value) => read.has(value));
    return { node, place: isLast ? Number.MAX_SAFE_INTEGER - depth : depth };
  });
  const ordered = new Graph(graph.name);
  for (const value of graph.inputs) ordered.adopt("inputs", value);
  for (const value of graph.parameters) ordered.adopt("parameters", value);
  for (const [value, data] of graph.constants) ordered.constants.set(value, data);
  for (const { node } of nodes.toSorted((a, b) => (a.place === b.place ? 0 : a.place - b.place))) ordered.append(node);
  for (const [name, value] of graph.outputs) ordered.outputs.set(name, value);
  return ordered;
}

import type { Graph, Value } from "../graph/index.ts";
import { rewrite } from "./rewrite.ts";

/**
 * Takes the maximum before the ReLU where a ReLU is read by nothing but a max pooling: max(relu(x)) = relu(max(x)), bit for bit, on
 * a quarter of the elements or fewer. The gradients are the same too: a window whose maximum is not positive passes none, and among
 * positive elements the first of the largest ones stays the same.
 */
export function poolFirst(graph: Graph): Graph {
  const readers = new Map<Value, number>();
  const read = (value: Value | undefined) => value && readers.set(value, (readers.get(value) ?? 0) + 1);
  for (const { inputs } of graph.nodes) inputs.forEach(read);
  for (const value of graph.outputs.values()) read(value);
  return rewrite(graph, (g, node, [x]) => {
    if (node.op !== "MaxPool" || node.outputs.length > 1 || readers.get(node.inputs[0]!) !== 1) return undefined;
    const relu = g.graph.producer(x!);
    return relu?.op === "Relu" ? [g.relu(g.one("MaxPool", relu.inputs, node.attributes))] : undefined;
  });
}

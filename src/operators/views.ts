import type { Graph, Value } from "../graph/index.ts";

/** Operators whose output has the same numbers in the same order, and may be the same memory. */
export const VIEWS: ReadonlySet<string> = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten"]);

/** The value that this one is a view of, which may be itself. */
export function withoutViews(graph: Graph, value: Value): Value {
  const node = graph.producer(value);
  return node && VIEWS.has(node.op) && node.domain === "" ? withoutViews(graph, node.inputs[0]!) : value;
}

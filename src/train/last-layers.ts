import { check, type Graph, type Shape, type Value } from "../graph/index.ts";
import { type Module, trace } from "../nn/index.ts";

/**
 * Paths of the last layers of a network: those that its `spec` names, else for each output of its training form, auxiliary ones
 * included, the nearest layer with weights before it.
 */
export function lastLayers(model: Module, input: Shape): string[] {
  if (model.spec?.lastLayers) return [...model.spec.lastLayers];
  const { graph } = trace(model, input, { training: true });
  const keys = [...graph.outputs.values()].map((output) => nearestWeight(graph, output));
  return [...new Set(keys.map((key) => key.replace(/\.?(parametrizations\.[^.]+\.)?[^.]*$/, "")))];
}

function nearestWeight(graph: Graph, output: Value): string {
  const parameters = new Set(graph.parameters);
  const seen = new Set([output]);
  for (const value of seen) {
    // biases, and what normalization scales by, belong to whatever layer is before them
    if (parameters.has(value) && value.shape.length >= 2) return value.name;
    for (const before of graph.producer(value)?.inputs ?? []) if (before) seen.add(before);
  }
  check(false, () => `the network computes its output "${output.name}" without weights`);
  return "";
}

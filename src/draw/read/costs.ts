import type { Graph, Node, Value } from "../../graph/index.ts";
import { OPERATORS } from "../../operators/index.ts";

/** Multiply-accumulates of a node for one image; unknown sizes count as 1. */
export function macsOf(node: Node): number {
  const known = ({ shape, ...value }: Value): Value => ({ ...value, shape: shape.map((dim) => Number(dim) || 1) });
  const macs = OPERATORS[node.domain === "" ? node.op : `${node.domain}.${node.op}`]?.macs;
  return (
    macs?.({ ...node, inputs: node.inputs.map((value) => value && known(value)), outputs: node.outputs.map(known) }) ??
    0
  );
}

/** Parameters that a layer learns, which the statistics of batch normalization are not. */
export function weightsOf(
  graph: Graph,
  nodes: readonly Node[],
  isParameter: (value: Value) => boolean,
  isData: (value: Value) => boolean,
): Value[] {
  const found = new Set<Value>();
  const seen = new Set<Value>();
  const collect = (value: Value | undefined): void => {
    if (!value || seen.has(value) || isData(value)) return;
    seen.add(value);
    if (isParameter(value)) found.add(value);
    graph.producer(value)?.inputs.forEach(collect);
  };
  for (const { op, inputs } of nodes) inputs.slice(0, op === "BatchNormalization" ? 3 : undefined).forEach(collect);
  return [...found];
}

/** Transpositions on all threads, in a graph that is lowered already. */
import { attribute, type Graph, type Node, type Value } from "../../src/graph/index.ts";
import { rewrite } from "../../src/passes/index.ts";
import { native } from "./gradients.ts";

/** w, where a node is the last of those that turn its kernels by 180° and exchange input and output channels. */
function turned(graph: Graph, { inputs: [x], attributes }: Pick<Node, "inputs" | "attributes">): Value | undefined {
  if (String(attributes.perm) !== "1,0,2,3") return undefined;
  const gather = reshaped(graph, x);
  const flipped = gather && graph.producer(gather);
  if (flipped?.op !== "Gather" || attribute.int(flipped, "axis", 0) !== 2) return undefined;
  const indices = graph.constants.get(flipped.inputs[1]!)?.data;
  const isReversed = indices && Array.from(indices, Number).every((index, i) => index === indices.length - 1 - i);
  return isReversed ? reshaped(graph, flipped.inputs[0]) : undefined;
}

/** What a Reshape is of. */
function reshaped(graph: Graph, value: Value | undefined): Value | undefined {
  const producer = value && graph.producer(value);
  return producer?.op === "Reshape" ? producer.inputs[0] : undefined;
}

export function nativeLayout(graph: Graph): Graph {
  return rewrite(graph, (g, node, inputs) => {
    if (node.op !== "Transpose" || node.domain !== "" || node.outputs[0]!.dtype !== "float32") return undefined;
    const w = turned(g.graph, { ...node, inputs });
    if (w?.shape.length === 4) return native(g, "TurnedKernels", [w], node.outputs);
    const { perm } = node.attributes;
    return perm === undefined ? undefined : native(g, "Transpose", inputs, node.outputs, { perm });
  });
}

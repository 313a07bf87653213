/** Dense layers after a Flatten, in PyTorch's order. */
import type { Graph, Node, TensorData, Value } from "../graph/index.ts";
import { rewrite } from "../passes/index.ts";
import { type Builder, rearranged } from "./builder.ts";

/** Operators that treat every number the same, so that its place does not matter. */
const ELEMENTWISE = new Set([
  "Clip",
  "Dropout",
  "Elu",
  "Identity",
  "LeakyRelu",
  "Relu",
  "Selu",
  "Sigmoid",
  "Softplus",
  "Tanh",
]);

/** Sizes of the images that are flattened. */
interface Images {
  readonly channels: number;
  readonly pixels: number;
}

/**
 * The graph and the weights without the step back to [N, H, W, C] before a Flatten, where only dense layers read what is flattened: the
 * columns of their weights move into the order [C, H, W] instead, which is PyTorch's. The layers compute the same sums, in another order.
 */
export function inPyTorchOrder({ graph, weights }: Builder): Pick<Builder, "graph" | "weights"> {
  const readers = readersOf(graph);
  const moved = new Map(weights);
  const flattened = new Set<Node>();
  for (const node of graph.nodes) {
    const images = node.op === "Reshape" ? flattenedImages(graph, node) : undefined;
    const read = images && weightsAfter(node.outputs[0]!, graph, readers);
    if (!read) continue;
    flattened.add(node);
    for (const { name } of read) moved.set(name, columnsMoved(weights.get(name)!, images));
  }
  if (flattened.size === 0) return { graph, weights };
  const result = rewrite(graph, (g, node, [x]) =>
    flattened.has(node) ? [g.reshape(g.graph.producer(x!)!.inputs[0]!, node.outputs[0]!.shape)] : undefined,
  );
  return { graph: result, weights: moved };
}

/** The nodes that read each value, once for each time that they do. */
function readersOf(graph: Graph): ReadonlyMap<Value, readonly Node[]> {
  const readers = new Map<Value, Node[]>();
  for (const node of graph.nodes)
    for (const value of node.inputs) if (value) readers.set(value, [...(readers.get(value) ?? []), node]);
  return readers;
}

/** What a Reshape flattens, if it makes a vector of each image [H, W, C] that we have as [C, H, W]. */
function flattenedImages(graph: Graph, { inputs: [x], outputs: [y] }: Node): Images | undefined {
  const turned = graph.producer(x!);
  if (turned?.op !== "Transpose" || `${turned.attributes.perm}` !== "0,2,3,1" || y!.shape.length !== 2)
    return undefined;
  const [, height, width, channels] = x!.shape;
  if (typeof height !== "number" || typeof width !== "number" || typeof channels !== "number") return undefined;
  return y!.shape[1] === height * width * channels ? { channels, pixels: height * width } : undefined;
}

/** The weights whose last axis meets the vector, if nothing else depends on the order of its numbers. */
function weightsAfter(
  vector: Value,
  graph: Graph,
  readers: ReadonlyMap<Value, readonly Node[]>,
): ReadonlySet<Value> | undefined {
  const found = new Set<Value>();
  const outputs = new Set(graph.outputs.values());
  const parameters = new Set(graph.parameters);
  const open = [vector];
  for (let x = open.pop(); x; x = open.pop()) {
    if (outputs.has(x)) return undefined;
    for (const { op, inputs, outputs: made, attributes } of readers.get(x) ?? []) {
      const isOnce = inputs[0] === x && !inputs.slice(1).includes(x);
      const isDense = op === "Gemm" && attributes.transB === 1 && !attributes.transA;
      const met = isDense ? [inputs[1]] : op === "BatchNormalization" ? inputs.slice(1) : [];
      if (!isOnce || !(met.length > 0 || ELEMENTWISE.has(op)) || made.length > 1) return undefined;
      for (const weight of met) {
        // another layer may read it in its own order
        if (!weight || !parameters.has(weight) || readers.get(weight)!.length > 1) return undefined;
        found.add(weight);
      }
      if (!isDense) open.push(made[0]!);
    }
  }
  return found;
}

/** [..., H·W·C] as [..., C·H·W]. */
function columnsMoved(weight: TensorData, { channels, pixels }: Images): TensorData {
  const rows = weight.shape.slice(0, -1);
  const order = [...rows.keys(), rows.length + 1, rows.length];
  return rearranged(weight, { from: [...rows, pixels, channels], order, to: weight.shape });
}

import { attribute, type Graph, type Node, type TensorData, tensor, type Value } from "../graph/index.ts";
import { rewrite } from "./rewrite.ts";

export interface FoldedBatchNorm {
  readonly graph: Graph;
  /** Numbers of all parameters of the graph, the changed ones included. */
  readonly weights: Map<string, TensorData>;
}

/**
 * Makes a convolution and the batch normalization behind it one convolution, for inference:
 *
 *     w′ = w · k,  b′ = (b − mean) · k + bias,  k = scale / √(variance + epsilon) for each output channel
 *
 * Normalizations whose input is used elsewhere too, or is no convolution's, stay. Weights are taken by the parameter's name.
 */
export function foldBatchNorm(graph: Graph, weights: ReadonlyMap<string, TensorData>): FoldedBatchNorm {
  const uses = countUses(graph);
  const changed = new Map(weights);
  const numbers = (value: Value | undefined): Float32Array | undefined => {
    const data = value && (graph.constants.get(value) ?? weights.get(value.name))?.data;
    return data instanceof Float32Array ? data : undefined;
  };
  const parameters = new Set(graph.parameters);
  const taken = new Set(graph.parameters.map(({ name }) => name));

  const folded = rewrite(graph, (g, node, inputs) => {
    if (node.op !== "BatchNormalization" || node.outputs.length !== 1) return undefined;
    if (attribute.int(node, "training_mode", 0) === 1) return undefined;
    const conv = node.inputs[0] && graph.producer(node.inputs[0]);
    if (conv?.op !== "Conv" || uses.get(node.inputs[0]!) !== 1) return undefined;
    const [x, weight, bias] = conv.inputs as [Value, Value, Value | undefined];
    const statistics = [1, 2, 3, 4].map((i) => numbers(node.inputs[i]));
    const [w, b] = [numbers(weight), numbers(bias)];
    // a weight that others read as well must not change
    const own = parameters.has(weight) && uses.get(weight) === 1 && (!bias || uses.get(bias) === 1);
    if (!w || (bias && !b) || !own || statistics.some((numbers) => !numbers)) return undefined;
    const epsilon = attribute.float(node, "epsilon", 1e-5);
    const { kernels, biases } = merged(w, b, statistics as Float32Array[], epsilon);
    const name = bias && parameters.has(bias) ? bias.name : unused(biasName(weight.name), taken);
    const shape = [biases.length];
    const moved = bias && parameters.has(bias) ? bias : g.graph.adopt("parameters", { name, dtype: "float32", shape });
    changed.set(weight.name, tensor("float32", weight.shape as readonly number[], kernels));
    changed.set(name, tensor("float32", shape, biases));
    const source = (inputs[0] && g.graph.producer(inputs[0])?.inputs[0]) ?? x;
    return [g.one("Conv", [source, weight, moved], conv.attributes)];
  });
  const kept = new Set(folded.parameters.map(({ name }) => name));
  return { graph: folded, weights: new Map([...changed].filter(([name]) => kept.has(name))) };
}

function merged(w: Float32Array, b: Float32Array | undefined, statistics: readonly Float32Array[], epsilon: number) {
  const [scale, shift, mean, variance] = statistics as [Float32Array, Float32Array, Float32Array, Float32Array];
  const perChannel = w.length / scale.length;
  const k = Float64Array.from(scale, (value, o) => value / Math.sqrt(variance[o]! + epsilon));
  return {
    kernels: w.map((value, i) => value * k[Math.floor(i / perChannel)]!),
    biases: shift.map((value, o) => ((b?.[o] ?? 0) - mean[o]!) * k[o]! + value),
  };
}

/** How often each value is read, as an output too. */
function countUses(graph: Graph): Map<Value, number> {
  const uses = new Map<Value, number>();
  const read = [...graph.nodes.flatMap(({ inputs }: Node) => inputs), ...graph.outputs.values()];
  for (const value of read) if (value) uses.set(value, (uses.get(value) ?? 0) + 1);
  return uses;
}

const biasName = (weight: string): string =>
  /(^|\.)weight$/.test(weight) ? weight.replace(/weight$/, "bias") : `${weight}.bias`;

function unused(name: string, taken: Set<string>): string {
  let free = name;
  for (let i = 1; taken.has(free); i++) free = `${name}_${i}`;
  taken.add(free);
  return free;
}

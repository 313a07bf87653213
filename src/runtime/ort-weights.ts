import type { Graph, Node, TensorData, Value } from "../graph/index.ts";
import type { CompileOptions } from "./engine.ts";

/*
 * How weights are handed to ONNX Runtime: as files in memory, as inputs of every run, or inside the model.
 */

type Weights = CompileOptions["weights"];

/** Bytes from which the weight of a product is left where it is. */
const FED = 2 ** 23;

/**
 * Large weights that only matrix products read: those of a classifier's linear layers. They are handed over at every run, which copies
 * nothing. As part of the model, ONNX Runtime would copy them, and then once more in the order of its kernels. That makes products of few
 * rows no faster, because they wait for memory.
 */
export function productWeights(graph: Graph, weights: Weights): [string, TensorData][] {
  const isProduct = ({ op, domain, inputs }: Node, value: Value) =>
    domain === "" && (op === "Gemm" || op === "MatMul") && inputs[1] === value && inputs[0] !== value;
  return graph.parameters.flatMap((value) => {
    const data = weights?.get(value.name);
    if (!data || data.data.byteLength < FED || [...graph.outputs.values()].includes(value)) return [];
    const readers = graph.nodes.filter(({ inputs }) => inputs.includes(value));
    return readers.every((node) => isProduct(node, value)) ? [[value.name, data]] : [];
  });
}

/** Bytes from which a weight is worth a file. */
const LARGE = 4096;

/**
 * Large weights by name, as files in memory. ONNX Runtime reads them from there; inside the model's own bytes they would be copied
 * several times on the way.
 */
export function filesOf({ parameters }: Graph, weights: Weights) {
  const files = new Map<string, { readonly path: string; readonly data: Uint8Array }>();
  for (const { name } of parameters) {
    const data = weights?.get(name)?.data;
    if (data === undefined || data.byteLength < LARGE) continue;
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    files.set(name, { path: `weight${files.size}`, data: bytes });
  }
  return files;
}

import type { Shape, TensorData } from "../graph/index.ts";
import { type OnnxModel, OnnxModule, OPSET } from "../onnx/index.ts";
import { Builder } from "./builder.ts";
import { ensure, quote, TfjsError } from "./error.ts";
import { inPyTorchOrder } from "./flattened.ts";
import { buildKeras } from "./keras.ts";
import { LayerTensors } from "./keras-weights.ts";
import { isTfjsJson, parseModel, type TfjsJson } from "./schema.ts";
import { buildTfGraph } from "./tf-graph.ts";
import { groupBytes, readGroup } from "./weights.ts";

/** How a TensorFlow.js model is read. */
export interface TfjsOptions {
  /** What the network is called. Default: the name of the model in the file, else "model". */
  name?: string;
  /** Other shapes for inputs, by name, as [N, C, H, W]. Needed where the file leaves the size of images open. */
  inputs?: Readonly<Record<string, Shape>>;
}

/** Gives the bytes of a file of weights, by its path in the model.json; `size` is that of its whole group. */
export type ShardReader = (path: string, size: number) => Uint8Array;

/** Parses a model.json. Throws a TfjsError if it is none. */
export function parseTfjs(text: string): TfjsJson {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new TfjsError(`the file is no JSON, or is cut short: ${(error as Error).message}`, { cause: error });
  }
  ensure(isTfjsJson(json), () => "this is no model.json of TensorFlow.js: it has no modelTopology and weightsManifest");
  return parseModel(json);
}

/** All weights by the names that they have in the file. */
export function tfjsWeights({ weightsManifest }: TfjsJson, read: ShardReader): Map<string, TensorData> {
  const weights = new Map<string, TensorData>();
  for (const group of weightsManifest) {
    const size = groupBytes(group);
    for (const [name, data] of readGroup(group, () => joined(group.paths.map((path) => read(path, size))))) {
      ensure(!weights.has(name), () => `the weight ${quote(name)} stands twice in the model`);
      weights.set(name, data);
    }
  }
  return weights;
}

/**
 * A network from a model of TensorFlow.js, in the Layers form or as a graph: its `model.json` as text, and its files of weights. It is
 * what `decode` gives for an .onnx file. Images become [N, C, H, W], and weights get PyTorch's layouts and names.
 *
 * Throws a TfjsError if the files are damaged, or if a layer is not supported.
 */
export function tfjsModel(text: string, read: ShardReader, options: TfjsOptions = {}): OnnxModel {
  const { declared: _, ...model } = buildTfjs(parseTfjs(text), read, options);
  // errors of the files of weights come now
  for (const tensor of model.weights.values()) void tensor.data;
  for (const tensor of model.graph.constants.values()) void tensor.data;
  return model;
}

/**
 * The network of a model of TensorFlow.js, to summarize, draw, evaluate and train like any other.
 *
 *     const model = tfjsModule(text, (path) => files.get(path)!).withClasses(10);
 *
 * Throws a TfjsError if the files are damaged, or if a layer is not supported.
 */
export function tfjsModule(text: string, read: ShardReader, options: TfjsOptions = {}): OnnxModule {
  return new OnnxModule(tfjsModel(text, read, options), options.name === undefined ? {} : { name: options.name });
}

/** `tfjsModel`, which reads the weights only when their numbers are asked for. */
export function buildTfjs(
  json: TfjsJson,
  read: ShardReader,
  { name, inputs = {} }: TfjsOptions = {},
): OnnxModel & { readonly declared: ReadonlyMap<string, Shape> } {
  const weights = tfjsWeights(json, read);
  const { modelTopology: topology, userDefinedMetadata } = json;
  const b = new Builder(name ?? nameIn(topology));
  if (Array.isArray(topology.node))
    buildTfGraph(b, topology, { weights, inputs, signature: json.signature ?? userDefinedMetadata?.signature });
  else buildKeras(b, topology.model_config ?? topology, { weights: new LayerTensors(weights), inputs });
  return { ...inPyTorchOrder(b), declared: b.declared, metadata: {}, producer: producerOf(json), opset: OPSET };
}

/** The network of a model of Keras: its config, and its weights by names that end in "layer/weight". */
export function buildKerasModel(
  { config, producer }: { readonly config: unknown; readonly producer: string },
  weights: ReadonlyMap<string, TensorData>,
  { name, inputs = {} }: TfjsOptions = {},
): OnnxModel & { readonly declared: ReadonlyMap<string, Shape> } {
  const b = new Builder(name ?? nameIn({ model_config: config }));
  buildKeras(b, config, { weights: new LayerTensors(weights), inputs });
  return { ...inPyTorchOrder(b), declared: b.declared, metadata: {}, producer, opset: OPSET };
}

/** How often each class of layers, or each operator, is in the model, the most frequent first. */
export function countOperators({ modelTopology }: TfjsJson): Map<string, number> {
  const counts = new Map<string, number>();
  const rest: unknown[] = [modelTopology.node ?? modelTopology.model_config ?? modelTopology];
  while (rest.length > 0) {
    const next = rest.pop();
    if (Array.isArray(next)) for (const one of next) rest.push(one);
    if (typeof next !== "object" || next === null) continue;
    const { op, class_name, config } = next as Record<string, unknown>;
    const layers = (config as { layers?: unknown } | null | undefined)?.layers ?? config;
    if (Array.isArray(layers)) rest.push(layers);
    const name =
      typeof op === "string" ? (op === "Const" ? undefined : op) : Array.isArray(layers) ? undefined : class_name;
    if (typeof name === "string") counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return new Map([...counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1)));
}

/** The program that wrote the file. */
export const producerOf = ({ convertedBy, generatedBy, modelTopology: { keras_version } }: TfjsJson): string =>
  [
    generatedBy,
    convertedBy,
    typeof keras_version === "string" && !generatedBy?.includes(keras_version) && `Keras ${keras_version}`,
  ]
    .filter((part) => typeof part === "string" && part !== "")
    .join(", ");

function nameIn({ model_config, config }: Readonly<Record<string, unknown>>): string {
  const model = (model_config as { config?: unknown } | undefined)?.config ?? config;
  const { name } = (typeof model === "object" && model !== null ? model : {}) as { name?: unknown };
  return typeof name === "string" && name !== "" ? name.slice(0, 100) : "model";
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = parts;
  if (first && others.length === 0) return first;
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

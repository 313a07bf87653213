/** What a model.json holds, as far as it is read. */
import * as v from "valibot";
import { TfjsError } from "./error.ts";

const size = v.pipe(v.number(), v.integer(), v.minValue(0));

const quantization = v.object({
  dtype: v.picklist(["uint8", "uint16", "float16"]),
  scale: v.optional(v.number(), 1),
  min: v.optional(v.number(), 0),
});

const weightSpec = v.object({
  name: v.string(),
  shape: v.array(size),
  dtype: v.picklist(["float32", "int32", "bool", "string", "complex64"]),
  quantization: v.optional(quantization),
});

/** One tensor of the weights: its name, shape and type, and how its numbers were made smaller. */
export type WeightSpec = v.InferOutput<typeof weightSpec>;

const weightGroup = v.object({ paths: v.array(v.string()), weights: v.array(weightSpec) });

/** Tensors that lie one after the other in some files. */
export type WeightGroup = v.InferOutput<typeof weightGroup>;

const record = v.record(v.string(), v.unknown());

const layer = v.object({
  class_name: v.string(),
  config: v.union([record, v.array(v.unknown())]),
  name: v.optional(v.string()),
  inbound_nodes: v.optional(v.array(v.unknown()), []),
});

/** A layer of the Layers form: its class and what its constructor was given. */
export interface LayerConfig extends v.InferOutput<typeof layer> {}

const text = v.union([v.string(), v.array(v.number())]);
const whole = v.union([v.string(), v.number()]);
const dims = v.object({
  dim: v.optional(v.array(v.object({ size: v.optional(whole, 0) })), []),
  unknownRank: v.optional(v.boolean()),
});

const attribute = v.object({
  s: v.optional(text),
  i: v.optional(whole),
  f: v.optional(whole),
  b: v.optional(v.boolean()),
  type: v.optional(v.union([v.string(), v.number()])),
  shape: v.optional(dims),
  list: v.optional(v.object({ s: v.optional(v.array(text)), i: v.optional(v.array(whole)) })),
});

/** Value of an attribute of a node, as protobuf writes it in JSON. */
export type TfAttribute = v.InferOutput<typeof attribute>;

const node = v.object({
  name: v.string(),
  op: v.string(),
  input: v.optional(v.array(v.string()), []),
  attr: v.optional(v.record(v.string(), attribute), {}),
});

/** A node of the graph form. */
export type TfNode = v.InferOutput<typeof node>;

const signature = v.object({
  inputs: v.optional(v.record(v.string(), v.object({ name: v.optional(v.string()) }))),
  outputs: v.optional(v.record(v.string(), v.object({ name: v.optional(v.string()) }))),
});

/** The inputs and outputs of a graph, by the names that its users know. */
export type TfSignature = v.InferOutput<typeof signature>;

const model = v.object({
  format: v.nullish(v.string()),
  generatedBy: v.nullish(v.string()),
  convertedBy: v.nullish(v.string()),
  signature: v.optional(signature),
  userDefinedMetadata: v.nullish(v.looseObject({ signature: v.optional(signature) })),
  modelTopology: record,
  weightsManifest: v.array(weightGroup),
});

/** A model.json. */
export type TfjsJson = v.InferOutput<typeof model>;

/** Checks what a model.json holds. Throws a TfjsError that names what is wrong. */
export const parseModel = (json: unknown): TfjsJson => parse(model, json, "the model");
/** Checks a layer. */
export const parseLayer = (json: unknown, what: string): LayerConfig => parse(layer, json, what);
/** Checks the nodes of a graph. */
export const parseNodes = (json: unknown): TfNode[] => parse(v.array(node), json, "the nodes of the graph");
/** Checks the config of a model of layers: a list of layers, or an object that has one. */
export const parseContainer = (json: unknown, what: string): ContainerConfig => parse(container, json, what);

const container = v.pipe(
  v.union([v.array(v.unknown()), record]),
  v.transform((config) => (Array.isArray(config) ? { layers: config } : config)),
  v.object({
    name: v.optional(v.string()),
    layers: v.array(v.unknown()),
    input_layers: v.optional(v.unknown()),
    output_layers: v.optional(v.unknown()),
    build_input_shape: v.nullish(v.array(v.unknown())),
  }),
);

/** A Sequential or functional model: its layers, and in a functional one the tensors that go in and out. */
export type ContainerConfig = v.InferOutput<typeof container>;

/** Whether JSON looks like a model.json of TensorFlow.js. */
export const isTfjsJson = (json: unknown): boolean =>
  typeof json === "object" && json !== null && "modelTopology" in json && "weightsManifest" in json;

/** Checks JSON from a file; the message names the first field that is wrong. */
export function parse<T extends v.BaseSchema<unknown, unknown, v.BaseIssue<unknown>>>(
  schema: T,
  json: unknown,
  what: string,
): v.InferOutput<T> {
  const result = v.safeParse(schema, json, { abortEarly: true });
  if (result.success) return result.output;
  const [issue] = result.issues;
  const path = v.getDotPath(issue)?.slice(0, 200);
  throw new TfjsError(
    `${what} ${path === undefined ? "" : `at ${path} `}is not as Keras and TensorFlow.js write it: ${issue.message}`,
  );
}

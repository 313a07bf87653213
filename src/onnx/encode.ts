import {
  type Attribute,
  check,
  type Dim,
  Float,
  Graph,
  type TensorData,
  type TensorType,
  uniqueNames,
  type Value,
} from "../graph/index.ts";
import { ONNX_TYPE } from "../operators/index.ts";
import { ATTRIBUTE_TYPE } from "./attributes.ts";
import {
  type AttributeProto,
  encodeModel,
  type GraphProto,
  type NodeProto,
  type TensorProto,
  type ValueInfoProto,
} from "./proto.ts";
import { EXTERNAL, type ExternalData, encodeTensor } from "./tensor.ts";

/** Version of ONNX's operators that graphs are written in. */
export const OPSET = 17;
/** Version of the file format that goes with it. */
const IR_VERSION = 8;
/** Who wrote a file: in ours, initializers are the parameters, and constants are Constant nodes. */
export const PRODUCER = "convnets";

/** How a graph is written as an .onnx file. */
export interface EncodeOptions {
  /** Numbers of parameters by name; parameters without become inputs of the model. */
  weights?: ReadonlyMap<string, TensorData>;
  /** Weights that stay in another file instead, by name. */
  external?: ReadonlyMap<string, ExternalData>;
  metadata?: Readonly<Record<string, string>>;
  producerVersion?: string;
  /** Name of an output besides those of the graph, before them: a sequence of tensors, empty. */
  sequence?: string;
}

/**
 * Writes a graph as the bytes of an .onnx file (opset 17). Only the names of inner values change, if two are equal.
 *
 * Throws if the weights take more than 2 GB and are not external.
 */
export function encode(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  const domains = new Set(graph.nodes.map(({ domain }) => domain).filter((domain) => domain !== ""));
  const { metadata = {}, producerVersion } = options;
  checkSize(graph, options);
  return encodeModel({
    irVersion: IR_VERSION,
    producerName: PRODUCER,
    ...(producerVersion && { producerVersion }),
    graph: encodeGraph(graph, options),
    opsetImport: [{ domain: "", version: OPSET }, ...[...domains].map((domain) => ({ domain, version: 1 }))],
    metadataProps: Object.entries(metadata).map(([key, value]) => ({ key, value })),
  });
}

/** Largest protobuf message, in bytes. */
const MAX_BYTES = 2 ** 31 - 1;

function checkSize({ parameters }: Graph, { weights, external }: EncodeOptions): void {
  const inside = parameters.filter(({ name }) => !external?.has(name));
  const bytes = inside.reduce((sum, { name }) => sum + (weights?.get(name)?.data.byteLength ?? 0), 0);
  check(
    bytes < MAX_BYTES,
    () => `encode: ${bytes} bytes of weights do not fit into one .onnx file (2 GB); keep them in another (external)`,
  );
}

function encodeGraph(graph: Graph, { weights, external, sequence }: EncodeOptions): GraphProto {
  const names = uniqueNames(graph);
  const nameOf = (value: Value) => {
    const name = names.get(value);
    check(name !== undefined, () => `encode: "${value.name}" is used, but not computed in the graph`);
    return name;
  };
  const nodes: NodeProto[] = [...graph.constants].map(([value, data]) => ({
    input: [],
    output: [nameOf(value)],
    name: nameOf(value),
    opType: "Constant",
    attribute: [encodeAttribute("value", data)],
  }));
  graph.nodes.forEach(({ op, domain, inputs, outputs, attributes, scope }, i) => {
    nodes.push({
      input: inputs.map((value) => (value ? nameOf(value) : "")),
      output: outputs.map(nameOf),
      name: `${scope}${scope === "" ? "" : "/"}${op}_${i}`,
      opType: op,
      ...(domain !== "" && { domain }),
      attribute: Object.entries(attributes).map(([name, value]) => encodeAttribute(name, value)),
    });
  });
  // a value that is an output twice, or an output and a leaf, needs a node that gives it the other name
  for (const [name, value] of graph.outputs) {
    if (nameOf(value) !== name) {
      nodes.push({
        input: [nameOf(value)],
        output: [name],
        name: `Identity_${nodes.length - graph.constants.size}`,
        opType: "Identity",
        attribute: [],
      });
    }
  }
  const output = [...graph.outputs].map(([name, value]) => valueInfo(name, value));
  if (sequence !== undefined) {
    nodes.push({ input: [], output: [sequence], name: sequence, opType: "SequenceEmpty", attribute: [] });
    output.unshift({
      name: sequence,
      type: { sequenceType: { elemType: { tensorType: { elemType: ONNX_TYPE.float32 } } } },
    });
  }
  const initializer: TensorProto[] = [];
  const inputs = [...graph.inputs];
  for (const value of graph.parameters) {
    const elsewhere = external?.get(value.name);
    const data = weights?.get(value.name);
    if (elsewhere) initializer.push(externalTensor(value, elsewhere));
    else if (data) initializer.push(encodeTensor(data, value.name));
    else inputs.push(value);
  }
  return {
    node: nodes,
    name: graph.name,
    initializer,
    input: inputs.map((value) => valueInfo(value.name, value)),
    output,
  };
}

function valueInfo(name: string, { dtype, shape }: TensorType): ValueInfoProto {
  return { name, type: { tensorType: { elemType: ONNX_TYPE[dtype], shape: { dim: shape.map(dimension) } } } };
}

function dimension(dim: Dim): { dimValue: number } | { dimParam: string } {
  return typeof dim === "number" ? { dimValue: dim } : { dimParam: dim };
}

function externalTensor({ name, dtype, shape }: Value, { location, offset, length }: ExternalData): TensorProto {
  const entries = Object.entries({ location, offset: String(offset), length: String(length) });
  return {
    name,
    dims: shape.map(Number),
    dataType: ONNX_TYPE[dtype],
    dataLocation: EXTERNAL,
    externalData: entries.map(([key, value]) => ({ key, value })),
  };
}

function encodeAttribute(name: string, value: Attribute): AttributeProto {
  const utf8 = (text: string) => new TextEncoder().encode(text);
  if (value instanceof Float) return { name, f: value.value, type: ATTRIBUTE_TYPE.float };
  if (value instanceof Float32Array) return { name, floats: Array.from(value), type: ATTRIBUTE_TYPE.floats };
  if (value instanceof Graph) return { name, g: encodeGraph(value, {}), type: ATTRIBUTE_TYPE.graph };
  if (typeof value === "number") return { name, i: BigInt(value), type: ATTRIBUTE_TYPE.int };
  if (typeof value === "string") return { name, s: utf8(value), type: ATTRIBUTE_TYPE.string };
  if ("dtype" in value) return { name, t: encodeTensor(value), type: ATTRIBUTE_TYPE.tensor };
  const strings = value.filter((item) => typeof item === "string");
  if (strings.length > 0) return { name, strings: strings.map(utf8), type: ATTRIBUTE_TYPE.strings };
  return { name, ints: (value as readonly number[]).map(BigInt), type: ATTRIBUTE_TYPE.ints };
}

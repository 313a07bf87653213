import {
  type Attribute,
  type Dim,
  Graph,
  numel,
  product,
  type Shape,
  type TensorData,
  type TensorType,
  tensor,
  type Value,
} from "../graph/index.ts";
import { OPERATORS, Ops } from "../operators/index.ts";
import { type Placed, Placement, prune } from "../passes/index.ts";
import { decodeAttributes } from "./attributes.ts";
import { dequantizeNodes } from "./dequantize.ts";
import { PRODUCER } from "./encode.ts";
import { ensure, notOnnx, OnnxError, quote } from "./error.ts";
import { parameterNames } from "./leaves.ts";
import { decodeModel, type GraphProto, type ModelProto, type NodeProto, type ValueInfoProto } from "./proto.ts";
import { decodeTensor, type ExternalResolver, toNumber, typeOf } from "./tensor.ts";
import { isUpgraded, OPSETS, upgrade } from "./upgrade.ts";

/** How an .onnx file is read. */
export interface DecodeOptions {
  /**
   * Leave out what is known before the graph runs (the arithmetic of shapes that exporters write: Shape → Gather → Concat →
   * Reshape) and what no output needs. Default true; false keeps every node.
   */
  fold?: boolean;
  /**
   * Name for the size of axis 0 of the first input, such as `"N"`, also where the exporter fixed it. Other inputs whose axis 0
   * has the same size follow.
   */
  batch?: string;
  /** Other shapes for inputs, by name. Needed where the file does not say the height and width of images. */
  inputs?: Readonly<Record<string, Shape>>;
  /**
   * Quantized networks in real numbers: weights get the numbers that their integers stand for, and nothing is rounded, so that the
   * network can be trained. Default false: integers are computed with.
   */
  dequantize?: boolean;
  /** Gets at weights that lie in other files. */
  external?: ExternalResolver;
}

/** A model that was read from an .onnx file. */
export interface OnnxModel {
  readonly graph: Graph;
  /** Numbers of the graph's parameters by name. They may view the bytes of the file. */
  readonly weights: Map<string, TensorData>;
  readonly metadata: Readonly<Record<string, string>>;
  /** The program that wrote the file. */
  readonly producer: string;
  /** Opset of the file; the graph is in that of `encode`. */
  readonly opset: number;
  /**
   * Batch normalizations that the exporter folded into the convolutions before them, as far as the file says so. PyTorch's default
   * exporter does this and leaves a note at each node.
   */
  readonly foldedNorms?: number;
}

/**
 * Reads the graph and the weights of an .onnx file of any opset from 1 to 23. Graphs that `encode` wrote come back one to one;
 * those of other programs are translated to opset 17.
 *
 *     const { graph, weights } = decode(bytes);
 *
 * Throws an OnnxError if the file is damaged, or if it needs something that is not supported.
 */
export function decode(bytes: Uint8Array, options: DecodeOptions = {}): OnnxModel {
  const model = readModel(bytes);
  const source = new Source(model, options);
  const { batch } = options;
  const graph = source.build(options);
  const fixed = batch === undefined ? undefined : source.fixedBatch;
  if (batch !== undefined && fixed !== undefined)
    checkFreed(graph, source.build({ ...options, batch: fixed }), batch, fixed);
  const weights = new Map(graph.parameters.map(({ name }) => [name, source.weights.get(name)!]));
  const metadata = Object.fromEntries((model.metadataProps ?? []).map(({ key = "", value = "" }) => [key, value]));
  const foldedNorms = (model.graph?.node ?? []).filter(isFoldedNorm).length;
  return { graph, weights, metadata, producer: model.producerName ?? "", opset: source.opset, foldedNorms };
}

/** Whether PyTorch's exporter folded a batch normalization into this node: it notes the rule that it applied. */
const isFoldedNorm = ({ metadataProps = [] }: NodeProto): boolean =>
  metadataProps.some(({ key = "", value = "" }) => key.endsWith("rewriter.rule_name") && /FuseBatchNorm/i.test(value));

function readModel(bytes: Uint8Array): ModelProto {
  try {
    return decodeModel(bytes);
  } catch (error) {
    throw new OnnxError(notOnnx(bytes.subarray(0, 300), error as Error), { cause: error });
  }
}

/** Inputs and weights together, ten times those of the deepest networks for images. */
const MAX_LEAVES = 20_000;

/** A graph of the file and its opset. */
class Source {
  readonly opset: number;
  readonly weights = new Map<string, TensorData>();
  readonly #graph: GraphProto;
  readonly #nodes: readonly NodeProto[];
  readonly #parameters: ReadonlySet<string>;

  constructor(
    { graph, irVersion, opsetImport = [], producerName, functions = [] }: ModelProto,
    { external, dequantize = false }: DecodeOptions,
  ) {
    ensure(graph?.node?.length || graph?.output?.length, () => "this is no ONNX file: it holds no graph");
    ensure(functions.length === 0, () => "the model defines operators of its own, which is not supported");
    const leaves = (graph.input?.length ?? 0) + (graph.initializer?.length ?? 0);
    ensure(leaves <= MAX_LEAVES, () => `the model has ${leaves} inputs and weights; up to ${MAX_LEAVES} are read`);
    this.#graph = graph;
    const own = opsetImport.find(({ domain = "" }) => domain === "" || domain === "ai.onnx");
    // the first two versions of the format had none, which means 1
    ensure(
      own || (irVersion !== undefined && Number(irVersion) < 3),
      () => "the model does not say which opset it is written in; export it again",
    );
    this.opset = toNumber(own?.version ?? 1, () => "the opset");
    ensure(
      this.opset >= OPSETS.oldest && this.opset <= OPSETS.newest,
      () =>
        `the model is written in opset ${this.opset}; opsets ${OPSETS.oldest} to ${OPSETS.newest} are understood, export it in one of them`,
    );
    for (const proto of graph.initializer ?? []) {
      const name = proto.name ?? "";
      ensure(
        name !== "" && !this.weights.has(name),
        () => `the initializer ${quote(name)} stands twice, or has no name`,
      );
      this.weights.set(name, decodeTensor(proto, `the initializer ${quote(name)}`, external));
    }
    const nodes = this.#withoutSharing(graph, producerName === PRODUCER);
    this.#nodes = dequantize ? dequantizeNodes(nodes, this.weights) : nodes;
    const candidates = new Map(
      [...this.weights].flatMap(([name, { dtype, shape }]) => (/float/.test(dtype) ? [[name, numel(shape)]] : [])),
    );
    const names = { ...graph, node: [...this.#nodes] };
    this.#parameters = producerName === PRODUCER ? new Set(this.weights.keys()) : parameterNames(names, candidates);
  }

  /**
   * PyTorch's exporter stores weights with equal numbers once, and reads them through Identity nodes that have the names of the
   * others. They are weights of their own again. So are tensors in Constant nodes, where other exporters keep weights.
   */
  #withoutSharing({ node: nodes = [], output = [] }: GraphProto, isOurs: boolean): readonly NodeProto[] {
    const outputs = new Set(output.map(({ name }) => name));
    return nodes.filter(({ opType, domain = "", input = [], output: [name] = [], attribute = [] }) => {
      const [given] = attribute;
      if (opType === "Constant" && !isOurs && given?.t?.dims?.length && name && !outputs.has(name)) {
        if (this.weights.has(name) || attribute.length > 1) return true;
        this.weights.set(name, decodeTensor(given.t, `the constant ${quote(name)}`));
        return false;
      }
      const data = opType === "Identity" && domain === "" ? this.weights.get(input[0] ?? "") : undefined;
      if (!data || !name || outputs.has(name) || this.weights.has(name)) return true;
      this.weights.set(name, data);
      return false;
    });
  }

  get #inputs(): readonly ValueInfoProto[] {
    return (this.#graph.input ?? []).filter(({ name = "" }) => !this.weights.has(name));
  }

  /** The size of axis 0 of the first input, where it is a number. */
  get fixedBatch(): number | undefined {
    const [first] = this.#inputs;
    const size = first && inputType(first).shape[0];
    return typeof size === "number" ? size : undefined;
  }

  build({ fold = true, batch, inputs = {} }: Pick<DecodeOptions, "fold" | "inputs"> & { batch?: Dim }): Graph {
    const graph = new Graph(this.#graph.name ?? "");
    const from = this.fixedBatch;
    const freed = batch !== undefined && from !== undefined && batch !== from ? { from, to: batch } : undefined;
    const ops = new Ops(graph);
    const place = new Placement(ops, { fold, batch: freed });
    const values = new Map<string, Placed>();
    const define = (name: string, place: () => Placed) => {
      ensure(name !== "" && !values.has(name), () => `the value ${quote(name)} is computed twice, or has no name`);
      values.set(name, place());
    };
    const [firstInput] = this.#inputs;
    const common = firstInput && (inputs[firstInput.name ?? ""] ?? inputType(firstInput).shape)[0];
    for (const info of this.#inputs) {
      const { dtype, shape: declared } = inputType(info);
      const name = info.name ?? "";
      const given = Object.hasOwn(inputs, name) ? inputs[name]! : declared;
      const shape = batch !== undefined && given[0] === common ? [batch, ...given.slice(1)] : given;
      define(name, () => place.leaf(graph.adopt("inputs", { name, dtype, shape })));
    }
    for (const [name, data] of this.weights) {
      if (!this.#parameters.has(name)) define(name, () => place.constant(data, name));
      else define(name, () => place.leaf(graph.adopt("parameters", { name, dtype: data.dtype, shape: data.shape })));
    }
    this.#nodes.forEach((node, i) => {
      const what = `${node.opType?.slice(0, 60) ?? "a node"} (node ${quote(node.name || i)})`;
      ops.scope = scopeOf(node.name ?? "");
      for (const [name, placed] of placeNode(node, what, this.opset, place, values)) define(name, () => placed);
    });
    const outputs = this.#graph.output ?? [];
    ensure(outputs.length > 0, () => "the graph has no output");
    for (const { name = "" } of outputs) {
      const placed = values.get(name);
      ensure(placed && !graph.outputs.has(name), () => `the output ${quote(name)} is not computed, or stands twice`);
      graph.outputs.set(name, placed.value());
    }
    return fold ? prune(graph) : graph;
  }
}

function placeNode(
  node: NodeProto,
  what: string,
  opset: number,
  place: Placement,
  values: ReadonlyMap<string, Placed>,
): readonly (readonly [string, Placed])[] {
  const { opType: op = "", input = [], output = [], attribute = [] } = node;
  const domain = node.domain === "ai.onnx" ? "" : (node.domain ?? "");
  const known = Object.hasOwn(OPERATORS, domain === "" ? op : `${domain}.${op}`);
  ensure(
    known || (domain === "" && (op === "Constant" || isUpgraded(op))),
    () =>
      `${what}: the operator is not supported; it is ${domain === "" ? "one of ONNX's own domain" : `of the domain ${quote(domain)}`}`,
  );
  const attributes = decodeAttributes(attribute, what);
  const inputs = input.map((name) => {
    if (name === "") return undefined;
    const placed = values.get(name);
    ensure(placed, () => `${what} reads ${quote(name)}, which nothing before it computes`);
    return placed;
  });
  // optional outputs at the end may be left out by an empty name
  const used = output.findLastIndex((name) => name !== "") + 1;
  const names = output.slice(0, used).map((name, i) => name || `${op}_unused_${i}`);
  ensure(used > 0, () => `${what} computes nothing`);
  if (op === "Constant" && domain === "") {
    ensure(names.length === 1, () => `${what} has more than one output`);
    return [[names[0]!, place.constant(constantOf(attributes, what), names[0])]];
  }
  try {
    const given = { op, domain, inputs, attributes, scope: place.ops.scope, outputs: names };
    const upgraded = domain === "" ? upgrade(given, opset, place) : given;
    const placed = place.place(upgraded);
    return placed.map((value, i) => [output[i] || names[i]!, value] as const);
  } catch (error) {
    throw error instanceof OnnxError ? error : new OnnxError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

/** The tensor of a Constant node, in whichever of its attributes. */
function constantOf(attributes: Readonly<Record<string, Attribute>>, what: string): TensorData {
  const { value, value_float, value_floats, value_int, value_ints } = attributes;
  if (value && typeof value === "object" && "dtype" in value) return value;
  if (value_float && typeof value_float === "object" && "value" in value_float)
    return tensor("float32", [], Float32Array.of(value_float.value));
  if (value_floats instanceof Float32Array) return tensor("float32", [value_floats.length], value_floats);
  if (typeof value_int === "number") return tensor("int64", [], BigInt64Array.of(BigInt(value_int)));
  if (Array.isArray(value_ints)) {
    const numbers = (value_ints as readonly number[]).map(BigInt);
    return tensor("int64", [numbers.length], BigInt64Array.from(numbers));
  }
  throw new OnnxError(
    `${what} holds ${Object.keys(attributes).join(", ") || "nothing"}; only tensors and numbers are supported`,
  );
}

/**
 * Path of the module that a node belongs to. Ours are written before the operator; PyTorch's names are paths of paths
 * ("/layer1/layer1.0/conv1/Conv" is of layer1.0.conv1).
 */
function scopeOf(name: string): string {
  const parts = name.split("/").slice(0, -1);
  if (parts[0] !== "" || parts.length === 0) return parts.join("/");
  let path = "";
  for (const part of parts.slice(1)) path = path === "" || part.startsWith(`${path}.`) ? part : `${path}.${part}`;
  return path;
}

function inputType({ name = "", type }: ValueInfoProto): TensorType {
  const { elemType = 0, shape } = type?.tensorType ?? {};
  const what = `the input ${quote(name)}`;
  ensure(type?.tensorType, () => `${what} is no tensor`);
  ensure(shape, () => `${what} has no shape; export the model with one`);
  const dims = (shape.dim ?? []).map(({ dimValue, dimParam }, axis): Dim => {
    const size = dimValue === undefined ? -1 : toNumber(dimValue, () => `a size of ${what}`);
    return size >= 0 ? size : sizeName(dimParam ?? "", name, axis);
  });
  return { dtype: typeOf(elemType, what), shape: dims };
}

/** A name for a size that is not known. Products are taken apart; anything else that looks like arithmetic is one name. */
function sizeName(given: string, input: string, axis: number): Dim {
  const parts = given.split("*").map((part) => part.trim());
  const fits = parts.every((part) => /^(\d{1,9}|[A-Za-z_][\w.:-]{0,60})$/.test(part));
  if (fits) return product(parts.map((part) => (/^\d/.test(part) ? Number(part) : part)));
  return axis === 0 && given === "" ? "N" : `${input.replace(/\W+/g, "_").slice(0, 40)}_${axis}`;
}

/** Demands that a graph freed of a fixed batch is, at that batch, the graph it was, and keeps the batch apart at any other. */
function checkFreed(freed: Graph, fixed: Graph, batch: string, size: number): void {
  const partOf = (name: string, before: Shape | undefined, shape: Shape) =>
    `the batch size ${size} is part of the model: ${quote(name)} has the shape [${before}], but would have [${shape}]; export the model with a dynamic batch axis`;
  const types = new Map(valuesOf(fixed).map(({ name, shape }) => [name, shape]));
  const at = (dim: Dim) =>
    typeof dim === "number"
      ? dim
      : product(dim.split("*").map((part) => (part === batch ? size : /^\d/.test(part) ? Number(part) : part)));
  for (const { op, inputs, outputs } of freed.nodes) {
    for (const { name, shape } of outputs) {
      const before = types.get(name);
      const same = !before || String(shape.map(at)) === String(before);
      // a target without the batch has room for one size of it only
      const whole = op !== "Reshape" || product(shape) === product(inputs[0]!.shape);
      ensure(same && whole, () => partOf(name, before, shape));
    }
  }
  for (const [name, { shape }] of freed.outputs) {
    const before = fixed.outputs.get(name)?.shape;
    ensure(shape[0] === batch || before?.[0] !== size, () => partOf(name, before, shape));
  }
}

const valuesOf = (graph: Graph): readonly Value[] => graph.nodes.flatMap(({ outputs }) => outputs);

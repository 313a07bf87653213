import { attribute, type Node, type Shape } from "../../graph/index.ts";
import { AdaptiveAvgPool2d, AvgPool2d, Dropout, type Module } from "../../nn/index.ts";
import type { Unit } from "./parts.ts";

/** What a layer does, by colour. */
export type Kind =
  | "conv"
  | "pointwise"
  | "linear"
  | "pool"
  | "norm"
  | "activation"
  | "softmax"
  | "join"
  | "dropout"
  | "other";

/** What is written on a layer. */
export interface Face {
  readonly kind: Kind;
  /** "conv", "max pool" or the like. */
  readonly title: string;
  /** "3×3 /2": kernel and what differs from the usual. */
  readonly window?: string;
  /** A short name for use as an addition to the layer before: "BN", "ReLU". */
  readonly short: string;
}

const ACTIVATIONS: Readonly<Record<string, string>> = {
  Relu: "ReLU",
  LeakyRelu: "leaky ReLU",
  PRelu: "PReLU",
  Sigmoid: "sigmoid",
  HardSigmoid: "hard sigmoid",
  Tanh: "tanh",
  Clip: "clip",
  HardSwish: "hard swish",
  Elu: "ELU",
  Selu: "SELU",
  Gelu: "GELU",
  Softplus: "softplus",
  Mish: "mish",
  Erf: "erf",
};

const NORMS: Readonly<Record<string, string>> = {
  BatchNormalization: "batch norm",
  InstanceNormalization: "instance norm",
  LayerNormalization: "layer norm",
  GroupNormalization: "group norm",
  LRN: "LRN",
};

const POOLS: Readonly<Record<string, string>> = {
  MaxPool: "max pool",
  AveragePool: "avg pool",
  GlobalAveragePool: "avg pool",
  GlobalMaxPool: "max pool",
  LpPool: "Lp pool",
};

const JOINS: Readonly<Record<string, string>> = { Concat: "concat", Add: "+", Sum: "+", Mul: "×", Sub: "−", Div: "÷" };

const RESHAPES: Readonly<Record<string, string>> = {
  Flatten: "flatten",
  Reshape: "reshape",
  Squeeze: "reshape",
  Unsqueeze: "reshape",
  Transpose: "transpose",
  Identity: "identity",
  Cast: "cast",
};

/** Operators by the weight they have in the look of a layer that is made of several. */
const PRECEDENCE = [
  (op: string) => op === "Conv" || op === "ConvTranspose",
  (op: string) => op === "Gemm" || op === "MatMul",
  (op: string) => op in POOLS,
  (op: string) => op in NORMS,
  (op: string) => op === "Softmax" || op === "LogSoftmax",
  (op: string) => op === "Concat",
  (op: string) => op in ACTIVATIONS,
  (op: string) => !(op in RESHAPES),
];

/** What to write on a layer, from its operators and, where it is known, its module. */
export function faceOf(unit: Unit): Face {
  const { module, nodes } = unit;
  if (module instanceof Dropout || nodes[0]?.op === "Dropout") return dropout(module, nodes[0]);
  const main = mainNode(nodes);
  const pooled = pooling(module, nodes);
  if (pooled) return face("pool", pooled.title, pooled.window);
  // a module of one's own with several operators is known by its class
  if (module && nodes.length > 1 && module.type !== "" && isOwn(nodes))
    return { ...nodeFace(main, unit), title: module.type, short: module.type };
  return nodeFace(main, unit);
}

function mainNode(nodes: readonly Node[]): Node {
  for (const matches of PRECEDENCE) {
    const found = nodes.find(({ op }) => matches(op));
    if (found) return found;
  }
  return nodes[0]!;
}

/** Whether several operators matter, so that none of them can name the layer. */
function isOwn(nodes: readonly Node[]): boolean {
  return nodes.filter(({ op }) => !(op in RESHAPES) && op !== "Pad" && op !== "Shape").length > 1 && !isAffine(nodes);
}

/** x·W + b, written as two operators. */
function isAffine(nodes: readonly Node[]): boolean {
  return nodes.every(({ op }) => op === "MatMul" || op === "Add" || op in RESHAPES);
}

function face(kind: Kind, title: string, window?: string, short = title): Face {
  return { kind, title, short, ...(window && { window }) };
}

function dropout(module: Module | undefined, node: Node | undefined): Face {
  const rate = module instanceof Dropout ? module.p : node?.attributes.ratio && attribute.float(node, "ratio");
  return face("dropout", "dropout", rate === undefined ? undefined : `${Number(rate)}`);
}

/** Averages that are spelled as products with a fixed matrix, or as a mean over height and width. */
function pooling(module: Module | undefined, nodes: readonly Node[]): { title: string; window?: string } | undefined {
  const [first] = nodes;
  const before = first?.inputs[0]?.shape ?? [];
  const after = nodes.at(-1)?.outputs[0]?.shape ?? [];
  if (nodes.some(({ op }) => op in POOLS)) return undefined;
  if (module instanceof AdaptiveAvgPool2d || module instanceof AvgPool2d)
    return { title: "avg pool", window: `→ ${after.slice(2).join("×")}` };
  const means = nodes.length === 1 && first?.op === "ReduceMean" && before.length === 4;
  const spatial = after.length === 2 || (after[2] === 1 && after[3] === 1);
  return means && spatial && after[1] === before[1] ? { title: "avg pool", window: "global" } : undefined;
}

function nodeFace(node: Node, { reads }: Unit): Face {
  const { op } = node;
  if (op === "Conv" || op === "ConvTranspose") return convolution(node);
  if (op === "Gemm") return face("linear", "linear");
  if (op === "MatMul" && reads.length > 1) return face("other", "matmul");
  // a product over the pixels of maps: averages over windows are spelled so where they divide unevenly
  if (op === "MatMul" && mapSize(node.outputs[0]!.shape)) return face("pool", "resample");
  if (op === "MatMul") return face("linear", "linear");
  if (op in POOLS) return face("pool", POOLS[op]!, op.startsWith("Global") ? "global" : poolWindow(node));
  if (op === "BatchNormalization") return face("norm", NORMS[op]!, undefined, "BN");
  if (op in NORMS) return face("norm", NORMS[op]!);
  if (op === "Softmax") return face("softmax", "softmax");
  if (op === "LogSoftmax") return face("softmax", "log softmax");
  if (op in JOINS && reads.length > 1) return face("join", JOINS[op]!);
  if (op in ACTIVATIONS) return face("activation", ACTIVATIONS[op]!);
  return face("other", RESHAPES[op] ?? op.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase());
}

function convolution(node: Node): Face {
  const kernel = (node.inputs[1]?.shape ?? []).slice(2);
  const groups = attribute.int(node, "group", 1);
  const strides = attribute.ints(node, "strides", [1, 1]);
  const dilations = attribute.ints(node, "dilations", [1, 1]);
  const each = groups > 1 && groups === node.inputs[0]?.shape[1];
  const window = [
    kernel.join("×"),
    ...marked("/", strides),
    ...marked("dil ", dilations),
    ...(groups > 1 && !each ? [`${groups} groups`] : []),
  ].join(" ");
  if (node.op === "ConvTranspose") return face("conv", "upconv", window);
  if (each) return face("conv", "depthwise", window);
  return face(kernel.every((size) => size === 1) && groups === 1 ? "pointwise" : "conv", "conv", window);
}

function poolWindow(node: Node): string {
  const kernel = attribute.ints(node, "kernel_shape");
  return [kernel.join("×"), ...marked("/", attribute.ints(node, "strides", [1, 1]))].join(" ");
}

/** Sizes with a mark before it, or nothing where all are 1. */
function marked(mark: string, sizes: readonly number[]): string[] {
  if (sizes.every((size) => size === 1)) return [];
  return [`${mark}${sizes.every((size) => size === sizes[0]) ? sizes[0] : sizes.join("×")}`];
}

/** Sizes without that of the batch. */
export function perSample(shape: Shape): Shape {
  return shape.length > 1 ? shape.slice(1) : shape;
}

/** Height and width of maps; undefined for vectors. */
export function mapSize(shape: Shape): readonly [number, number] | undefined {
  const [H, W] = shape.slice(2);
  return shape.length === 4 && typeof H === "number" && typeof W === "number" ? [H, W] : undefined;
}

/** Whether an operator only joins the axes of maps into one. */
export function flattens({ nodes: [node, ...others] }: Unit): boolean {
  const shape = node?.outputs[0]?.shape ?? [];
  return (
    node !== undefined && others.length === 0 && node.op in RESHAPES && node.op !== "Transpose" && shape.length <= 2
  );
}

import { attribute, type Node, type Value } from "../../graph/index.ts";
import { AdaptiveAvgPool2d, AvgPool2d, Dropout, type Module } from "../../nn/index.ts";
import { findOperator, type Kind } from "../../operators/index.ts";
import { isChannelShuffle } from "./shuffle.ts";
import { mapSize } from "./sizes.ts";

export type { Kind } from "../../operators/index.ts";

/** The operators of a layer, with its module if it is known. */
export interface Operators {
  /** Empty if a layer passes its input on, as Dropout does outside training. */
  readonly nodes: readonly Node[];
  readonly module: Module | undefined;
  readonly reads: readonly Value[];
}

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

const kindOf = ({ op, domain }: Node): Kind => findOperator(op, domain)?.kind ?? "other";

/** Whether a node only moves, reshapes or casts elements. */
const rearranges = ({ op, domain }: Node): boolean => findOperator(op, domain)?.keeps === "elements";

const isKind = (kind: Kind) => (node: Node) => kindOf(node) === kind;

/** Operators by how much they decide how a layer of several looks. */
const PRECEDENCE: readonly ((node: Node) => boolean)[] = [
  ...(["conv", "linear", "pool", "norm", "softmax"] as const).map(isKind),
  ({ op }) => op === "Concat",
  isKind("activation"),
  (node) => !rearranges(node),
];

/** What to write on a layer, from its operators and, if known, its module. */
export function faceOf(unit: Operators): Face {
  const { module, nodes } = unit;
  if (module instanceof Dropout || nodes[0]?.op === "Dropout") return dropout(module, nodes[0]);
  const main = mainNode(nodes);
  const pooled = pooling(module, nodes);
  if (pooled) return face("pool", pooled.title, pooled.window);
  // several operators, or one that serves several layers, do not say what a module does: its type does
  if (module && module.type !== "" && ((nodes.length > 1 && isOwn(nodes)) || isVague(nodes)))
    return { ...nodeFace(main, unit), title: module.type, short: module.type };
  const shuffles = nodes.length === 3 && isChannelShuffle(nodes);
  return { ...nodeFace(main, unit), ...(shuffles && { title: "channel shuffle", short: "shuffle" }) };
}

function mainNode(nodes: readonly Node[]): Node {
  for (const matches of PRECEDENCE) {
    const found = nodes.find(matches);
    if (found) return found;
  }
  return nodes[0]!;
}

/** Whether several operators matter, so that none of them can name the layer. */
function isOwn(nodes: readonly Node[]): boolean {
  const computing = nodes.filter((node) => !rearranges(node) && node.op !== "Pad" && node.op !== "Shape");
  return computing.length > 1 && !isAffine(nodes);
}

/** Limits to any range, or several operators that only move elements. */
function isVague(nodes: readonly Node[]): boolean {
  return nodes.length === 1 ? nodes[0]!.op === "Clip" : nodes.every(rearranges);
}

/** x·W + b, written as two operators. */
function isAffine(nodes: readonly Node[]): boolean {
  return nodes.every((node) => node.op === "MatMul" || node.op === "Add" || rearranges(node));
}

function face(kind: Kind, title: string, window?: string, short = title): Face {
  return { kind, title, short, ...(window && { window }) };
}

function dropout(module: Module | undefined, node: Node | undefined): Face {
  const rate = module instanceof Dropout ? module.p : node?.attributes.ratio && attribute.float(node, "ratio");
  return face("dropout", "dropout", rate === undefined ? undefined : `${Number(rate)}`);
}

/** Averages written as products with a constant matrix, or as a mean over height and width. */
function pooling(module: Module | undefined, nodes: readonly Node[]): { title: string; window?: string } | undefined {
  const [first] = nodes;
  const before = first?.inputs[0]?.shape ?? [];
  const after = nodes.at(-1)?.outputs[0]?.shape ?? [];
  if (nodes.some(isKind("pool"))) return undefined;
  if (module instanceof AdaptiveAvgPool2d || module instanceof AvgPool2d)
    return { title: "avg pool", window: `→ ${after.slice(2).join("×")}` };
  const means = nodes.length === 1 && first?.op === "ReduceMean" && before.length === 4;
  const spatial = after.length === 2 || (after[2] === 1 && after[3] === 1);
  return means && spatial && after[1] === before[1] ? { title: "avg pool", window: "global" } : undefined;
}

function nodeFace(node: Node, { reads }: Operators): Face {
  const { op, domain } = node;
  const name = op.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  const { kind = "other", title = name, short } = findOperator(op, domain) ?? {};
  if (kind === "conv") return convolution(node, title);
  if (kind === "pool") return face(kind, title, op.startsWith("Global") ? "global" : poolWindow(node));
  if (kind === "join" && reads.length <= 1) return face("other", name);
  if (op === "MatMul" && reads.length > 1) return face("other", "matmul");
  // a product over the pixels of maps: windows that divide the maps unevenly are averaged so
  if (op === "MatMul" && mapSize(node.outputs[0]!.shape)) return face("pool", "resample");
  return face(kind, title, undefined, short);
}

function convolution(node: Node, title: string): Face {
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
  if (node.op === "ConvTranspose") return face("conv", title, window);
  if (each) return face("conv", "depthwise", window);
  return face(kernel.every((size) => size === 1) && groups === 1 ? "pointwise" : "conv", title, window);
}

function poolWindow(node: Node): string {
  const kernel = attribute.ints(node, "kernel_shape");
  return [kernel.join("×"), ...marked("/", attribute.ints(node, "strides", [1, 1]))].join(" ");
}

/** Sizes with a mark in front, or nothing if all are 1. */
function marked(mark: string, sizes: readonly number[]): string[] {
  if (sizes.every((size) => size === 1)) return [];
  return [`${mark}${sizes.every((size) => size === sizes[0]) ? sizes[0] : sizes.join("×")}`];
}

/** Whether operators only flatten maps to vectors. */
export function flattens([node, ...others]: readonly Node[]): boolean {
  const shape = node?.outputs[0]?.shape ?? [];
  return node !== undefined && others.length === 0 && rearranges(node) && node.op !== "Transpose" && shape.length <= 2;
}

import { attribute, isStatic, type Node, type Value } from "../graph/index.ts";
import { lowerForEmulation } from "./emulated.ts";
import { sliceParts } from "./layout.ts";
import { localEnergy } from "./normalization.ts";
import { Application, input } from "./operator.ts";
import { knownIn, type Ops } from "./ops.ts";
import { windowOf } from "./window.ts";

/*
 * Two kinds of operators are written in others on WebGPU: those that ONNX Runtime 1.30 lacks there, and so would compute on the CPU
 * after copying everything, and those that it computes wrongly. The latter were found by running this project's operator tests
 * on that provider, and are explained by its source (core/providers/webgpu).
 */

/** The outputs of a node written in other operators where WebGPU needs that; undefined to keep the node. */
export function lowerForWebGpu(g: Ops, node: Node, inputs: Node["inputs"]): readonly Value[] | undefined {
  if (node.domain !== "") return undefined;
  if (node.op === "Split") return manyParts(g, node, inputs[0]!);
  const value = (g.target === "webgpu-emulated" && lowerForEmulation(g, node, inputs)) || lowered(g, node, inputs);
  return value && [value];
}

function lowered(g: Ops, node: Node, inputs: Node["inputs"]): Value | undefined {
  switch (node.op) {
    case "Mul":
    case "Div":
    case "Neg":
      return scaledOnce(g, node, inputs);
    case "Conv":
      return splitsConvolution(node) ? byGroup(g, node, inputs) : paddedConvolution(g, node, inputs);
    case "ConvTranspose":
      return splitsTransposed(node) ? byGroup(g, node, inputs) : undefined;
    case "Slice":
      return flippedSlice(g, node, inputs);
    case "Sum":
      return (inputs as readonly Value[]).reduce((sum, value) => g.add(sum, value));
    case "LogSoftmax":
      return logSoftmax(g, inputs[0]!, attribute.int(node, "axis", -1));
    case "LRN":
      return localResponse(g, node, inputs[0]!);
    case "Equal":
      return inputs[0]!.dtype === "int64" ? equalIndices(g, inputs) : undefined;
    default:
      return undefined;
  }
}

/** Outputs that a kernel can always write beside one input: every GPU allows eight tensors. */
const MOST_PARTS = 7;

/** A Split into more parts than a kernel can write (split.cc), cut out one by one. */
function manyParts(g: Ops, node: Node, x: Value): readonly Value[] | undefined {
  if (node.outputs.length <= MOST_PARTS) return undefined;
  const rank = x.shape.length;
  const axis = (attribute.int(node, "axis", 0) + rank) % rank;
  const sizes = node.outputs.map(({ shape }) => shape[axis]!);
  if (!isStatic(sizes)) return undefined;
  return sizes.map((size, i) => {
    const at = sizes.slice(0, i).reduce((sum: number, before) => sum + (before as number), 0);
    return g.slice(x, [[axis, at, at + (size as number)]]);
  });
}

/** The factor of a node that multiplies by a constant number, and what it multiplies. */
function factorOf(g: Ops, { op }: Pick<Node, "op">, inputs: Node["inputs"]): { x: Value; factor: number } | undefined {
  const number = (value: Value | undefined) => {
    const { dtype, shape, data } = (value && g.graph.constants.get(value)) ?? {};
    return dtype === "float32" && shape!.length === 0 ? Number(data![0]) : undefined;
  };
  const [a, b] = inputs;
  if (a!.dtype !== "float32") return undefined;
  if (op === "Neg") return { x: a!, factor: -1 };
  const factor = number(b);
  if (factor === undefined) return op === "Mul" && number(a) !== undefined ? { x: b!, factor: number(a)! } : undefined;
  if (op === "Mul") return { x: a!, factor };
  return op === "Div" ? { x: a!, factor: 1 / factor } : undefined;
}

/** Factors one after the other as one: what small tensors take on a GPU is the number of operators. */
function scaledOnce(g: Ops, node: Node, inputs: Node["inputs"]): Value | undefined {
  const last = factorOf(g, node, inputs);
  const producer = last && g.graph.producer(last.x);
  const first = producer && producer.domain === "" ? factorOf(g, producer, producer.inputs) : undefined;
  const factor = first && Math.fround(first.factor * last!.factor);
  if (!first || !Number.isFinite(factor) || factor === 0) return undefined;
  return g.mul(first.x, g.scalar(factor!));
}

/** x − max x − log Σ exp(x − max x) along an axis */
function logSoftmax(g: Ops, x: Value, axis: number): Value {
  const below = g.sub(x, g.one("ReduceMax", [x], { axes: [axis] }));
  return g.sub(below, g.log(g.reduceSum(g.exp(below), [axis])));
}

function localResponse(g: Ops, node: Node, x: Value): Value {
  return g.mul(x, g.pow(localEnergy(g, node, x), -attribute.float(node, "beta", 0.75)));
}

/** Whether whole numbers are equal that float32 holds exactly, such as the numbers of classes. */
function equalIndices(g: Ops, inputs: Node["inputs"]): Value {
  const [a, b] = inputs.map((value) => largestAt(g, value!) ?? g.cast(value!, "float32"));
  return g.equal(a!, b!);
}

/**
 * What ArgMax gives, in float32: the first index at which a number is the largest. Its own whole numbers cannot become float32 on
 * WebGPU, so that the GPU would wait for the CPU. Undefined for what another operator gives.
 */
function largestAt(g: Ops, indices: Value): Value | undefined {
  const node = g.graph.producer(indices);
  if (node?.op !== "ArgMax" || attribute.int(node, "select_last_index", 0) === 1) return undefined;
  const x = node.inputs[0]!;
  const axis = (attribute.int(node, "axis", 0) + x.shape.length) % x.shape.length;
  const size = x.shape[axis];
  if (x.dtype !== "float32" || typeof size !== "number") return undefined;
  const all = g.floats(Array.from({ length: size }, (_, i) => i));
  const positions = g.reshape(all, [size, ...x.shape.slice(axis + 1).map(() => 1)]);
  const isLargest = g.equal(x, g.one("ReduceMax", [x], { axes: [axis] }));
  const found = g.where(isLargest, positions, g.scalar(size));
  return g.one("ReduceMin", [found], { axes: [axis], keepdims: attribute.int(node, "keepdims", 1) });
}

/** Numbers that the kernels take at once along channels: the largest of 4, 2 and 1 that divides their count. */
const vectorSize = (count: number) => (count % 4 === 0 ? 4 : count % 2 === 0 ? 2 : 1);

/** Grouped Conv (conv.cc) takes as many outputs at once as divide all of them, although they may be of two groups. */
function splitsConvolution(node: Node): boolean {
  const group = attribute.int(node, "group", 1);
  const O = input(node, 1).shape[0] as number;
  const perGroup = O / group;
  return group > 1 && perGroup >= 4 && perGroup % vectorSize(O) !== 0;
}

/** Grouped ConvTranspose (conv_backprop.cc) with one output a group finds its weights in the wrong place. */
function splitsTransposed(node: Node): boolean {
  const group = attribute.int(node, "group", 1);
  const [C, perGroup] = input(node, 1).shape as readonly number[];
  return group > 1 && perGroup === 1 && vectorSize(C! / group) > 1;
}

/** One node for each group, their outputs joined. */
function byGroup(g: Ops, node: Node, [x, w, bias]: Node["inputs"]): Value {
  const group = attribute.int(node, "group", 1);
  const part = (value: Value, axis: number, i: number) => {
    const size = (value.shape[axis] as number) / group;
    return g.slice(value, [[axis, i * size, (i + 1) * size]]);
  };
  const parts = Array.from({ length: group }, (_, i) => {
    const inputs = [part(x!, 1, i), part(w!, 0, i), ...(bias ? [part(bias, 0, i)] : [])];
    const single: Node = { ...node, inputs, attributes: { ...node.attributes, group: 1 } };
    return paddedConvolution(g, single, inputs) ?? g.one(node.op, inputs, single.attributes);
  });
  return g.concat(parts, 1);
}

/**
 * The kernel for Conv over whole windows (conv2d_mm.cc) reads three input channels at once where their count divides by 3, not
 * by 4, and that of the outputs by 4; beyond 3 channels it then reads others than it should. Channels of zeros avoid that.
 */
function paddedConvolution(g: Ops, node: Node, [x, w, bias]: Node["inputs"]): Value | undefined {
  const [O, C] = w!.shape as readonly number[];
  if (node.op !== "Conv" || attribute.int(node, "group", 1) > 1) return undefined;
  if (C! % 3 !== 0 || C! % 4 === 0 || C === 3 || O! % 4 !== 0) return undefined;
  const { kernel, stride, before, after } = windowOf(node, x!.shape, w!.shape.slice(2) as number[]);
  const product = [...kernel, ...stride].every((size) => size === 1) && [...before, ...after].every((p) => p === 0);
  if (product) return undefined;
  const missing = 4 - (C! % 4);
  const padded = [x!, w!].map((value) => g.pad(value, [0, 0, 0, 0, 0, missing, 0, 0]));
  return g.one("Conv", [...padded, ...(bias ? [bias] : [])], node.attributes);
}

/** A Slice (slice.cc) with a negative step is right only where it starts at the last element. */
function flippedSlice(g: Ops, node: Node, [x]: Node["inputs"]): Value | undefined {
  const parts = sliceParts(new Application(node, knownIn(g.graph, node.inputs)));
  const backwards = parts.filter(({ step }) => step < 0);
  const atEnd = backwards.every(({ axis, start }) => start === (x!.shape[axis] as number) - 1);
  if (atEnd || parts.some(({ size }) => size === 0)) return undefined;
  const forwards = parts.map(({ axis, start, step, size }) => {
    if (step > 0) return [axis, start, start + (size as number) * step, step] as const;
    return [axis, start + ((size as number) - 1) * step, start + 1, -step] as const;
  });
  const flips = backwards.map(({ axis }) => [axis, -1, -(2 ** 31), -1] as const);
  return g.slice(g.slice(x!, forwards), flips);
}

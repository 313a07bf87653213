import {
  type Attributes,
  attribute,
  type Dim,
  isStatic,
  type Node,
  product,
  type Shape,
  sameShape,
  type Value,
} from "../graph/index.ts";
import type { Ops } from "./ops.ts";
import { type ConvGeometry, outputSizes } from "./window.ts";

/*
 * ONNX Runtime's own layout of images on processors, [N, C/block, H, W, block], in which its fastest kernels work.
 */

type Kernels = readonly [number, number, number, number];
type Pair = readonly [number, number];

/** Domain of the operators on that layout. */
const NCHWC = "com.microsoft.nchwc";

/** Pixels of an image up to which products over its pixels alone are too small to run at full speed. */
const SMALL_MAP = 64;

/** The weight of a convolution, of this shape; if `turned`, of the transposed one: [O, C/g, …] for [C, O/g, …], and turned by 180°. */
interface BlockedWeight {
  readonly w: Value;
  readonly shape: Kernels;
  readonly turned: boolean;
  /** The elements of the kernel that are taken, in their order, and how many these are down and across. Default: all. */
  readonly taken?: readonly number[];
  readonly sizes?: Pair;
}

/**
 * A convolution in ONNX Runtime's blocked layout, [N, C/block, H, W, block], which it uses by itself for constant weights only: no
 * columns are built there. Undefined where the channels do not divide into blocks, or where little is gained.
 */
export function blockedConvolution(
  g: Ops,
  x: Value,
  { w, shape: [O, C, kH, kW], turned }: BlockedWeight,
  bias: Value | undefined,
  { window, group }: ConvGeometry,
  block: number,
): Value | undefined {
  const [outH, outW] = outputSizes("Conv", x.shape, window);
  const padding = [...window.before, ...window.after];
  const isDepthwise = group > 1 && C === 1 && O === group;
  if ((group > 1 && !isDepthwise) || O % block !== 0 || padding.some((count) => count < 0)) return undefined;
  // images of few channels are read as they are; where windows touch, ONNX Runtime's columns are as fast
  const isPlain = !isDepthwise && C < block && !turned && window.stride.every((step) => step > 1);
  if (!isDepthwise && !isPlain && (C % block !== 0 || (kH * kW === 1 && outH * outW > SMALL_MAP))) return undefined;
  const weight = { w, shape: [O, C, kH, kW], turned } as const;
  const kernels = isPlain
    ? g.reshape(inBlocks(g, g.reshape(w, [O / block, block, C * kH * kW, 1])), w.shape)
    : blockedKernels(g, weight, isDepthwise, block);
  const images = isPlain ? x : sharedBlocks(g, x, block);
  const attributes = {
    kernel_shape: [kH, kW],
    strides: window.stride,
    dilations: window.dilation,
    pads: padding,
    group,
  };
  return inChannels(
    g,
    nchwc(g, "Conv", [images, kernels, ...(bias ? [bias] : [])], attributes, [x.shape[0]!, O, outH, outW]),
  );
}

/** Adds an operator on the blocked layout. Shapes are [N, C, H, W] all the same. */
export function nchwc(g: Ops, op: string, inputs: Node["inputs"], attributes: Attributes, shape: Shape): Value {
  const dtype = inputs[0]!.dtype;
  return g.graph.add({ op, domain: NCHWC, inputs, attributes, scope: g.scope }, [{ dtype, shape }]).outputs[0]!;
}

/** Images moved into the blocked layout, and back. */
export const inBlocks = (g: Ops, images: Value): Value => nchwc(g, "ReorderInput", [images], {}, images.shape);
export const inChannels = (g: Ops, blocks: Value): Value =>
  nchwc(g, "ReorderOutput", [blocks], { channels: blocks.shape[1] as number }, blocks.shape);

/** How each channel is convolved along one axis. */
interface Along {
  /** 0 height, 1 width. */
  readonly along: 0 | 1;
  readonly block: number;
  /** Size of the output along the axis. */
  readonly size: number;
  readonly stride?: number;
  readonly before?: number;
  readonly after?: number;
  /** What is added, before the activation. */
  readonly sum?: Value | undefined;
  /** Name and parameters. */
  readonly activation?: readonly [name: string, ...parameters: number[]];
}

/** The same weights along one axis for each channel of images in blocks: [N, C, H, W] → the same, but for that axis. */
export function eachChannel(g: Ops, x: Value, weights: readonly number[], options: Along): Value {
  const {
    along,
    block,
    size,
    stride = 1,
    before = 0,
    after = 0,
    sum,
    activation: [activation, ...params] = [],
  } = options;
  const C = x.shape[1] as number;
  const on = (own: number, other: number) => (along === 0 ? [own, other] : [other, own]);
  const kernel = on(weights.length, 1);
  const data = Float32Array.from(
    { length: C * weights.length },
    (_, i) => weights[Math.floor(i / block) % weights.length]!,
  );
  const kernels = g.constant({ dtype: "float32", shape: [C, 1, ...kernel], data });
  const attributes = {
    kernel_shape: kernel,
    strides: on(stride, 1),
    pads: [...on(before, 0), ...on(after, 0)],
    group: C,
    ...(activation && { activation, activation_params: Float32Array.from(params) }),
  };
  return nchwc(g, "Conv", [x, kernels, ...(sum ? [undefined, sum] : [])], attributes, x.shape.with(along + 2, size));
}

/** An axis backwards; ONNX Runtime gathers faster than it cuts with a negative step. */
export function reversed(g: Ops, x: Value, axis: number): Value {
  const size = x.shape[axis] as number;
  return g.one("Gather", [x, g.ints(Array.from({ length: size }, (_, i) => size - 1 - i))], { axis });
}

/**
 * The weight as such a convolution takes it: [O/block, C/block, kernel, input of the block, output of the block], or
 * [O/block, kernel, block] with kernels of a channel each.
 *
 * Filters are moved into the blocks as channels of images are, and whole blocks are gathered then: a Transpose would move single
 * numbers, on one thread.
 */
export function blockedKernels(
  g: Ops,
  { w, shape: [O, C, kH, kW], turned, taken: given, sizes = [kH, kW] }: BlockedWeight,
  isDepthwise: boolean,
  block: number,
): Value {
  const taps = kH * kW;
  const all = [...Array(taps).keys()];
  const taken = given ?? (turned ? all.toReversed() : all);
  const shape = [O, C, ...sizes];
  const isWhole = taken.length === taps && taken.every((tap, i) => tap === i);
  if (isDepthwise) {
    const blocks = g.reshape(inBlocks(g, g.reshape(w, [1, O, kH, kW])), [O / block, taps, block]);
    return g.reshape(isWhole ? blocks : g.one("Gather", [blocks, g.ints(taken)], { axis: 1 }), shape);
  }
  const [outs, ins] = [O / block, C / block];
  // where the block of filters is that belongs at this place
  const at = turned
    ? (out: number, input: number, tap: number) => (input * outs + out) * taps + tap
    : (out: number, input: number, tap: number) => (out * C + input) * taps + tap;
  const images = g.reshape(w, turned ? [C * outs, block, taps, 1] : [outs, block, C * taps, 1]);
  const blocks = g.reshape(turned && taps === 1 ? images : inBlocks(g, images), [C * outs * taps, block]);
  if (taps === 1 && !turned) return g.reshape(blocks, shape);
  const positions = new Int32Array(outs * ins * taken.length * block);
  let next = 0;
  for (let out = 0; out < outs; out++)
    for (let group = 0; group < ins; group++)
      for (const tap of taken) for (let i = 0; i < block; i++) positions[next++] = at(out, group * block + i, tap);
  const gathered = g.one("Gather", [blocks, g.constant({ dtype: "int32", shape: [next], data: positions })], {
    axis: 0,
  });
  return g.reshape(gathered, shape);
}

/** Images in blocks with zeros before and after their pixels along one axis; where these are negative, pixels are cut off. */
export function padded(g: Ops, blocks: Value, along: 0 | 1, [before, after]: Pair, block: number): Value {
  const cut = Math.max(0, -before);
  const weights = Array.from({ length: cut + Math.max(0, -after) + 1 }, (_, i) => (i === cut ? 1 : 0));
  const size = (blocks.shape[along + 2] as number) + before + after;
  const pads = { before: Math.max(0, before), after: Math.max(0, after) };
  return eachChannel(g, blocks, weights, { along, block, size, ...pads });
}

/** Images in blocks whose pixels along one axis take turns: those of the first are followed by those of the second, and so on. */
export function interleaved(g: Ops, phases: readonly Value[], along: 0 | 1, block: number): Value {
  const [first] = phases as [Value];
  if (phases.length === 1) return first;
  const [N, C, H, W] = first.shape as readonly [Dim, number, number, number];
  const rows = product([N, C / block, H, along === 0 ? 1 : W]);
  const length = along === 0 ? W * block : block;
  const turns = g.concat(
    phases.map((phase) => g.reshape(phase, [rows, length])),
    1,
  );
  return g.reshape(turns, first.shape.with(along + 2, [H, W][along]! * phases.length));
}

/** Images in blocks, of before batch and channels became one axis: other convolutions may need the same blocks. */
export function sharedBlocks(g: Ops, images: Value, block: number): Value {
  let found = images;
  let value: Value | undefined = images;
  for (; value; value = g.graph.producer(value)?.op === "Reshape" ? g.graph.producer(value)!.inputs[0] : undefined) {
    const [, channels, ...sizes] = value.shape;
    if (sameShape(sizes, images.shape.slice(2)) && Number(channels) % block === 0) found = value;
  }
  return g.reshape(inBlocks(g, found), images.shape);
}

/** Pixels of a row from which images are shifted in blocks. */
const LONG_ROW = 32;
/** Pixels by which images are shifted at most. */
const FAR = 3;

/** Images shifted by a few rows or columns, by way of blocks: ONNX Runtime pads on one thread. Undefined for other paddings. */
export function shiftedByBlocks(
  g: Ops,
  node: Node,
  [x, given, ...others]: Node["inputs"],
  block: number,
): Value | undefined {
  const pads = given && g.graph.constants.get(given);
  const isPlain = node.op === "Pad" && others.length === 0 && attribute.string(node, "mode", "constant") === "constant";
  if (!isPlain || !pads || x?.dtype !== "float32" || x.shape.length !== 4 || !isStatic(x.shape)) return undefined;
  const counts = Array.from(pads.data, Number);
  const [axis, ...more] = [0, 1, 2, 3].filter((axis) => counts[axis] !== 0 || counts[axis + 4] !== 0);
  if (axis === undefined || axis < 2 || more.length > 0) return undefined;
  const [before, after] = [counts[axis]!, counts[axis + 4]!];
  const isNear = Math.abs(before) <= FAR && Math.abs(after) <= FAR;
  if (!isNear || x.shape[3]! < LONG_ROW || x.shape[1]! % block !== 0) return undefined;
  return inChannels(g, padded(g, sharedBlocks(g, x, block), axis === 2 ? 0 : 1, [before, after], block));
}

/** Channels that divide into blocks of either size. */
const ALIGNED = 16;
/** Pixels below which a Transpose is faster. */
const FEW_PIXELS = 8;

/**
 * A matrix of pixels and channels turned, [pixels, channels] → [channels, pixels], by way of blocks: on all threads. Undefined for other
 * matrices.
 *
 * ONNX Runtime joins a Transpose to the reshapes around it, and moves single numbers of four axes then, five times as slowly.
 */
export function turnedByBlocks(g: Ops, x: Value): Value | undefined {
  if (x.dtype !== "float32" || !isStatic(x.shape)) return undefined;
  const [pixels, channels] = x.shape as readonly [number, number];
  if (pixels < FEW_PIXELS || channels % ALIGNED !== 0 || channels < 4 * pixels) return undefined;
  const shape = [1, channels, pixels, 1];
  const add = (op: string, input: Value, attributes: Attributes) =>
    g.graph.add({ op, domain: NCHWC, inputs: [input], attributes, scope: g.scope }, [{ dtype: x.dtype, shape }])
      .outputs[0]!;
  const blocks = add("ReorderInput", g.reshape(x, [1, pixels, 1, channels]), { channels_last: 1 });
  return g.reshape(add("ReorderOutput", blocks, { channels }), [channels, pixels]);
}

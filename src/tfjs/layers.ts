/** The operators that both forms of models are made of, from TensorFlow's rules to ONNX's. */
import { type Attributes, Float, type TensorData, tensor, type Value } from "../graph/index.ts";
import type { Builder, Held } from "./builder.ts";
import { ensure } from "./error.ts";

/** Height and width. */
export type Pair = readonly [number, number];
/** TensorFlow's padding: `same` gives ceil(input / stride) pixels, and pads one more at the end where the sum is odd. */
export type Padding = "same" | "valid" | { readonly pads: readonly number[] };

/** How a window slides over an image. */
export interface Sliding {
  readonly strides: Pair;
  readonly padding: Padding;
  readonly dilations?: Pair;
}

/** ONNX's attributes of a window. Padding that depends on the size of the image is left to the operator. */
function windowAttributes(kernel: Pair, { strides, padding, dilations = [1, 1] }: Sliding): Attributes {
  const spread = dilations.some((rate) => rate !== 1) ? { dilations } : {};
  const attributes = { kernel_shape: kernel, strides, ...spread };
  if (padding === "valid") return attributes;
  if (padding !== "same") return { ...attributes, pads: padding.pads };
  if (strides.some((stride) => stride !== 1)) return { ...attributes, auto_pad: "SAME_UPPER" };
  const total = kernel.map((size, axis) => dilations[axis]! * (size - 1));
  const before = total.map((count) => Math.floor(count / 2));
  return { ...attributes, pads: [...before, ...total.map((count, axis) => count - before[axis]!)] };
}

/** The weights of a layer with the path that they get. */
export interface LayerWeights {
  readonly path: string;
  readonly kernel: TensorData;
  readonly bias?: TensorData | undefined;
}

function pairOf({ shape }: TensorData, what: string): Pair {
  ensure(shape.length === 4, () => `the ${what} has the shape [${shape}]; four axes are needed`);
  return [shape[0]!, shape[1]!];
}

const biasOf = (b: Builder, { path, bias }: LayerWeights, channels: number): Value[] =>
  bias ? [b.parameter(`${path}.bias`, bias, { shape: [channels] })] : [];

/** Convolution of [N, C, H, W]; kernel [kH, kW, C/groups, O]. */
export function conv(b: Builder, x: Value, weights: LayerWeights, sliding: Sliding): Value {
  const kernel = pairOf(weights.kernel, "kernel");
  const [channels, inside] = [x.shape[1] as number, weights.kernel.shape[2]!];
  const groups = channels / inside;
  ensure(Number.isInteger(groups), () => `the input has ${channels} channels, but the kernel takes ${inside}`);
  const w = b.parameter(`${weights.path}.weight`, weights.kernel, { order: [3, 2, 0, 1] });
  const attributes = windowAttributes(kernel, sliding);
  return b.ops.one(
    "Conv",
    [x, w, ...biasOf(b, weights, weights.kernel.shape[3]!)],
    groups === 1 ? attributes : { ...attributes, group: groups },
  );
}

/** Depthwise convolution of [N, C, H, W]; kernel [kH, kW, C, multiplier]. */
export function depthwise(b: Builder, x: Value, weights: LayerWeights, sliding: Sliding): Value {
  const kernel = pairOf(weights.kernel, "depthwise kernel");
  const [, , channels, multiplier] = weights.kernel.shape as readonly [number, number, number, number];
  ensure(x.shape[1] === channels, () => `the input has ${x.shape[1]} channels, but the kernel takes ${channels}`);
  const w = b.parameter(`${weights.path}.weight`, weights.kernel, {
    order: [2, 3, 0, 1],
    shape: [channels * multiplier, 1, ...kernel],
  });
  return b.ops.one("Conv", [x, w, ...biasOf(b, weights, channels * multiplier)], {
    ...windowAttributes(kernel, sliding),
    group: channels,
  });
}

/** Transposed convolution of [N, C, H, W]; kernel [kH, kW, O, C]. */
export function convTranspose(b: Builder, x: Value, weights: LayerWeights, { strides, padding }: Sliding): Value {
  const kernel = pairOf(weights.kernel, "kernel");
  ensure(padding === "same" || padding === "valid", () => "a transposed convolution has explicit padding");
  const w = b.parameter(`${weights.path}.weight`, weights.kernel, { order: [3, 2, 0, 1] });
  const rest = kernel.map((size, axis) => size - strides[axis]!);
  const before = rest.map((count) => (padding === "same" ? Math.floor(Math.max(count, 0) / 2) : 0));
  const after = rest.map((count, axis) => (padding === "same" ? Math.max(count, 0) - before[axis]! : 0));
  return b.ops.one("ConvTranspose", [x, w, ...biasOf(b, weights, weights.kernel.shape[2]!)], {
    kernel_shape: kernel,
    strides,
    pads: [...before, ...after],
    output_padding: rest.map((count) => Math.max(-count, 0)),
  });
}

interface DenseWeights extends LayerWeights {
  /** The matrix is [O, I]. */
  readonly isTurned?: boolean;
}

/** Product with a matrix [I, O] over the last axis; over the channels of images it is a convolution of single pixels. */
export function dense(b: Builder, x: Held, { path, kernel, bias, isTurned = false }: DenseWeights): Held {
  const [inside, outside, ...more] = isTurned ? kernel.shape.toReversed() : kernel.shape;
  ensure(inside !== undefined && outside !== undefined && more.length === 0, () => `the kernel is [${kernel.shape}]`);
  const { shape } = x.value;
  const given = b.shape(x).at(-1);
  ensure(given === inside, () => `the input has ${given} features, but the kernel takes ${inside}`);
  const pixels = shape.length === 4 ? [1, 1] : [];
  const w = b.parameter(`${path}.weight`, kernel, {
    order: isTurned ? undefined : [1, 0],
    shape: [outside, inside, ...pixels],
  });
  const biases = biasOf(b, { path, kernel, bias }, outside);
  if (shape.length === 4)
    return { value: b.ops.one("Conv", [b.images(x), w, ...biases], { kernel_shape: pixels }), images: true };
  if (shape.length === 2) return { value: b.ops.one("Gemm", [x.value, w, ...biases], { transB: 1 }), images: false };
  const y = b.ops.matmul(x.value, b.ops.transpose(w, [1, 0]));
  return { value: biases[0] ? b.ops.add(y, biases[0]) : y, images: false };
}

/** What batch normalization knows of each channel. Weights that are left out are 1 and 0. */
export interface NormWeights {
  readonly gamma?: TensorData | undefined;
  readonly beta?: TensorData | undefined;
  readonly mean: TensorData;
  readonly variance: TensorData;
}

/** Batch normalization over axis 1. `momentum` is the share of the statistics that is kept. */
export function batchNorm(
  b: Builder,
  x: Value,
  path: string,
  { mean, variance, gamma = filled(mean, 1), beta = filled(mean, 0) }: NormWeights,
  { epsilon, momentum }: { epsilon: number; momentum: number },
): Value {
  const [C] = mean.shape;
  ensure(x.shape[1] === C, () => `the input has ${x.shape[1]} channels, but there are statistics of ${C}`);
  const stored = { weight: gamma, bias: beta, running_mean: mean, running_var: variance };
  const inputs = Object.entries(stored).map(([name, data]) => b.parameter(`${path}.${name}`, data));
  const attributes = { epsilon: new Float(epsilon), momentum: new Float(momentum) };
  return b.ops.one("BatchNormalization", [x, ...inputs], attributes);
}

const made = new WeakMap<TensorData, Map<number, TensorData>>();

/**
 * A tensor of one number, the same for the same tensor, so that a layer that is used twice has its weights once. That tensor is read before: a
 * file may claim shapes for which it has no numbers.
 */
function filled(like: TensorData, value: number): TensorData {
  const known = made.get(like) ?? new Map<number, TensorData>();
  made.set(like, known);
  const data = known.get(value) ?? tensor("float32", like.shape, new Float32Array(like.data.length).fill(value));
  known.set(value, data);
  return data;
}

/** Largest or mean number under a window. The mean leaves padding out, as TensorFlow does. */
export function pool(b: Builder, x: Value, kind: "max" | "average", size: Pair, sliding: Sliding): Value {
  return b.ops.one(kind === "max" ? "MaxPool" : "AveragePool", [x], windowAttributes(size, sliding));
}

/** Largest or mean number of each channel, [N, C, 1, 1]. */
export const globalPool = (b: Builder, x: Value, kind: "max" | "average"): Value =>
  b.ops.one(kind === "max" ? "GlobalMaxPool" : "GlobalAveragePool", [x]);

/** How TensorFlow finds the pixel that a pixel of a resized image comes from. */
export interface ResizeRule {
  readonly mode: "nearest" | "bilinear";
  readonly alignCorners?: boolean;
  readonly halfPixel?: boolean;
}

/** Images [N, C, H, W] of another size, in pixels. */
export function resize(b: Builder, x: Value, [height, width]: Pair, rule: ResizeRule): Value {
  const { mode, alignCorners = false, halfPixel = false } = rule;
  const coordinates = alignCorners ? "align_corners" : halfPixel ? "half_pixel" : "asymmetric";
  const nearest = alignCorners ? "round_prefer_ceil" : "floor";
  const attributes = {
    mode: mode === "nearest" ? "nearest" : "linear",
    coordinate_transformation_mode: coordinates,
    ...(mode === "nearest" && { nearest_mode: nearest }),
  };
  const [, , fromHeight, fromWidth] = x.shape;
  ensure(
    typeof fromHeight === "number" && typeof fromWidth === "number",
    () => `the size of [${x.shape}] is not known`,
  );
  const scales = Float32Array.of(1, 1, scaleOf(fromHeight, height), scaleOf(fromWidth, width));
  return b.ops.one("Resize", [x, undefined, b.ops.constant(tensor("float32", [4], scales))], attributes);
}

/** The factor from one size to another, so that its product, rounded down, is that size also in float32. */
function scaleOf(from: number, to: number): number {
  const factor = Math.fround(to / from);
  return Math.floor(from * factor) === to ? factor : Math.fround(factor * (1 + 2 ** -23));
}

/** Pads with a number; `pads` are [before, after] for each axis of the value. */
export function pad(b: Builder, x: Value, pads: readonly Pair[], value = 0): Value {
  const flat = [...pads.map(([before]) => before), ...pads.map(([, after]) => after)];
  ensure(pads.length === x.shape.length, () => `${pads.length} pads for [${x.shape}]`);
  if (value === 0) return b.ops.pad(x, flat);
  return b.ops.one("Pad", [x, b.ops.ints(flat), b.ops.scalar(value)]);
}

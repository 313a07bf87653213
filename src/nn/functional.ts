/**
 * PyTorch's functions over traced tensors, for networks that hold their weights themselves. Axes: N batch, C (or O) channels,
 * H height, W width. Sizes are in pixels. All throw for unknown options, values of the wrong type, and shapes that do not fit.
 */

import { check, checkOptions, Float, formatShape } from "../graph/index.ts";
import { adaptiveMatrix, averagingMatrix, explicitEnd, separable, type Window, windowOf } from "../operators/index.ts";
import {
  AVG_POOL,
  CONV,
  checkOutputSize,
  checkPositional,
  LRN,
  MAX_POOL,
  type OutputSize,
  pair,
  type Size,
} from "./options.ts";
import type { Tensor } from "./tensor.ts";

/** Options of a convolution. */
export interface ConvOptions {
  /** Pixels between windows. Default 1. */
  stride?: Size;
  /** Zeros around the image, in pixels; "same" keeps the size (with stride 1 only), "valid" is 0. Default 0. */
  padding?: Size | "same" | "valid";
  /** Pixels between the elements of the kernel. Default 1. */
  dilation?: Size;
  /** Groups of channels that are convolved separately. Default 1. */
  groups?: number;
}

/** Convolution: x [N, C, H, W], weight [O, C/groups, kH, kW], bias [O] → y [N, O, outH, outW] */
export function conv2d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvOptions = {}): Tensor {
  checkOptions("conv2d", options, CONV);
  const { stride = 1, dilation = 1, groups = 1 } = options;
  const kernel = [weight.shape[2] as number, weight.shape[3] as number] as const;
  return x.wrap(
    x.tracer.ops.one("Conv", [x.value, weight.value, ...(bias ? [bias.value] : [])], {
      kernel_shape: kernel,
      strides: pair(stride),
      pads: convPadding(kernel, options),
      dilations: pair(dilation),
      group: groups,
    }),
  );
}

function convPadding(kernel: readonly [number, number], { padding = 0, stride = 1, dilation = 1 }: ConvOptions) {
  if (padding === "valid") return [0, 0, 0, 0];
  if (padding !== "same") return [...pair(padding), ...pair(padding)];
  check(
    pair(stride).every((step) => step === 1),
    () => 'conv2d: padding "same" needs stride 1',
  );
  const total = pair(dilation).map((step, axis) => step * (kernel[axis]! - 1));
  const before = total.map((pixels) => Math.floor(pixels / 2));
  return [...before, ...total.map((pixels, axis) => pixels - before[axis]!)];
}

/** y = x·weightᵀ + bias: x [..., in], weight [out, in], bias [out] → y [..., out] */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [last, wanted] = [x.shape.at(-1), weight.shape[1]];
  check(
    x.shape.length > 1 && (last === wanted || typeof last === "string"),
    () =>
      `linear: the input ${formatShape(x.shape)} has ${last} features, but the weight takes ${wanted}${x.shape.length > 1 ? "" : "; use x.flatten(1), which keeps the batch, instead of x.flatten()"}`,
  );
  const { ops } = x.tracer;
  if (x.shape.length === 2) {
    return x.wrap(ops.one("Gemm", [x.value, weight.value, ...(bias ? [bias.value] : [])], { transB: 1 }));
  }
  const y = x.matmul(weight.permute(1, 0));
  return bias ? y.add(bias) : y;
}

/** Options of pooling. */
export interface PoolOptions {
  /** Pixels between windows. Default: the kernel's size. */
  stride?: Size;
  /** Pixels around the image. Default 0. */
  padding?: Size;
  /** Round the output's size up instead of down. Default false. */
  ceilMode?: boolean;
}

/** Options of max pooling. */
export interface MaxPoolOptions extends PoolOptions {
  /** Pixels between the elements of a window. Default 1. */
  dilation?: Size;
}

/** Options of average pooling. */
export interface AvgPoolOptions extends PoolOptions {
  /** Whether the zeros of the padding count in the average. Default true, as in PyTorch. */
  countIncludePad?: boolean;
}

/**
 * The window's attributes, with `ceilMode` written as padding at the end: engines disagree about ONNX's `ceil_mode`, but not
 * about padding.
 */
function poolWindow(op: string, x: Tensor, kernelSize: Size, options: MaxPoolOptions) {
  const { stride = kernelSize, padding = 0, dilation = 1, ceilMode = false } = options;
  const attributes = {
    kernel_shape: pair(kernelSize),
    strides: pair(stride),
    pads: [...pair(padding), ...pair(padding)],
    ...(dilation !== 1 && { dilations: pair(dilation) }),
  };
  const window = windowOf({ op, attributes: { ...attributes, ceil_mode: ceilMode ? 1 : 0 } }, x.shape);
  const end = ceilMode
    ? ([0, 1] as const).map((axis) => explicitEnd(x.shape[axis + 2] as number, window, axis))
    : window.after;
  const explicit = { ...attributes, pads: [...window.before, ...end] };
  return { window, attributes: explicit, hangs: end.some((pixels, axis) => pixels > window.after[axis]!) };
}

/** Largest value of each window: x [N, C, H, W] → y [N, C, outH, outW] */
export function maxPool2d(x: Tensor, kernelSize: Size, options: MaxPoolOptions = {}): Tensor {
  checkPositional("maxPool2d", { kernelSize });
  checkOptions("maxPool2d", options, MAX_POOL);
  const { ops } = x.tracer;
  const { attributes } = poolWindow("MaxPool", x, kernelSize, options);
  const [top, left, bottom, right] = attributes.pads as [number, number, number, number];
  const [kH, kW] = attributes.kernel_shape;
  if (bottom < kH && right < kW) return x.wrap(ops.one("MaxPool", [x.value], attributes));
  // a dilated window may reach past the end by more than the kernel's elements, which no engine takes as padding
  const pads = ops.ints([0, 0, top, left, 0, 0, bottom, right]);
  const padded = ops.one("Pad", [x.value, pads, ops.scalar(Number.NEGATIVE_INFINITY)]);
  return x.wrap(ops.one("MaxPool", [padded], { ...attributes, pads: [0, 0, 0, 0] }));
}

/** Mean of each window: x [N, C, H, W] → y [N, C, outH, outW] */
export function avgPool2d(x: Tensor, kernelSize: Size, options: AvgPoolOptions = {}): Tensor {
  checkPositional("avgPool2d", { kernelSize });
  checkOptions("avgPool2d", options, AVG_POOL);
  const { countIncludePad = true } = options;
  const { window, attributes, hangs } = poolWindow("AveragePool", x, kernelSize, options);
  const padded = window.before.some((pixels) => pixels > 0);
  // what ceilMode adds never counts, but the padding does: one AveragePool cannot express both
  if (hangs && padded && countIncludePad) return averageByMatrices(x, window);
  const include = countIncludePad && padded && !hangs;
  return x.wrap(x.tracer.ops.one("AveragePool", [x.value], { ...attributes, count_include_pad: include ? 1 : 0 }));
}

function averageByMatrices(x: Tensor, window: Window): Tensor {
  const matrix = (axis: 0 | 1) => averagingMatrix(x.shape[axis + 2] as number, window, axis, true);
  return x.wrap(separable(x.tracer.ops, x.value, matrix(0), matrix(1)));
}

/** Means over windows that give this output size; null keeps a size: x [N, C, H, W] → y [N, C, outH, outW] */
export function adaptiveAvgPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  checkOutputSize("adaptiveAvgPool2d", outputSize);
  const { ops } = x.tracer;
  const [H, W] = x.shape.slice(2) as [number, number];
  const given = typeof outputSize === "number" ? ([outputSize, outputSize] as const) : outputSize;
  const [outH, outW] = [given[0] ?? H, given[1] ?? W];
  if (outH === H && outW === W) return x;
  if (outH === 1 && outW === 1) return x.wrap(ops.one("GlobalAveragePool", [x.value]));
  if (H % outH === 0 && W % outW === 0) return avgPool2d(x, [H / outH, W / outW]);
  return x.wrap(separable(ops, x.value, adaptiveMatrix(H, outH), adaptiveMatrix(W, outW)));
}

/** Options of local response normalization. */
export interface LocalResponseNormOptions {
  /** Default 1e-4. */
  alpha?: number;
  /** Default 0.75. */
  beta?: number;
  /** Default 1. */
  k?: number;
}

/** y = x / (k + alpha/size · Σ x² over `size` neighbouring channels)^beta, x [N, C, H, W] → y [N, C, H, W] */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  checkPositional("localResponseNorm", { size });
  checkOptions("localResponseNorm", options, LRN);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
  check(
    size % 2 === 1,
    () => `localResponseNorm: ONNX and PyTorch place an even window (${size}) differently; use an odd size`,
  );
  const attributes = { size, alpha: new Float(alpha), beta: new Float(beta), bias: new Float(k) };
  return x.wrap(x.tracer.ops.one("LRN", [x.value], attributes));
}

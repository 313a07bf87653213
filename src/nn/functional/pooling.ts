import { checkOptions } from "../../graph/index.ts";
import {
  adaptiveMatrix,
  averagingMatrix,
  explicitEnd,
  separable,
  type Window,
  windowOf,
} from "../../operators/index.ts";
import {
  AVG_POOL,
  checkNumbers,
  checkOutputSize,
  checkPositional,
  LP_POOL,
  MAX_POOL,
  type OutputSize,
  pair,
  type Size,
} from "../options.ts";
import type { Tensor } from "../tensor.ts";

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

/** Height and width of images, and those of an adaptive pooling's output. */
function adaptiveSizes(x: Tensor, outputSize: OutputSize) {
  const [H, W] = x.shape.slice(2) as [number, number];
  const given = typeof outputSize === "number" ? ([outputSize, outputSize] as const) : outputSize;
  return [H, W, given[0] ?? H, given[1] ?? W] as const;
}

/** Means over windows that give this output size; null keeps a size: x [N, C, H, W] → y [N, C, outH, outW] */
export function adaptiveAvgPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  checkOutputSize("adaptiveAvgPool2d", outputSize);
  const { ops } = x.tracer;
  const [H, W, outH, outW] = adaptiveSizes(x, outputSize);
  if (outH === H && outW === W) return x;
  if (outH === 1 && outW === 1) return x.wrap(ops.one("GlobalAveragePool", [x.value]));
  if (H % outH === 0 && W % outW === 0) return avgPool2d(x, [H / outH, W / outW]);
  return x.wrap(separable(ops, x.value, adaptiveMatrix(H, outH), adaptiveMatrix(W, outW)));
}

/** Largest values of windows that give this output size; null keeps a size: x [N, C, H, W] → y [N, C, outH, outW] */
export function adaptiveMaxPool2d(x: Tensor, outputSize: OutputSize): Tensor {
  checkOutputSize("adaptiveMaxPool2d", outputSize);
  const { ops } = x.tracer;
  const [H, W, outH, outW] = adaptiveSizes(x, outputSize);
  if (outH === H && outW === W) return x;
  if (outH === 1 && outW === 1) return x.apply("GlobalMaxPool");
  if (H % outH === 0 && W % outW === 0) return maxPool2d(x, [H / outH, W / outW]);
  const [rows, columns] = [adaptiveWindows(H, outH), adaptiveWindows(W, outW)];
  const tall = ops.one("Gather", [x.value, ops.ints(rows.flat())], { axis: 2 });
  const laid = ops.one("Gather", [tall, ops.ints(columns.flat())], { axis: 3 });
  return maxPool2d(x.wrap(laid), [rows[0]!.length, columns[0]!.length]);
}

/** Positions of each window of adaptive pooling along one axis, all as long as the longest: the last position is repeated. */
function adaptiveWindows(size: number, out: number): number[][] {
  const windows = Array.from({ length: out }, (_, o) => {
    const [start, end] = [Math.floor((o * size) / out), Math.ceil(((o + 1) * size) / out)];
    return Array.from({ length: end - start }, (_, i) => start + i);
  });
  const longest = Math.max(...windows.map(({ length }) => length));
  return windows.map((window) => Array.from({ length: longest }, (_, i) => window[i] ?? window.at(-1)!));
}

/** Options of `lpPool2d` and `LPPool2d`. */
export interface LPPoolOptions {
  /** Pixels between windows. Default: the kernel's size. */
  stride?: Size;
  /** Round the output's size up instead of down. Default false. */
  ceilMode?: boolean;
}

/** y = (Σ xᵖ)^(1/p) over each window, with p = normType: x [N, C, H, W] → y [N, C, outH, outW] */
export function lpPool2d(x: Tensor, normType: number, kernelSize: Size, options: LPPoolOptions = {}): Tensor {
  checkNumbers("lpPool2d", { normType });
  checkPositional("lpPool2d", { kernelSize });
  checkOptions("lpPool2d", options, LP_POOL);
  const [kH, kW] = pair(kernelSize);
  const mean = avgPool2d(normType === 1 ? x : x.pow(normType), kernelSize, options);
  const sum = mean.mul(kH * kW);
  return normType === 1 ? sum : sum.pow(1 / normType);
}

import { check, checkOptions, formatShape } from "../../graph/index.ts";
import { CONV, CONV_TRANSPOSE, pair, type Size } from "../options.ts";
import type { Tensor } from "../tensor.ts";

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

/** Options of a transposed convolution. */
export interface ConvTransposeOptions {
  /** Pixels between windows, which are in the output. Default 1. */
  stride?: Size;
  /** Pixels cut off around the output. Default 0. */
  padding?: Size;
  /** Rows and columns that the output has more at its end: several sizes give the same input. Default 0. */
  outputPadding?: Size;
  /** Pixels between the elements of the kernel. Default 1. */
  dilation?: Size;
  /** Groups of channels that are convolved separately. Default 1. */
  groups?: number;
}

/**
 * Transposed convolution, the gradient of a convolution with respect to its input (Zeiler et al. 2010).
 *
 *     x [N, C, H, W], weight [C, O/groups, kH, kW], bias [O] → y [N, O, outH, outW]
 *     outH = (H − 1)·stride − 2·padding + dilation·(kH − 1) + outputPadding + 1
 */
export function convTranspose2d(x: Tensor, weight: Tensor, bias?: Tensor, options: ConvTransposeOptions = {}): Tensor {
  checkOptions("convTranspose2d", options, CONV_TRANSPOSE);
  const { stride = 1, padding = 0, outputPadding = 0, dilation = 1, groups = 1 } = options;
  check(
    pair(outputPadding).every((pixels, axis) => pixels < pair(stride)[axis]!),
    () => `convTranspose2d: outputPadding ${pair(outputPadding)} has to be less than the stride ${pair(stride)}`,
  );
  check(
    x.shape[1] === weight.shape[0],
    () =>
      `convTranspose2d: the input ${formatShape(x.shape)} has ${x.shape[1]} channels, the weight ${formatShape(weight.shape)} expects ${weight.shape[0]}`,
  );
  const attributes = {
    kernel_shape: weight.shape.slice(2) as number[],
    strides: pair(stride),
    pads: [...pair(padding), ...pair(padding)],
    output_padding: pair(outputPadding),
    dilations: pair(dilation),
    group: groups,
  };
  return x.apply("ConvTranspose", [weight, ...(bias ? [bias] : [])], attributes);
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

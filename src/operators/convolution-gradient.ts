import type { Value } from "../graph/index.ts";
import type { Ops } from "./ops.ts";
import type { Window } from "./window.ts";

/** What a convolution is besides its tensors. */
export interface ConvGeometry {
  readonly window: Window;
  readonly group: number;
}

/**
 * Gradient of a convolution's input.
 *
 *     dy [N, O, outH, outW], w [O, C/g, kH, kW] → dx [N, C, H, W]
 *
 * With stride 1 it is a convolution of dy with the kernels turned by 180° and input and output channels exchanged, which
 * engines run faster than ConvTranspose. Larger strides need ConvTranspose.
 */
export function inputGradient(g: Ops, dy: Value, x: Value, w: Value, { window, group }: ConvGeometry): Value {
  const { kernel, stride, dilation, before, after } = window;
  const reach = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)] as const;
  const padding = [reach[0] - before[0], reach[1] - before[1], reach[0] - after[0], reach[1] - after[1]];
  if (stride[0] === 1 && stride[1] === 1 && padding.every((count) => count >= 0)) {
    return g.one("Conv", [dy, turnedKernels(g, w, group)], {
      pads: padding,
      dilations: dilation,
      group,
      kernel_shape: kernel,
    });
  }
  const [outH, outW] = [dy.shape[2] as number, dy.shape[3] as number];
  const [H, W] = [x.shape[2] as number, x.shape[3] as number];
  return g.one("ConvTranspose", [dy, w], {
    strides: stride,
    dilations: dilation,
    pads: [...before, ...after],
    // rows and columns at the end that no window reached
    output_padding: [
      H + before[0] + after[0] - reach[0] - 1 - (outH - 1) * stride[0],
      W + before[1] + after[1] - reach[1] - 1 - (outW - 1) * stride[1],
    ],
    group,
    kernel_shape: kernel,
  });
}

/** [O, C/g, kH, kW] → [C, O/g, kH, kW], each kernel turned by 180°. */
function turnedKernels(g: Ops, w: Value, group: number): Value {
  const [O, C, kH, kW] = w.shape as readonly [number, number, number, number];
  const flip = [2, 3].filter((axis) => w.shape[axis] !== 1).map((axis) => [axis, -1, -(2 ** 31), -1] as const);
  const flipped = g.slice(w, flip);
  if (group === 1) return g.transpose(flipped, [1, 0, 2, 3]);
  const grouped = g.reshape(flipped, [group, O / group, C, kH, kW]);
  return g.reshape(g.transpose(grouped, [0, 2, 1, 3, 4]), [group * C, O / group, kH, kW]);
}

/**
 * Gradient of a convolution's weight: every kernel element is the sum, over batch and pixels, of dy times the input that
 * the element met there.
 *
 *     dy [N, O, outH, outW], x [N, C, H, W] → dw [O, C/g, kH, kW]
 *
 * The input met by each element ("tap") is a strided slice of the padded x; taps stacked along the channels make the sum
 * one matrix product per image and group, which is then summed over the batch.
 */
export function weightGradient(g: Ops, dy: Value, x: Value, w: Value, { window, group }: ConvGeometry): Value {
  const { stride, dilation, before, after } = window;
  const [N, , outH, outW] = dy.shape as readonly [number | string, number, number, number];
  const [O, C, kH, kW] = w.shape as readonly [number, number, number, number];
  const taps = kH * kW;
  const pixels = outH * outW;

  const padded = g.pad(x, [0, 0, ...before, 0, 0, ...after]);
  const tap = (i: number, j: number) => {
    const [top, left] = [i * dilation[0], j * dilation[1]];
    const parts = [
      [2, top, top + (outH - 1) * stride[0] + 1, stride[0]],
      [3, left, left + (outW - 1) * stride[1] + 1, stride[1]],
    ] as const;
    const whole = parts.every(([axis, start, end, step]) => start === 0 && step === 1 && end === padded.shape[axis]);
    const met = whole ? padded : g.slice(padded, parts);
    return group === 1 ? g.reshape(met, [N, C, pixels]) : g.reshape(met, [N, group, C, pixels]);
  };
  const columns = g.concat(
    Array.from({ length: taps }, (_, at) => tap(Math.floor(at / kW), at % kW)),
    group === 1 ? 1 : 2,
  );
  const rows = g.reshape(dy, group === 1 ? [N, O, pixels] : [N, group, O / group, pixels]);
  const perImage = g.matmulT(rows, columns, { transB: true });
  const dw = g.reduceSum(perImage, [0], false);
  // [.., O/g, taps·C] → [O, C, kH, kW]
  return g.reshape(g.transpose(g.reshape(dw, [O, taps, C]), [0, 2, 1]), [O, C, kH, kW]);
}

import { numel, type Value } from "../graph/index.ts";
import { blockedConvolution, reversed } from "./blocked.ts";
import { blockedTransposed } from "./blocked-transposed.ts";
import { columnsOfBatch, imagesOfRows } from "./columns.ts";
import type { Ops } from "./ops.ts";
import { isWebGpu } from "./target.ts";
import { type ConvGeometry, outputSizes, type Window } from "./window.ts";
import { winogradConvolution, winogradInputGradient } from "./winograd.ts";

type Kernels = readonly [number, number, number, number];

const onCpu = (g: Ops) => !isWebGpu(g.target);

/**
 * Whether a convolution with changing weights is better one matrix product over the columns of the whole batch.
 *
 * ONNX Runtime's kernel builds the columns of an image on one thread where there are more filters than pixels, and runs at a
 * third of its speed then.
 */
function prefersColumns(g: Ops, filters: number, pixels: number, { window, group }: ConvGeometry): boolean {
  return onCpu(g) && group === 1 && numel(window.kernel) > 1 && filters > pixels;
}

/** A convolution written as a product over columns, x, w, b → y; undefined where that is not faster. */
export function convolutionByColumns(
  g: Ops,
  x: Value,
  w: Value,
  bias: Value | undefined,
  conv: ConvGeometry,
): Value | undefined {
  const { window } = conv;
  const [N, O] = [x.shape[0]!, w.shape[0] as number];
  const [outH, outW] = outputSizes("Conv", x.shape, window);
  if (!prefersColumns(g, O, outH * outW, conv)) return undefined;
  const columns = columnsOfBatch(g, x, window, [outH, outW]);
  const rows = g.matmul(g.reshape(w, [O, columns.shape[0]!]), columns);
  const y = imagesOfRows(g, rows, [N, O, outH, outW]);
  return bias ? g.add(y, g.reshape(bias, [1, O, 1, 1])) : y;
}

/**
 * Gradient of a convolution's input: the transposed convolution of dy.
 *
 *     dy [N, O, outH, outW], w [O, C/g, kH, kW] → dx [N, C, H, W]
 */
export function inputGradient(g: Ops, dy: Value, x: Value, w: Value, { window, group }: ConvGeometry): Value {
  const { kernel, stride, dilation, before, after } = window;
  // rows and columns at the end that no window reached
  const missed = ([0, 1] as const).map((axis) => {
    const [size, outputs] = [x.shape[axis + 2] as number, dy.shape[axis + 2] as number];
    return size + before[axis] + after[axis] - dilation[axis] * (kernel[axis] - 1) - 1 - (outputs - 1) * stride[axis];
  });
  // processors get it when the graph is compiled for them, and where WebGPU is emulated ConvTranspose is faster
  const isDirect = g.target === "webgpu";
  const direct = isDirect ? convolutionOfTransposed(g, [dy, w, undefined], { window, group }, missed) : undefined;
  if (direct) return direct;
  return g.one("ConvTranspose", [dy, w], {
    strides: stride,
    dilations: dilation,
    pads: [...before, ...after],
    output_padding: missed,
    group,
    kernel_shape: kernel,
  });
}

/**
 * A transposed convolution, x [N, O, H, W], w [O, C/g, kH, kW] → [N, C, outH, outW], as the convolution that it is, with the kernels turned by
 * 180° and input and output channels exchanged, which engines run faster. With a larger stride than 1 it is several, and only where the engine has
 * blocks of channels (`blockedTransposed`). Undefined for others.
 */
export function convolutionOfTransposed(
  g: Ops,
  [x, w, bias]: readonly [Value, Value, Value | undefined],
  { window, group }: ConvGeometry,
  extra: readonly number[],
  { block, isFixed = false }: { readonly block?: number | undefined; readonly isFixed?: boolean } = {},
): Value | undefined {
  const { kernel, stride, dilation, before, after } = window;
  if (stride.some((step) => step > 1)) {
    const [, , H, W] = x.shape as readonly number[];
    const out = ([0, 1] as const).map(
      (axis) =>
        ([H, W][axis]! - 1) * stride[axis] +
        dilation[axis] * (kernel[axis] - 1) +
        1 +
        extra[axis]! -
        before[axis] -
        after[axis],
    );
    return block ? blockedTransposed(g, x, w, bias, { window, group }, out as [number, number], block) : undefined;
  }
  const reach = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)] as const;
  const back: Window = {
    ...window,
    before: [reach[0] - before[0], reach[1] - before[1]],
    after: [reach[0] - after[0] + extra[0]!, reach[1] - after[1] + extra[1]!],
  };
  const padding = [...back.before, ...back.after];
  if (padding.some((count) => count < 0)) return undefined;
  const conv = { window: back, group };
  const [O, C] = w.shape as Kernels;
  const shape = [group * C, O / group, ...kernel] as Kernels;
  const weight = { w, shape, turned: true };
  const isChanging = onCpu(g) && !isFixed && group === 1;
  const [H, W] = outputSizes("Conv", x.shape, back);
  const winograd =
    isChanging &&
    (winogradInputGradient(g, [x, w, bias], window, [H, W], block) ??
      winogradConvolution(g, x, weight, bias, back, block));
  if (winograd) return winograd;
  const blocked = block && blockedConvolution(g, x, weight, bias, conv, block);
  if (blocked) return blocked;
  const turned = turnedKernels(g, w, group);
  const attributes = { pads: padding, dilations: dilation, group, kernel_shape: kernel };
  return (
    convolutionByColumns(g, x, turned, bias, conv) ?? g.one("Conv", [x, turned, ...(bias ? [bias] : [])], attributes)
  );
}

/** [O, C/g, kH, kW] → [C, O/g, kH, kW], each kernel turned by 180°. */
function turnedKernels(g: Ops, w: Value, group: number): Value {
  const [O, C, kH, kW] = w.shape as Kernels;
  const flipped = kH * kW === 1 ? w : g.reshape(reversed(g, g.reshape(w, [O, C, kH * kW]), 2), [O, C, kH, kW]);
  if (group === 1) return g.transpose(flipped, [1, 0, 2, 3]);
  const grouped = g.reshape(flipped, [group, O / group, C, kH, kW]);
  return g.reshape(g.transpose(grouped, [0, 2, 1, 3, 4]), [group * C, O / group, kH, kW]);
}

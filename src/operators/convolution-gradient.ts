import { type Dim, numel, type Value } from "../graph/index.ts";
import { channelRows, columnsOfBatch, columnsPerImage, imagesOfRows, taps } from "./columns.ts";
import type { Ops } from "./ops.ts";
import { outputSizes, type Window } from "./window.ts";

/** What a convolution is besides its tensors. */
export interface ConvGeometry {
  readonly window: Window;
  readonly group: number;
}

type Sizes = readonly [Dim, number, number, number];
type Kernels = readonly [number, number, number, number];

/** Input channels from which on a product over pixels runs at full speed without the columns of other taps beside it. */
const WIDE = 16;

const onCpu = (g: Ops) => g.target !== "webgpu";

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
 * Gradient of a convolution's input.
 *
 *     dy [N, O, outH, outW], w [O, C/g, kH, kW] → dx [N, C, H, W]
 *
 * With stride 1 it is a convolution of dy with the kernels turned by 180° and input and output channels exchanged, which
 * engines run faster than ConvTranspose. Larger strides need ConvTranspose.
 */
export function inputGradient(g: Ops, dy: Value, x: Value, w: Value, conv: ConvGeometry): Value {
  const { window, group } = conv;
  const { kernel, stride, dilation, before, after } = window;
  const [N, C, H, W] = x.shape as Sizes;
  const [O, , outH, outW] = [w.shape[0] as number, ...dy.shape.slice(1)] as [number, number, number, number];
  const reach = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)] as const;
  const back: Window = {
    ...window,
    before: [reach[0] - before[0], reach[1] - before[1]],
    after: [reach[0] - after[0], reach[1] - after[1]],
  };
  const padding = [...back.before, ...back.after];
  if (stride[0] === 1 && stride[1] === 1 && padding.every((count) => count >= 0)) {
    if (prefersColumns(g, C, H * W, conv)) {
      const exchanged = g.reshape(g.transpose(w, [1, 0, 2, 3]), [C, O * numel(kernel)]);
      return imagesOfRows(g, g.matmul(exchanged, columnsOfBatch(g, dy, back, [H, W], true)), [N, C, H, W]);
    }
    const attributes = { pads: padding, dilations: dilation, group, kernel_shape: kernel };
    return g.one("Conv", [dy, turnedKernels(g, w, group)], attributes);
  }
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
  const [O, C, kH, kW] = w.shape as Kernels;
  const flip = [2, 3].filter((axis) => w.shape[axis] !== 1).map((axis) => [axis, -1, -(2 ** 31), -1] as const);
  const flipped = g.slice(w, flip);
  if (group === 1) return g.transpose(flipped, [1, 0, 2, 3]);
  const grouped = g.reshape(flipped, [group, O / group, C, kH, kW]);
  return g.reshape(g.transpose(grouped, [0, 2, 1, 3, 4]), [group * C, O / group, kH, kW]);
}

/**
 * Gradient of a convolution's weight: every kernel element is the sum, over batch and pixels, of dy times the input that
 * the element met there, so one product of dy with the columns of x.
 *
 *     dy [N, O, outH, outW], x [N, C, H, W] → dw [O, C/g, kH, kW]
 *
 * Either over the batch at once, which has to bring the channels of x and dy to the front, or image by image, which has to sum
 * the products over the batch: whatever moves less. Image by image, each tap has a product of its own where there are channels
 * enough to keep the processor busy: no columns are built then, which are as large as the input times the taps.
 */
export function weightGradient(g: Ops, dy: Value, x: Value, w: Value, { window, group }: ConvGeometry): Value {
  const [N, O, outH, outW] = dy.shape as Sizes;
  const shape = w.shape as Kernels;
  const pixels = outH * outW;
  const columnCount = numel(shape.slice(1));
  const moved = pixels * O + (x.shape[2] as number) * (x.shape[3] as number) * (x.shape[1] as number);
  if (onCpu(g) && group === 1 && moved < O * columnCount) {
    const columns = columnsOfBatch(g, x, window, [outH, outW]);
    return g.reshape(g.matmulT(channelRows(g, dy), columns, { transB: true }), shape);
  }
  if (onCpu(g) && group === 1 && shape[1] >= WIDE) {
    const rows = g.reshape(dy, [N, O, pixels]);
    const products = taps(g, x, window, [outH, outW]).map((tap) => {
      const perImage = g.matmulT(rows, g.reshape(tap, [N, shape[1], pixels]), { transB: true });
      return g.reshape(g.reduceSum(perImage, [0], false), [O, shape[1], 1]);
    });
    return g.reshape(g.concat(products, 2), shape);
  }
  const columns = columnsPerImage(g, x, window, [outH, outW], group);
  const rows = g.reshape(dy, group === 1 ? [N, O, pixels] : [N, group, O / group, pixels]);
  const perImage = g.matmulT(rows, columns, { transB: true });
  return g.reshape(g.reduceSum(perImage, [0], false), shape);
}

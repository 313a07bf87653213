import {
  type Attributes,
  type Dim,
  isStatic,
  type Node,
  numel,
  product,
  type Shape,
  sameShape,
  type Value,
} from "../graph/index.ts";
import { channelRows, columnsOfBatch, columnsPerImage, imagesOfRows, taps } from "./columns.ts";
import { gatheredWeightGradient } from "./gathered.ts";
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
/** The same for a product over the pixels of the whole batch. */
const WIDE_BATCH = 32;

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

/** The weight of a convolution, of this shape; if `turned`, of the transposed one: [O, C/g, …] for [C, O/g, …], and turned by 180°. */
interface BlockedWeight {
  readonly w: Value;
  readonly shape: Kernels;
  readonly turned: boolean;
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
  if (!isDepthwise && (C % block !== 0 || (kH * kW === 1 && outH * outW > SMALL_MAP))) return undefined;
  const add = (op: string, inputs: Node["inputs"], attributes: Attributes, shape: Shape) =>
    g.graph.add({ op, domain: NCHWC, inputs, attributes, scope: g.scope }, [{ dtype: x.dtype, shape }]).outputs[0]!;
  const blocksOf = (images: Value): Value => {
    const from = beforeReshapes(g, images, block);
    return g.reshape(add("ReorderInput", [from], {}, from.shape), images.shape);
  };
  /** [O/block, C/block, kernel, input of the block, output of the block] */
  const blockedWeight = () => {
    const [first, second] = turned ? [C, O] : [O, C];
    const split = g.reshape(w, [first / block, block, second / block, block, kH * kW]);
    return g.transpose(split, turned ? [2, 0, 4, 1, 3] : [0, 2, 4, 3, 1]);
  };
  const blocks = isDepthwise
    ? g.reshape(blocksOf(g.reshape(w, [1, O, kH, kW])), [O / block, 1, kH * kW, 1, block])
    : blockedWeight();
  const kernels = g.reshape(turned && kH * kW > 1 ? reversed(g, blocks, 2) : blocks, [O, C, kH, kW]);
  const attributes = {
    kernel_shape: [kH, kW],
    strides: window.stride,
    dilations: window.dilation,
    pads: padding,
    group,
  };
  const shape = [x.shape[0]!, O, outH, outW];
  const y = add("Conv", [blocksOf(x), kernels, ...(bias ? [bias] : [])], attributes, shape);
  return add("ReorderOutput", [y], { channels: O }, shape);
}

/** What images are before batch and channels become one axis: other convolutions may need the same blocks. */
function beforeReshapes(g: Ops, images: Value, block: number): Value {
  let found = images;
  let value: Value | undefined = images;
  for (; value; value = g.graph.producer(value)?.op === "Reshape" ? g.graph.producer(value)!.inputs[0] : undefined) {
    const [, channels, ...sizes] = value.shape;
    if (sameShape(sizes, images.shape.slice(2)) && Number(channels) % block === 0) found = value;
  }
  return found;
}

/** Domain of ONNX Runtime's operators on blocks of channels. */
const NCHWC = "com.microsoft.nchwc";

/** Pixels of an image up to which products over its pixels alone are too small to run at full speed. */
const SMALL_MAP = 64;

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
  // other engines get it when the graph is compiled for them
  const direct = onCpu(g) ? undefined : convolutionOfTransposed(g, [dy, w, undefined], { window, group }, missed);
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
 * A transposed convolution with stride 1, x [N, O, H, W], w [O, C/g, kH, kW] → [N, C, outH, outW], as the convolution that it is, with the
 * kernels turned by 180° and input and output channels exchanged, which engines run faster. Undefined for other strides.
 */
export function convolutionOfTransposed(
  g: Ops,
  [x, w, bias]: readonly [Value, Value, Value | undefined],
  { window, group }: ConvGeometry,
  extra: readonly number[],
  block?: number,
): Value | undefined {
  const { kernel, stride, dilation, before, after } = window;
  const reach = [dilation[0] * (kernel[0] - 1), dilation[1] * (kernel[1] - 1)] as const;
  const back: Window = {
    ...window,
    before: [reach[0] - before[0], reach[1] - before[1]],
    after: [reach[0] - after[0] + extra[0]!, reach[1] - after[1] + extra[1]!],
  };
  const padding = [...back.before, ...back.after];
  if (stride.some((step) => step > 1) || padding.some((count) => count < 0)) return undefined;
  const conv = { window: back, group };
  const [O, C] = w.shape as Kernels;
  const shape = [group * C, O / group, ...kernel] as Kernels;
  const blocked = block && blockedConvolution(g, x, { w, shape, turned: true }, bias, conv, block);
  if (blocked) return blocked;
  const turned = turnedKernels(g, w, group);
  const attributes = { pads: padding, dilations: dilation, group, kernel_shape: kernel };
  return (
    convolutionByColumns(g, x, turned, bias, conv) ?? g.one("Conv", [x, turned, ...(bias ? [bias] : [])], attributes)
  );
}

/** An axis backwards; ONNX Runtime gathers faster than it cuts with a negative step. */
function reversed(g: Ops, x: Value, axis: number): Value {
  const size = x.shape[axis] as number;
  return g.one("Gather", [x, g.ints(Array.from({ length: size }, (_, i) => size - 1 - i))], { axis });
}

/** [O, C/g, kH, kW] → [C, O/g, kH, kW], each kernel turned by 180°. */
function turnedKernels(g: Ops, w: Value, group: number): Value {
  const [O, C, kH, kW] = w.shape as Kernels;
  const flipped = kH * kW === 1 ? w : g.reshape(reversed(g, g.reshape(w, [O, C, kH * kW]), 2), [O, C, kH, kW]);
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
 * the products over the batch: whatever moves less. Each tap has a product of its own where there are channels enough to keep the
 * processor busy: no columns are built then, which are as large as the input times the taps.
 */
export function weightGradient(g: Ops, dy: Value, x: Value, w: Value, { window, group }: ConvGeometry): Value {
  const [N, O, outH, outW] = dy.shape as Sizes;
  const shape = w.shape as Kernels;
  const C = shape[1];
  if (!onCpu(g)) return gatheredWeightGradient(g, dy, x, shape, { window, group });
  if (g.target === "cpu" && C === 1 && O === group && isStatic(dy.shape))
    return depthwiseWeightGradient(g, dy, x, shape, window);
  const pixels = outH * outW;
  const moved = pixels * O + (x.shape[2] as number) * (x.shape[3] as number) * (x.shape[1] as number);
  const joined = (products: readonly Value[]) =>
    g.reshape(
      g.concat(
        products.map((product) => g.reshape(product, [O, C, 1])),
        2,
      ),
      shape,
    );
  if (group === 1 && moved < 2 * O * numel(shape.slice(1))) {
    const rows = channelRows(g, dy);
    if (C < WIDE_BATCH) {
      const columns = columnsOfBatch(g, x, window, [outH, outW]);
      return g.reshape(g.matmulT(rows, columns, { transB: true }), shape);
    }
    const met = taps(g, g.transpose(x, [1, 0, 2, 3]), window, [outH, outW]);
    const row = product([N, outH, outW]);
    return joined(met.map((tap) => g.matmulT(rows, g.reshape(tap, [C, row]), { transB: true })));
  }
  if (group === 1 && C >= WIDE) {
    const rows = g.reshape(dy, [N, O, pixels]);
    const products = taps(g, x, window, [outH, outW]).map((tap) => {
      const perImage = g.matmulT(rows, g.reshape(tap, [N, C, pixels]), { transB: true });
      return g.reduceSum(perImage, [0], false);
    });
    return joined(products);
  }
  const columns = columnsPerImage(g, x, window, [outH, outW], group);
  const rows = g.reshape(dy, group === 1 ? [N, O, pixels] : [N, group, O / group, pixels]);
  const perImage = g.matmulT(rows, columns, { transB: true });
  return g.reshape(g.reduceSum(perImage, [0], false), shape);
}

/**
 * With one input channel for each filter, every channel of every image is by itself, so that dy can be the kernel of a convolution of x,
 * with stride and dilation exchanged:
 *
 *     dy [N, C, outH, outW], x [N, C, H, W] → dw [C, 1, kH, kW]
 */
function depthwiseWeightGradient(
  g: Ops,
  dy: Value,
  x: Value,
  shape: Kernels,
  { before, stride, dilation }: Window,
): Value {
  const [N, C, outH, outW] = dy.shape as readonly [number, number, number, number];
  const sizes = x.shape.slice(2) as readonly number[];
  const [, , ...kernel] = shape;
  // as far as the last element of the kernel reaches
  const after = ([0, 1] as const).map(
    (axis) =>
      (kernel[axis]! - 1) * dilation[axis] + ([outH, outW][axis]! - 1) * stride[axis] + 1 - sizes[axis]! - before[axis],
  );
  const met = g.one("Conv", [g.reshape(x, [1, N * C, ...sizes]), g.reshape(dy, [N * C, 1, outH, outW])], {
    kernel_shape: [outH, outW],
    strides: dilation,
    dilations: stride,
    pads: [...before, ...after.map((count) => Math.max(0, count))],
    group: N * C,
  });
  const cut = g.slice(
    met,
    [2, 3].filter((axis) => met.shape[axis] !== kernel[axis - 2]).map((axis) => [axis, 0, kernel[axis - 2]!]),
  );
  return g.reduceSum(g.reshape(cut, [N, ...shape]), [0], false);
}

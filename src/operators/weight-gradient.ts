import { type Dim, isStatic, numel, product, type Value } from "../graph/index.ts";
import { weightGradientOfBatch } from "./emulated.ts";
import { gatheredWeightGradient } from "./gathered.ts";
import type { Ops } from "./ops.ts";
import { dealt, edge, isShort, wrappedShift } from "./shift.ts";
import { isWebGpu } from "./target.ts";
import type { ConvGeometry, Window } from "./window.ts";
import { winogradWeightGradient } from "./winograd.ts";

type Sizes = readonly [N: Dim, C: number, H: number, W: number];
type Kernels = readonly [O: number, C: number, kH: number, kW: number];

/** Input channels from which on a product over pixels runs at full speed without the columns of other taps beside it. */
const WIDE = 16;
/** The same for a product over the pixels of the whole batch. */
const WIDE_BATCH = 32;

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
export function weightGradient(g: Ops, dy: Value, x: Value, w: Value, conv: ConvGeometry): Value {
  const { window, group } = conv;
  const [N, O, outH, outW] = dy.shape as Sizes;
  const shape = w.shape as Kernels;
  const C = shape[1];
  if (g.target === "webgpu-emulated" && group === 1 && isStatic(dy.shape))
    return weightGradientOfBatch(g, dy, x, window);
  if (isWebGpu(g.target)) return gatheredWeightGradient(g, dy, x, shape, conv);
  if (g.target === "cpu" && C === 1 && O === group && isStatic(dy.shape))
    return depthwiseWeightGradient(g, dy, x, shape, window);
  const winograd = group === 1 ? winogradWeightGradient(g, dy, x, shape, window) : undefined;
  if (winograd) return winograd;
  const pixels = outH * outW;
  const moved = pixels * O + (x.shape[2] as number) * (x.shape[3] as number) * (x.shape[1] as number);
  const isOverBatch = group === 1 && typeof N === "number" && moved < 2 * O * numel(shape.slice(1));
  const front = (value: Value) => (isOverBatch ? g.transpose(value, [1, 0, 2, 3]) : value);
  const summed = (left: Value, right: Value) => {
    const products = g.matmulT(left, right, { transB: true });
    return isOverBatch ? products : g.reduceSum(products, [0], false);
  };
  if (group === 1 && C >= (isOverBatch ? WIDE_BATCH : WIDE)) {
    const pairs = shiftedPairs(g, front(dy), front(x), window, isOverBatch);
    if (pairs) {
      const isTurned = isBetterTurned(O, C);
      const products = pairs.map(([rows, met]) => (isTurned ? summed(met, rows) : summed(rows, met)));
      const sizes = isTurned ? [C, O, 1] : [O, C, 1];
      const taps = g.concat(
        products.map((product) => g.reshape(product, sizes)),
        2,
      );
      return g.reshape(isTurned ? g.transpose(taps, [1, 0, 2]) : taps, shape);
    }
  }
  const columns = stackedColumns(g, front(x), window, [outH, outW], isOverBatch ? N : 1);
  const taps = numel(shape.slice(1));
  const [rows, met] = isOverBatch
    ? [g.reshape(front(dy), [O, N * pixels]), g.reshape(columns, [taps, N * pixels])]
    : group === 1
      ? [g.reshape(dy, [N, O, pixels]), g.reshape(columns, [N, taps, pixels])]
      : [g.reshape(dy, [N, group, O / group, pixels]), g.reshape(columns, [N, group, taps, pixels])];
  const [, , kH, kW] = shape;
  // columns come first in what is stacked
  if (isBetterTurned(O / group, taps)) {
    const turned = g.reshape(summed(met, rows), [group, C, kW, kH, O / group]);
    return g.reshape(g.transpose(turned, [0, 4, 1, 3, 2]), shape);
  }
  return g.transpose(g.reshape(summed(rows, met), [O, C, kW, kH]), [0, 1, 3, 2]);
}

/** Rows of a product from which on there are enough for any number of columns. */
const MANY_ROWS = 128;

/** Whether a product of matrices with so many rows is faster the other way round: ONNX Runtime rearranges the right one first. */
const isBetterTurned = (left: number, right: number) => left < MANY_ROWS && right >= 2 * left;

/**
 * What every element of a kernel meets, stacked: x [rows, images·H, W] → [rows, kW·kH, images·outH·outW], where a row is a channel of
 * an image, or of all images.
 *
 * The image is cut for each column of the kernel. From those columns all rows are gathered at once: ONNX Runtime gathers on all threads,
 * but cuts on one.
 */
function stackedColumns(
  g: Ops,
  x: Value,
  window: Window,
  [outH, outW]: readonly [number, number],
  images: number,
): Value {
  const { kernel, stride, dilation, before, after } = window;
  const [A, B] = x.shape as Sizes;
  const H = (x.shape[2] as number) + before[0] + after[0];
  const rows = images === 1 ? product([A, B]) : A;
  const columns = cutColumns(g, x, window, outW, [before[0], after[0]]).map((cut) =>
    g.reshape(cut, [rows, 1, images * H, outW]),
  );
  const taken = Array.from({ length: kernel[0] * images * outH }, (_, i) => {
    const [tap, image, row] = [Math.floor(i / (images * outH)), Math.floor(i / outH) % images, i % outH];
    return image * H + tap * dilation[0] + row * stride[0];
  });
  const isWhole = taken.length === images * H && taken.every((row, i) => row === i);
  const stack = g.concat(columns, 1);
  const gathered = isWhole ? stack : g.one("Gather", [stack, g.ints(taken)], { axis: 2 });
  return g.reshape(gathered, [rows, kernel[1] * kernel[0], images * outH * outW]);
}

/** What each column of a kernel meets, of all rows and `more` before and after: x [A, B, H, W] → kW of [A, B, rows, outW] */
function cutColumns(
  g: Ops,
  x: Value,
  { kernel, stride: [, step], dilation, before, after }: Window,
  outW: number,
  more: readonly [before: number, after: number] = [0, 0],
): Value[] {
  const width = (x.shape[3] as number) + before[1] + after[1];
  const length = Math.ceil(width / step);
  const padded = g.pad(x, [0, 0, more[0], before[1], 0, 0, more[1], after[1] + length * step - width]);
  const phases = step === 1 ? padded : dealt(g, padded, step);
  return Array.from({ length: kernel[1] }, (_, tap) => {
    const start = tap * dilation[1];
    const [phase, first] = [start % step, Math.floor(start / step)];
    if (step === 1) return outW === width ? padded : g.slice(padded, [[3, first, first + outW]]);
    const cut = g.slice(phases, [
      [0, phase, phase + 1],
      [4, first, first + outW],
    ]);
    return g.reshape(cut, padded.shape.with(3, outW));
  });
}

/** Where one element of a kernel meets an axis: pixel o of the output meets x[(o + shift)·stride + phase]. */
interface Meeting {
  readonly phase: number;
  readonly shift: number;
}

const meetings = ({ kernel, stride, dilation, before }: Window, axis: 0 | 1): Meeting[] =>
  Array.from({ length: kernel[axis] }, (_, tap) => {
    const start = tap * dilation[axis] - before[axis];
    const shift = Math.floor(start / stride[axis]);
    return { phase: start - shift * stride[axis], shift };
  });

/** Elements that a phase has of an axis. */
const phaseLength = (size: number, stride: number, phase: number) => Math.max(0, Math.ceil((size - phase) / stride));

/**
 * For each tap, the pixels of dy and what the tap meets at them. Instead of cutting that out of x for each tap, x is shifted along rows
 * and dy along columns: kH + kW copies instead of kH·kW, and those of dy are of long runs of memory.
 *
 * Undefined where a tap meets nothing but padding.
 */
function shiftedPairs(
  g: Ops,
  dy: Value,
  x: Value,
  window: Window,
  isOverBatch: boolean,
): (readonly [rows: Value, met: Value])[] | undefined {
  const [, , outH, outW] = dy.shape as Sizes;
  const [, , H, W] = x.shape as Sizes;
  const { stride } = window;
  const [down, across] = [meetings(window, 0), meetings(window, 1)];
  const meets = ({ phase, shift }: Meeting, axis: 0 | 1) =>
    shift < phaseLength([H, W][axis]!, stride[axis], phase) && shift + [outH, outW][axis]! > 0;
  if (!down.every((tap) => meets(tap, 0)) || !across.every((tap) => meets(tap, 1))) return undefined;
  // [channels, batch·pixels], or [batch, channels, pixels]
  const rowsOf = (value: Value, { shape: [first, second] }: Value, pixels: number) =>
    g.reshape(value, isOverBatch ? [first!, product([second!, pixels])] : [first!, second!, pixels]);
  const lengths = down.map(({ phase }) => phaseLength(H, stride[0], phase));
  const left = down.map(({ shift }, i) => {
    const moved = g.pad(dy, [0, 0, shift, 0, 0, 0, lengths[i]! - outH - shift, 0]);
    return rowsOf(moved, dy, lengths[i]! * outW);
  });
  const columns = shiftedColumns(g, x, window, outW);
  const right = down.map(({ phase }, i) =>
    columns.map((column) => {
      const rows = Array.from({ length: lengths[i]! }, (_, row) => row * stride[0] + phase);
      const taken = stride[0] === 1 ? column : g.one("Gather", [column, g.ints(rows)], { axis: 2 });
      return rowsOf(taken, x, lengths[i]! * outW);
    }),
  );
  return left.flatMap((rows, i) => right[i]!.map((met) => [rows, met] as const));
}

/** What each column of a kernel meets, of all rows: x [A, B, H, W] → kW of [A, B, H, outW] */
function shiftedColumns(g: Ops, x: Value, window: Window, outW: number): Value[] {
  const W = x.shape[3] as number;
  if (window.stride[1] > 1) return cutColumns(g, x, window, outW);
  return meetings(window, 1).map(({ shift }) => {
    if (shift === 0 && outW === W) return x;
    if (outW !== W || !isShort(W)) return g.pad(x, [0, 0, 0, -shift, 0, 0, 0, outW + shift - W]);
    return g.mul(wrappedShift(g, x, shift), edge(g, W, shift, { inside: 1, outside: 0 }));
  });
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

import { type Dim, numel, type Value } from "../graph/index.ts";
import type { Ops } from "./ops.ts";
import { explicitEnd, type Window } from "./window.ts";

/*
 * Gradients of windows for GPUs. What a run takes there is mostly the number of its operators, each of which costs the processor
 * some 20 µs; so what the windows meet is gathered by one operator, from a table of positions, instead of cut out tap by tap.
 */

type Sizes = readonly [N: Dim, C: number, H: number, W: number];
type Pair = readonly [number, number];

const table = (g: Ops, positions: Int32Array): Value =>
  g.constant({ dtype: "int32", shape: [positions.length], data: positions });

/** For each tap and pixel of the output, the position in the padded image that it meets, calling `at(tap, pixel, row, column)`. */
function eachMeeting(
  { kernel, stride, dilation }: Window,
  [outH, outW]: Pair,
  at: (tap: number, pixel: number, row: number, column: number) => void,
): void {
  for (let i = 0; i < kernel[0]; i++)
    for (let j = 0; j < kernel[1]; j++)
      for (let h = 0; h < outH; h++)
        for (let w = 0; w < outW; w++)
          at(i * kernel[1] + j, h * outW + w, h * stride[0] + i * dilation[0], w * stride[1] + j * dilation[1]);
}

/** What each tap meets at each pixel of the output: padded x [N, C, H, W] → [N, C, taps, outH·outW] */
export function met(g: Ops, padded: Value, window: Window, out: Pair): Value {
  const [N, C, H, W] = padded.shape as Sizes;
  const [taps, pixels] = [numel(window.kernel), numel(out)];
  const isWhole = taps === 1 && pixels === H * W;
  const rows = g.reshape(padded, [N, C, H * W]);
  if (isWhole) return g.reshape(rows, [N, C, 1, pixels]);
  const positions = new Int32Array(taps * pixels);
  eachMeeting(window, out, (tap, pixel, row, column) => {
    positions[tap * pixels + pixel] = row * W + column;
  });
  return g.reshape(g.one("Gather", [rows, table(g, positions)], { axis: 2 }), [N, C, taps, pixels]);
}

/**
 * Gradient of a convolution's weight, as a product of the columns of x with dy, image by image.
 *
 *     dy [N, O, outH, outW], x [N, C, H, W] → dw [O, C/g, kH, kW]
 */
export function gatheredWeightGradient(
  g: Ops,
  dy: Value,
  x: Value,
  shape: readonly [number, number, number, number],
  { window, group }: { readonly window: Window; readonly group: number },
): Value {
  const [N, O, outH, outW] = dy.shape as Sizes;
  const [, C, kH, kW] = shape;
  const [taps, pixels] = [kH * kW, outH * outW];
  const padded = g.pad(x, [0, 0, ...window.before, 0, 0, ...window.after]);
  const columns = met(g, padded, window, [outH, outW]);
  if (C === 1 && O === group) {
    const products = g.mul(columns, g.reshape(dy, [N, O, 1, pixels]));
    return g.reshape(g.reduceSum(g.reduceSum(products, [3], false), [0], false), shape);
  }
  // dy is turned instead of the columns, which are `taps` times as large
  const [left, right] =
    group === 1
      ? [g.reshape(columns, [N, C * taps, pixels]), g.reshape(dy, [N, O, pixels])]
      : [g.reshape(columns, [N, group, C * taps, pixels]), g.reshape(dy, [N, group, O / group, pixels])];
  const sum = g.reduceSum(g.matmulT(left, right, { transB: true }), [0], false);
  return g.reshape(g.transpose(sum, group === 1 ? [1, 0] : [0, 2, 1]), shape);
}

const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** What each tap of a max pool meets: x [N, C, H, W] → [N, C, taps, outH·outW] */
function pooled(g: Ops, x: Value, window: Window, out: Pair): Value {
  const { before } = window;
  const after = ([0, 1] as const).map((axis) => explicitEnd(x.shape[axis + 2] as number, window, axis));
  const pads = g.ints([0, 0, ...before, 0, 0, ...after]);
  const isPadded = [...before, ...after].some((count) => count !== 0);
  // GPUs need not know infinities
  return met(g, isPadded ? g.one("Pad", [x, pads, g.scalar(-LARGEST_FLOAT32)]) : x, window, out);
}

/** Max pooling of what is gathered. */
export function gatheredMaxPool(g: Ops, x: Value, window: Window, [outH, outW]: Pair): Value {
  const [N, C] = x.shape as Sizes;
  const y = g.one("ReduceMax", [pooled(g, x, window, [outH, outW])], { axes: [2], keepdims: 0 });
  return g.reshape(y, [N, C, outH, outW]);
}

/**
 * Gradient of max pooling: dy goes to the element that won its window, the first one where several are equal.
 *
 *     x [N, C, H, W], y and dy [N, C, outH, outW] → dx [N, C, H, W]
 */
export function gatheredMaxPoolGradient(g: Ops, x: Value, y: Value, dy: Value, window: Window): Value {
  const [N, C, H, W] = x.shape as Sizes;
  const [, , outH, outW] = y.shape as Sizes;
  const [taps, pixels] = [numel(window.kernel), outH * outW];
  const isLargest = g.equal(pooled(g, x, window, [outH, outW]), g.reshape(y, [N, C, 1, pixels]));
  const taken = g.reshape(g.floats(Array.from({ length: taps }, (_, tap) => tap)), [taps, 1]);
  const order = g.where(isLargest, taken, g.scalar(taps));
  const isFirst = g.indicator(g.equal(order, g.one("ReduceMin", [order], { axes: [2] })));
  const shares = g.reshape(g.mul(isFirst, g.reshape(dy, [N, C, 1, pixels])), [N, C, taps * pixels]);
  return g.reshape(returned(g, shares, window, { size: [H, W], out: [outH, outW] }), [N, C, H, W]);
}

/** The sum of what windows give to each pixel: shares [N, C, taps·outH·outW] → [N, C, H·W] */
function returned(
  g: Ops,
  shares: Value,
  window: Window,
  { size: [H, W], out }: { readonly size: Pair; readonly out: Pair },
): Value {
  const [N, C, count] = shares.shape as readonly [Dim, number, number];
  const pixels = numel(out);
  const given: number[][] = Array.from({ length: H * W }, () => []);
  eachMeeting(window, out, (tap, pixel, row, column) => {
    const [h, w] = [row - window.before[0], column - window.before[1]];
    if (h >= 0 && h < H && w >= 0 && w < W) given[h * W + w]!.push(tap * pixels + pixel);
  });
  const most = given.reduce((most, { length }) => Math.max(most, length), 1);
  // pixels with fewer take the zero at the end
  const positions = new Int32Array(most * H * W).fill(count);
  given.forEach((list, pixel) => {
    list.forEach((position, i) => {
      positions[i * H * W + pixel] = position;
    });
  });
  const isFull = given.every(({ length }) => length === most);
  const source = isFull ? shares : g.pad(shares, [0, 0, 0, 0, 0, 1]);
  const parts = g.one("Gather", [source, table(g, positions)], { axis: 2 });
  return most === 1 ? parts : g.reduceSum(g.reshape(parts, [N, C, most, H * W]), [2], false);
}

import { type Dim, product, type Value } from "../graph/index.ts";
import type { Ops } from "./ops.ts";
import type { Window } from "./window.ts";

/**
 * What each element of a kernel ("tap") meets in the input, as one tensor per tap: convolution as a matrix product ("im2col").
 *
 *     x [A, B, H, W] → kH·kW of [A, B, outH, outW]
 *
 * Taps are cut in two steps, columns of the image first, so that the many cuts that follow copy whole rows.
 */
function taps(g: Ops, x: Value, window: Window, [outH, outW]: readonly [number, number]): Value[] {
  const { kernel, stride, dilation, before, after } = window;
  const padded = g.pad(x, [0, 0, ...before, 0, 0, ...after]);
  const cut = (from: Value, axis: 0 | 1, tap: number, count: number) => {
    const start = tap * dilation[axis];
    const end = start + (count - 1) * stride[axis] + 1;
    const whole = start === 0 && stride[axis] === 1 && end === from.shape[axis + 2];
    return whole ? from : g.slice(from, [[axis + 2, start, end, stride[axis]]]);
  };
  const columns = Array.from({ length: kernel[1] }, (_, j) => cut(padded, 1, j, outW));
  return Array.from({ length: kernel[0] }, (_, i) => columns.map((column) => cut(column, 0, i, outH))).flat();
}

/** Columns of the whole batch side by side: x [N, C, H, W] → [C·taps, N·outH·outW] */
export function columnsOfBatch(g: Ops, x: Value, window: Window, out: readonly [number, number]): Value {
  const [N, C] = x.shape as readonly [Dim, number];
  const row = product([N, out[0], out[1]]);
  const cuts = taps(g, g.transpose(x, [1, 0, 2, 3]), window, out);
  const stacked = g.concat(
    cuts.map((cut) => g.reshape(cut, [C, 1, row])),
    1,
  );
  return g.reshape(stacked, [C * cuts.length, row]);
}

/** Rows of all images, a channel each, as images: rows [C, N·H·W] → [N, C, H, W]. */
export function imagesOfRows(g: Ops, rows: Value, [N, C, H, W]: readonly [Dim, number, number, number]): Value {
  return g.transpose(g.reshape(rows, [C, N, H, W]), [1, 0, 2, 3]);
}

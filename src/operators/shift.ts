import { type Dim, product, type Value } from "../graph/index.ts";
import type { Ops } from "./ops.ts";

/** Pixels of a row below which it is slower to copy the rows of an image one by one than to copy the image and to set its edge. */
const SHORT_ROW = 32;

/** Whether rows are better shifted by way of the whole image. */
export const isShort = (W: number) => W < SHORT_ROW;

/**
 * Images shifted along their rows, y[…, w] = x[…, w + by], in one copy of the whole image: what leaves a row at one end enters the next one
 * at the other.
 *
 *     x [A, B, H, W] → [A, B, H, W]
 */
export function wrappedShift(g: Ops, x: Value, by: number): Value {
  const [A, B, H, W] = x.shape as readonly [Dim, Dim, number, number];
  return g.reshape(g.pad(g.reshape(x, [product([A, B]), H * W]), [0, -by, 0, by]), x.shape);
}

/** For each pixel of a row, `inside`, or `outside` where the shift has brought a pixel of another row: [W] */
export function edge(g: Ops, W: number, by: number, { inside, outside }: { inside: number; outside: number }): Value {
  return g.floats(Array.from({ length: W }, (_, w) => (w + by >= 0 && w + by < W ? inside : outside)));
}

/**
 * Rows of pixels dealt out: every `step`-th pixel from the first one on, from the second one on, and so on. ONNX Runtime cuts with steps
 * one element at a time.
 *
 *     x […, W] → [step, …, W/step]
 */
export function dealt(g: Ops, x: Value, step: number): Value {
  const rows = x.shape.slice(0, -1);
  const length = (x.shape.at(-1) as number) / step;
  const turned = g.transpose(g.reshape(x, [product([...rows, length]), step]), [1, 0]);
  return g.reshape(turned, [step, ...rows, length]);
}

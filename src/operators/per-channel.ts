import { type Dim, isStatic, product, type Value } from "../graph/index.ts";
import { sumInSteps } from "./emulated.ts";
import { productsOfRows } from "./flat.ts";
import type { Ops } from "./ops.ts";

/** [C] → [1, C, 1, 1], to broadcast over images. */
export function perChannel(g: Ops, v: Value): Value {
  return v.shape.length === 4 ? v : g.reshape(v, [1, v.shape[0]!, 1, 1]);
}

/** Sums over the batch and all pixels: [N, C, H, W] → [C], the gradient of a bias. */
export function sumPerChannel(g: Ops, x: Value): Value {
  if (g.target === "webgpu-emulated" && isStatic(x.shape)) return sumInSteps(g, x);
  // two steps, since ONNX Runtime reduces the last axes fastest
  return g.reduceSum(g.reduceSum(x, [2, 3], false), [0], false);
}

/**
 * Σ a·b over the batch and all pixels: two of [N, C, H, W] → [C]. Engines on processors get it as products of rows, which `lower` writes
 * as they are fastest (`productsOfRows`).
 */
export function dotPerChannel(g: Ops, a: Value, b: Value, block?: number): Value {
  const [N, C, H, W] = a.shape as readonly [Dim, number, number, number];
  if (g.target !== "cpu") return sumPerChannel(g, g.mul(a, b));
  const rows = (v: Value) => g.reshape(v, [product([N, C]), 1, H * W]);
  const [left, right] = [rows(a), rows(b)];
  const products = (block && productsOfRows(g, left, right, block)) || g.matmulT(left, right, { transB: true });
  return g.reduceSum(g.reshape(products, [N, C]), [0], false);
}

/** Σ x² over the batch and all pixels: x [N, C, H, W] → [C] */
export function squaresPerChannel(g: Ops, x: Value, block?: number): Value {
  if (g.target !== "webgpu") return dotPerChannel(g, x, x, block);
  return g.reduceSum(g.one("ReduceSumSquare", [x], { axes: [2, 3], keepdims: 0 }), [0], false);
}

/** Mean of each channel, [C], and the images minus that. */
export function centeredChannels(g: Ops, x: Value): { mean: Value; centered: Value } {
  const mean = g.div(sumPerChannel(g, x), g.count(x, [0, 2, 3]));
  return { mean, centered: g.sub(x, perChannel(g, mean)) };
}

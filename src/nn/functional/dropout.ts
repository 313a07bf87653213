import { check, describe, formatShape } from "../../graph/index.ts";
import type { Tensor } from "../tensor.ts";

/** Throws unless p is a probability of dropping that leaves something. */
export function checkRate(who: string, p: number): void {
  check(typeof p === "number" && p >= 0 && p < 1, () => `${who}: p has to lie in [0, 1), but is ${describe(p)}`);
}

/**
 * In training, sets each element to 0 with probability p and scales the others by 1 / (1 − p): x [any] → y [same]. Follows the
 * mode of the module that uses it, where PyTorch's function drops unless told otherwise.
 */
export function dropout(x: Tensor, p = 0.5): Tensor {
  checkRate("dropout", p);
  return x.tracer.dropout(x, p);
}

/** The same for whole channels of each image (Tompson et al. 2015): x [N, C, H, W] → y [same] */
export function dropout2d(x: Tensor, p = 0.5): Tensor {
  checkRate("dropout2d", p);
  check(x.shape.length === 4, () => `dropout2d: takes images [N, C, H, W], not ${formatShape(x.shape)}`);
  return x.tracer.dropout(x, p, { shape: [...x.shape.slice(0, 2), 1, 1] });
}

/** The same for whole images, which skips the block before a shortcut (Huang et al. 2016): x [N, …] → y [same] */
export function stochasticDepth(x: Tensor, p = 0.5): Tensor {
  checkRate("stochasticDepth", p);
  return x.tracer.dropout(x, p, { shape: x.shape.map((size, axis) => (axis === 0 ? size : 1)) });
}

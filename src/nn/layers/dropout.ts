import { check, describe, formatShape } from "../../graph/index.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** In training, sets each element to 0 with probability p and scales the others by 1 / (1 − p): x [any] → y [same]. Default p 0.5. */
export class Dropout extends Layer {
  static readonly type: string = "Dropout";
  readonly p: number;

  constructor(p = 0.5) {
    super();
    check(
      typeof p === "number" && p >= 0 && p < 1,
      () => `${this.type}: p has to lie in [0, 1), but is ${describe(p)}`,
    );
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    return x.tracer.dropout(x, this.p, this);
  }
}

/**
 * In training, sets each channel of each image to 0 with probability p and scales the others by 1 / (1 − p) (Tompson et al. 2015).
 *
 *     x [N, C, H, W] → y [same]
 *
 * Default p 0.5.
 */
export class Dropout2d extends Dropout {
  static override readonly type: string = "Dropout2d";

  override forward(x: Tensor): Tensor {
    check(x.shape.length === 4, () => `Dropout2d: takes images [N, C, H, W], not ${formatShape(x.shape)}`);
    return x.tracer.dropout(x, this.p, this, [...x.shape.slice(0, 2), 1, 1]);
  }
}

/**
 * In training, sets all of an image to 0 with probability p and scales the others by 1 / (1 − p). Before a shortcut is added, this
 * skips the block for that image (Huang et al. 2016); it is torchvision's `StochasticDepth` in mode "row".
 *
 *     x [N, …] → y [same]
 */
export class StochasticDepth extends Dropout {
  static override readonly type: string = "StochasticDepth";

  constructor(p: number) {
    super(p);
  }

  override forward(x: Tensor): Tensor {
    return x.tracer.dropout(
      x,
      this.p,
      this,
      x.shape.map((size, axis) => (axis === 0 ? size : 1)),
    );
  }
}

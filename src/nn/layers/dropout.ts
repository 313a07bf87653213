import { checkRate } from "../functional/dropout.ts";
import * as F from "../functional/index.ts";
import { settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** In training, sets each element to 0 with probability p and scales the others by 1 / (1 − p): x [any] → y [same]. Default p 0.5. */
export class Dropout extends Layer {
  static readonly type: string = "Dropout";
  readonly p: number;

  constructor(p = 0.5) {
    super();
    checkRate(this.type, p);
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    return F.dropout(x, this.p);
  }

  override extraRepr(): string {
    return settings({ p: this.p });
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
    return F.dropout2d(x, this.p);
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

  override forward(x: Tensor): Tensor {
    return F.stochasticDepth(x, this.p);
  }

  override extraRepr(): string {
    return `${super.extraRepr()}, mode=row`;
  }
}

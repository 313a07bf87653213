import { check, describe } from "../../graph/index.ts";
import * as F from "../functional/index.ts";
import { checkPositional } from "../options.ts";
import { settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** Joins the axes from `startDim` to `endDim` into one; by default all but the batch: x [N, C, H, W] → y [N, C·H·W] */
export class Flatten extends Layer {
  static readonly type: string = "Flatten";
  readonly startDim: number;
  readonly endDim: number;

  constructor(startDim = 1, endDim = -1) {
    super();
    checkPositional("Flatten", { startDim, endDim });
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: Tensor): Tensor {
    return x.flatten(this.startDim, this.endDim);
  }

  override extraRepr(): string {
    return settings({ startDim: this.startDim, endDim: this.endDim });
  }
}

/** y = x: x [any] → y [same] */
export class Identity extends Layer {
  static readonly type: string = "Identity";

  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Splits the axis `dim` into several of these sizes, one of which may be −1: x [N, C·H·W] → y [N, C, H, W] for [C, H, W] */
export class Unflatten extends Layer {
  static readonly type: string = "Unflatten";
  readonly dim: number;
  readonly unflattenedSize: readonly number[];

  constructor(dim: number, unflattenedSize: readonly number[]) {
    super();
    checkPositional("Unflatten", { dim });
    check(
      Array.isArray(unflattenedSize) && unflattenedSize.length > 0 && unflattenedSize.every(Number.isInteger),
      () => `Unflatten: unflattenedSize has to be a list of whole numbers, but is ${describe(unflattenedSize)}`,
    );
    this.dim = dim;
    this.unflattenedSize = unflattenedSize;
  }

  forward(x: Tensor): Tensor {
    return F.unflatten(x, this.dim, this.unflattenedSize);
  }

  override extraRepr(): string {
    return settings({ dim: this.dim, unflattenedSize: this.unflattenedSize });
  }
}

import { check, describe } from "../../graph/index.ts";
import type { PadOptions } from "../functional/index.ts";
import * as F from "../functional/index.ts";
import { checkNumbers } from "../options.ts";
import { python, settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** Pixels added around an image: one number for all sides, or one for each. */
export type Sides = number | readonly [left: number, right: number, top: number, bottom: number];

abstract class Pad2d extends Layer {
  readonly padding: readonly [left: number, right: number, top: number, bottom: number];

  constructor(padding: Sides) {
    super();
    const sides = typeof padding === "number" ? ([padding, padding, padding, padding] as const) : padding;
    check(
      Array.isArray(sides) && sides.length === 4 && sides.every(Number.isInteger),
      () =>
        `${this.type}: padding has to be a whole number, or four: [left, right, top, bottom], but is ${describe(padding)}`,
    );
    this.padding = sides;
  }

  protected pad(x: Tensor, options: PadOptions): Tensor {
    return F.pad(x, this.padding, options);
  }

  override extraRepr(): string {
    return python(this.padding);
  }
}

/** Puts zeros around images; negative amounts cut pixels off: x [N, C, H, W] → y [N, C, top + H + bottom, left + W + right] */
export class ZeroPad2d extends Pad2d {
  static readonly type: string = "ZeroPad2d";

  forward(x: Tensor): Tensor {
    return this.pad(x, {});
  }
}

/** Puts a constant around images; negative amounts cut pixels off: x [N, C, H, W] → y [N, C, top + H + bottom, left + W + right] */
export class ConstantPad2d extends Pad2d {
  static readonly type: string = "ConstantPad2d";
  readonly value: number;

  constructor(padding: Sides, value: number) {
    super(padding);
    checkNumbers("ConstantPad2d", { value });
    this.value = value;
  }

  forward(x: Tensor): Tensor {
    return this.pad(x, { value: this.value });
  }

  override extraRepr(): string {
    return settings({ padding: this.padding, value: this.value });
  }
}

/**
 * Continues images as mirrored at their border pixels: x [N, C, H, W] → y [N, C, top + H + bottom, left + W + right]. Throws when
 * traced with images that are no larger than the padding.
 */
export class ReflectionPad2d extends Pad2d {
  static readonly type: string = "ReflectionPad2d";

  forward(x: Tensor): Tensor {
    return this.pad(x, { mode: "reflect" });
  }
}

/** Continues images with their border pixels: x [N, C, H, W] → y [N, C, top + H + bottom, left + W + right] */
export class ReplicationPad2d extends Pad2d {
  static readonly type: string = "ReplicationPad2d";

  forward(x: Tensor): Tensor {
    return this.pad(x, { mode: "replicate" });
  }
}

import { checkOptions } from "../../graph/index.ts";
import type { AvgPoolOptions, LPPoolOptions, MaxPoolOptions } from "../functional/index.ts";
import * as F from "../functional/index.ts";
import {
  AVG_POOL,
  checkNumbers,
  checkOutputSize,
  checkPositional,
  LP_POOL,
  MAX_POOL,
  type OutputSize,
  type Size,
} from "../options.ts";
import { settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** Largest value of each window; the stride is the kernel's size by default: x [N, C, H, W] → y [N, C, outH, outW] */
export class MaxPool2d extends Layer {
  static readonly type: string = "MaxPool2d";
  readonly kernelSize: Size;
  readonly options: MaxPoolOptions;

  constructor(kernelSize: Size, options: MaxPoolOptions = {}) {
    super();
    checkPositional("MaxPool2d", { kernelSize });
    checkOptions("MaxPool2d", options, MAX_POOL);
    this.kernelSize = kernelSize;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return F.maxPool2d(x, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    const { kernelSize } = this;
    const { stride = kernelSize, padding = 0, dilation = 1, ceilMode = false } = this.options;
    return settings({ kernelSize, stride, padding, dilation, ceilMode });
  }
}

/** Mean of each window; the stride is the kernel's size by default: x [N, C, H, W] → y [N, C, outH, outW] */
export class AvgPool2d extends Layer {
  static readonly type: string = "AvgPool2d";
  readonly kernelSize: Size;
  readonly options: AvgPoolOptions;

  constructor(kernelSize: Size, options: AvgPoolOptions = {}) {
    super();
    checkPositional("AvgPool2d", { kernelSize });
    checkOptions("AvgPool2d", options, AVG_POOL);
    this.kernelSize = kernelSize;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    const { kernelSize } = this;
    const { stride = kernelSize, padding = 0 } = this.options;
    return settings({ kernelSize, stride, padding });
  }
}

abstract class AdaptivePool2d extends Layer {
  readonly outputSize: OutputSize;

  constructor(outputSize: OutputSize) {
    super();
    checkOutputSize(this.type, outputSize);
    this.outputSize = outputSize;
  }

  override extraRepr(): string {
    return settings({ outputSize: this.outputSize });
  }
}

/** Means over windows that are chosen to give this output size; null keeps a size: x [N, C, H, W] → y [N, C, outH, outW] */
export class AdaptiveAvgPool2d extends AdaptivePool2d {
  static readonly type: string = "AdaptiveAvgPool2d";

  forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool2d(x, this.outputSize);
  }
}

/** Largest values of windows that are chosen to give this output size; null keeps a size: x [N, C, H, W] → y [N, C, outH, outW] */
export class AdaptiveMaxPool2d extends AdaptivePool2d {
  static readonly type: string = "AdaptiveMaxPool2d";

  forward(x: Tensor): Tensor {
    return F.adaptiveMaxPool2d(x, this.outputSize);
  }
}

/**
 * Norm of each window: the sum for normType 1, the root of the sum of squares for 2; the stride is the kernel's size by default.
 *
 *     x [N, C, H, W] → y [N, C, outH, outW],  y = (Σ xᵖ)^(1/p) with p = normType
 */
export class LPPool2d extends Layer {
  static readonly type: string = "LPPool2d";
  readonly normType: number;
  readonly kernelSize: Size;
  readonly options: LPPoolOptions;

  constructor(normType: number, kernelSize: Size, options: LPPoolOptions = {}) {
    super();
    checkNumbers("LPPool2d", { normType });
    checkPositional("LPPool2d", { kernelSize });
    checkOptions("LPPool2d", options, LP_POOL);
    this.normType = normType;
    this.kernelSize = kernelSize;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return F.lpPool2d(x, this.normType, this.kernelSize, this.options);
  }

  override extraRepr(): string {
    const { stride = null, ceilMode = false } = this.options;
    return settings({ normType: this.normType, kernelSize: this.kernelSize, stride, ceilMode });
  }
}

import type { InterpolateOptions } from "../functional/index.ts";
import * as F from "../functional/index.ts";
import { checkWholes } from "../options.ts";
import { real, settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/**
 * Images of another size, as PyTorch interpolates them.
 *
 *     x [N, C, H, W] → y [N, C, size] or [N, C, ⌊H·scaleFactor⌋, ⌊W·scaleFactor⌋]
 */
export class Upsample extends Layer {
  static readonly type: string = "Upsample";
  readonly options: InterpolateOptions;

  constructor(options: InterpolateOptions) {
    super();
    F.checkInterpolation("Upsample", options);
    const { size, scaleFactor, mode = "nearest", alignCorners } = options;
    const given = size === undefined ? { scaleFactor } : { size };
    this.options = { ...given, mode, ...(alignCorners !== undefined && { alignCorners }) } as InterpolateOptions;
  }

  forward(x: Tensor): Tensor {
    return F.interpolate(x, this.options);
  }

  override extraRepr(): string {
    const { size, scaleFactor, mode } = this.options;
    const factor = typeof scaleFactor === "number" ? real(scaleFactor) : scaleFactor?.map(real);
    return settings({ scaleFactor: factor, size, mode: `'${mode}'` });
  }
}

/** Channels become pixels (Shi et al. 2016): x [N, C·r², H, W] → y [N, C, H·r, W·r] with r = upscaleFactor */
export class PixelShuffle extends Layer {
  static readonly type: string = "PixelShuffle";
  readonly upscaleFactor: number;

  constructor(upscaleFactor: number) {
    super();
    checkWholes("PixelShuffle", { upscaleFactor });
    this.upscaleFactor = upscaleFactor;
  }

  forward(x: Tensor): Tensor {
    return F.pixelShuffle(x, this.upscaleFactor);
  }

  override extraRepr(): string {
    return settings({ upscaleFactor: this.upscaleFactor });
  }
}

/** Deals channels out over the groups, so that group convolutions after it see all of them (Zhang et al. 2017): x [N, C, H, W] → y [same] */
export class ChannelShuffle extends Layer {
  static readonly type: string = "ChannelShuffle";
  readonly groups: number;

  constructor(groups: number) {
    super();
    checkWholes("ChannelShuffle", { groups });
    this.groups = groups;
  }

  forward(x: Tensor): Tensor {
    return F.channelShuffle(x, this.groups);
  }

  override extraRepr(): string {
    return settings({ groups: this.groups });
  }
}

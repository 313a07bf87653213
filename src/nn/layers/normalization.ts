import { check, checkOptions, describe, formatShape } from "../../graph/index.ts";
import type { LocalResponseNormOptions } from "../functional/index.ts";
import * as F from "../functional/index.ts";
import { follow } from "../functional/support.ts";
import { ones, zeros } from "../init.ts";
import { BATCH_NORM, checkPositional, checkWholes, GROUP_NORM, LAYER_NORM, LRN } from "../options.ts";
import { ModuleBuffer, Parameter } from "../parameter.ts";
import { python, real, settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** Options of batch and instance normalization. */
export interface ChannelNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Share of a batch's statistics in the new running ones. Default 0.1. */
  momentum?: number;
  /** Whether there is a trained scale and bias. Default true for batch, false for instance normalization. */
  affine?: boolean;
  /**
   * Whether running statistics are kept for evaluation; without them, it uses those of the batch or image too. Default true for
   * batch, false for instance normalization.
   */
  trackRunningStats?: boolean;
}

/** Options of `BatchNorm1d` and `BatchNorm2d`. */
export type BatchNorm2dOptions = ChannelNormOptions;

/** The weights of a normalization of channels, and its running statistics. */
abstract class ChannelNorm extends Layer {
  readonly weight?: Parameter;
  readonly bias?: Parameter;
  readonly running_mean?: ModuleBuffer;
  readonly running_var?: ModuleBuffer;
  readonly num_batches_tracked?: ModuleBuffer;
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number;
  readonly affine: boolean;
  readonly trackRunningStats: boolean;

  constructor(numFeatures: number, options: ChannelNormOptions, usual: boolean) {
    super();
    checkPositional(this.type, { numFeatures });
    checkOptions(this.type, options, BATCH_NORM);
    const { eps = 1e-5, momentum = 0.1, affine = usual, trackRunningStats = usual } = options;
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
    this.affine = affine;
    this.trackRunningStats = trackRunningStats;
    if (affine) {
      this.weight = new Parameter([numFeatures], ones);
      this.bias = new Parameter([numFeatures], zeros);
    }
    if (trackRunningStats) {
      this.running_mean = new ModuleBuffer([numFeatures], 0);
      this.running_var = new ModuleBuffer([numFeatures], 1);
      this.num_batches_tracked = new ModuleBuffer([], 0, "int64");
    }
  }

  /** Whether statistics of x are used, instead of the running ones. */
  protected trains({ tracer }: Tensor): boolean {
    return this.running_mean === undefined || (tracer.training && this.training);
  }

  /** Normalizes by the running statistics, or by those of the batch. */
  protected batchNorm(x: Tensor, training: boolean): Tensor {
    const { running_mean: mean, running_var: variance, momentum, eps } = this;
    const [running, spread] = [mean, variance].map((buffer) => buffer && x.tracer.weight(buffer));
    return F.batchNorm(x, running, spread, { ...affine(this, x), training, momentum, eps });
  }

  override extraRepr(): string {
    const { eps, momentum, affine, bias, trackRunningStats } = this;
    return `${this.numFeatures}, ${settings({ eps: real(eps), momentum, affine, bias: bias !== undefined, trackRunningStats })}`;
  }
}

/**
 * Normalizes each channel, then scales and shifts it by trained amounts (Ioffe and Szegedy 2015).
 *
 *     x [N, C, H, W] → y [N, C, H, W],  y = weight·(x − mean) / √(variance + eps) + bias
 *
 * Training uses the statistics of the batch, evaluation the running ones. Throws in training when every batch has one value per
 * channel, as in PyTorch; if only the last batch of an epoch has, its variance is 0.
 */
export class BatchNorm2d extends ChannelNorm {
  static readonly type: string = "BatchNorm2d";

  constructor(numFeatures: number, options: BatchNorm2dOptions = {}) {
    super(numFeatures, options, true);
  }

  forward(x: Tensor): Tensor {
    const training = this.trains(x);
    const y = this.batchNorm(x, training);
    if (training && this.num_batches_tracked) x.tracer.counters.push(x.tracer.key(this.num_batches_tracked));
    return y;
  }
}

/**
 * Batch normalization of vectors, or of sequences of L elements (Ioffe and Szegedy 2015); see `BatchNorm2d`.
 *
 *     x [N, C] or [N, C, L] → y [same],  y = weight·(x − mean) / √(variance + eps) + bias
 */
export class BatchNorm1d extends BatchNorm2d {
  static override readonly type: string = "BatchNorm1d";

  override forward(x: Tensor): Tensor {
    const { shape } = x;
    check(
      shape.length === 2 || shape.length === 3,
      () => `BatchNorm1d: takes [N, C] or [N, C, L], not ${formatShape(shape)}; BatchNorm2d takes images`,
    );
    return super.forward(x);
  }
}

/**
 * Normalizes each channel of each image over its pixels (Ulyanov et al. 2016).
 *
 *     x [N, C, H, W] → y [N, C, H, W],  y = weight·(x − mean) / √(variance + eps) + bias
 *
 * As in PyTorch, there are no weights unless `affine` is set, and no running statistics unless `trackRunningStats` is.
 */
export class InstanceNorm2d extends ChannelNorm {
  static readonly type: string = "InstanceNorm2d";

  constructor(numFeatures: number, options: ChannelNormOptions = {}) {
    super(numFeatures, options, false);
  }

  forward(x: Tensor): Tensor {
    check(x.shape.length === 4, () => `InstanceNorm2d: takes images [N, C, H, W], not ${formatShape(x.shape)}`);
    if (!this.trains(x)) return this.batchNorm(x, false);
    if (this.running_mean) follow(x.tracer.weight(this.running_mean), x.mean([0, 2, 3]), this.momentum);
    if (this.running_var) follow(x.tracer.weight(this.running_var), x.var([2, 3]).mean(0), this.momentum);
    return F.instanceNorm(x, { ...affine(this, x), eps: this.eps });
  }
}

/** A layer's weight and bias in a trace, where it has them. */
function affine({ weight, bias }: { weight?: Parameter; bias?: Parameter }, { tracer }: Tensor): F.AffineOptions {
  return { ...(weight && { weight: tracer.weight(weight) }), ...(bias && { bias: tracer.weight(bias) }) };
}

/** Options of `GroupNorm`. */
export interface GroupNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether there is a trained scale and bias. Default true. */
  affine?: boolean;
}

/**
 * Normalizes groups of channels of each image (Wu and He 2018).
 *
 *     x [N, C, …] → y [same],  y = weight·(x − mean) / √(variance + eps) + bias
 *
 * Weight and bias [C]. Throws when the channels do not divide into the groups.
 */
export class GroupNorm extends Layer {
  static readonly type: string = "GroupNorm";
  readonly numGroups: number;
  readonly numChannels: number;
  readonly eps: number;
  readonly affine: boolean;
  readonly weight?: Parameter;
  readonly bias?: Parameter;

  constructor(numGroups: number, numChannels: number, options: GroupNormOptions = {}) {
    super();
    checkWholes("GroupNorm", { numGroups, numChannels });
    checkOptions("GroupNorm", options, GROUP_NORM);
    check(
      numChannels % numGroups === 0,
      () => `GroupNorm: ${numChannels} channels do not divide into ${numGroups} groups`,
    );
    const { eps = 1e-5, affine = true } = options;
    this.numGroups = numGroups;
    this.numChannels = numChannels;
    this.eps = eps;
    this.affine = affine;
    if (!affine) return;
    this.weight = new Parameter([numChannels], ones);
    this.bias = new Parameter([numChannels], zeros);
  }

  forward(x: Tensor): Tensor {
    check(
      x.shape[1] === this.numChannels,
      () =>
        `GroupNorm: the input ${formatShape(x.shape)} has ${x.shape[1]} channels, but ${this.numChannels} are expected`,
    );
    return F.groupNorm(x, this.numGroups, { ...affine(this, x), eps: this.eps });
  }

  override extraRepr(): string {
    const { numGroups, numChannels, eps, affine, bias } = this;
    return `${numGroups}, ${numChannels}, ${settings({ eps: real(eps), affine, bias: bias !== undefined })}`;
  }
}

/** Options of `LayerNorm`. */
export interface LayerNormOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Whether there is a trained scale and bias. Default true. */
  elementwiseAffine?: boolean;
  /** Whether there is a bias where there is a scale. Default true. */
  bias?: boolean;
}

/**
 * Normalizes over the last axes, whose sizes are `normalizedShape` (Ba et al. 2016).
 *
 *     x [N, …, normalizedShape] → y [same],  y = weight·(x − mean) / √(variance + eps) + bias
 *
 * Weight and bias have the shape `normalizedShape`.
 */
export class LayerNorm extends Layer {
  static readonly type: string = "LayerNorm";
  readonly normalizedShape: readonly number[];
  readonly eps: number;
  readonly elementwiseAffine: boolean;
  readonly weight?: Parameter;
  readonly bias?: Parameter;

  constructor(normalizedShape: number | readonly number[], options: LayerNormOptions = {}) {
    super();
    const sizes = [normalizedShape].flat() as number[];
    check(
      sizes.length > 0 && sizes.every((size) => Number.isInteger(size) && size > 0),
      () =>
        `LayerNorm: normalizedShape has to be a positive whole number or a list of such, but is ${describe(normalizedShape)}`,
    );
    checkOptions("LayerNorm", options, LAYER_NORM);
    const { eps = 1e-5, elementwiseAffine = true, bias = true } = options;
    this.normalizedShape = sizes;
    this.eps = eps;
    this.elementwiseAffine = elementwiseAffine;
    if (elementwiseAffine) this.weight = new Parameter(sizes, ones);
    if (elementwiseAffine && bias) this.bias = new Parameter(sizes, zeros);
  }

  forward(x: Tensor): Tensor {
    return F.layerNorm(x, this.normalizedShape, { ...affine(this, x), eps: this.eps });
  }

  override extraRepr(): string {
    const { normalizedShape, eps, elementwiseAffine, bias } = this;
    return `${python(normalizedShape)}, ${settings({ eps: real(eps), elementwiseAffine, bias: bias !== undefined })}`;
  }
}

/**
 * Divides by the energy of neighbouring channels (Krizhevsky et al. 2012, 3.3).
 *
 *     x [N, C, H, W] → y [N, C, H, W],  y = x / (k + alpha/size · Σ x² over `size` channels)^beta
 *
 * Throws when traced with an even size, for which ONNX and PyTorch place the window differently.
 */
export class LocalResponseNorm extends Layer {
  static readonly type: string = "LocalResponseNorm";
  readonly size: number;
  readonly options: LocalResponseNormOptions;

  constructor(size: number, options: LocalResponseNormOptions = {}) {
    super();
    checkPositional("LocalResponseNorm", { size });
    checkOptions("LocalResponseNorm", options, LRN);
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return F.localResponseNorm(x, this.size, this.options);
  }

  override extraRepr(): string {
    const { alpha = 1e-4, beta = 0.75, k = 1 } = this.options;
    return `${this.size}, ${settings({ alpha: real(alpha), beta: real(beta), k: real(k) })}`;
  }
}

import { check, checkOptions, Float, formatShape, product } from "../../graph/index.ts";
import type { LocalResponseNormOptions } from "../functional.ts";
import * as F from "../functional.ts";
import { ones, zeros } from "../init.ts";
import { BATCH_NORM, checkPositional, LRN } from "../options.ts";
import { ModuleBuffer, Parameter } from "../parameter.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** Options of `BatchNorm2d`. */
export interface BatchNorm2dOptions {
  /** Added to the variance. Default 1e-5. */
  eps?: number;
  /** Share of a batch's statistics in the new running ones. Default 0.1. */
  momentum?: number;
  /** Whether there is a trained scale and bias. Default true. */
  affine?: boolean;
  /** Whether running statistics are kept; without them, evaluation uses those of the batch too. Default true. */
  trackRunningStats?: boolean;
}

/**
 * Normalizes each channel, then scales and shifts it by trained amounts (Ioffe and Szegedy 2015).
 *
 *     x [N, C, H, W] → y [N, C, H, W],  y = weight·(x − mean) / √(variance + eps) + bias
 *
 * Training uses the statistics of the batch, evaluation the running ones. Throws in training when every batch has one value per
 * channel, as in PyTorch; if only the last batch of an epoch has, its variance is 0.
 */
export class BatchNorm2d extends Layer {
  static readonly type: string = "BatchNorm2d";
  readonly weight?: Parameter;
  readonly bias?: Parameter;
  readonly running_mean?: ModuleBuffer;
  readonly running_var?: ModuleBuffer;
  readonly num_batches_tracked?: ModuleBuffer;
  readonly numFeatures: number;
  readonly eps: number;
  readonly momentum: number;

  constructor(numFeatures: number, options: BatchNorm2dOptions = {}) {
    super();
    checkPositional("BatchNorm2d", { numFeatures });
    checkOptions("BatchNorm2d", options, BATCH_NORM);
    const { eps = 1e-5, momentum = 0.1, affine = true, trackRunningStats = true } = options;
    this.numFeatures = numFeatures;
    this.eps = eps;
    this.momentum = momentum;
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

  forward(x: Tensor): Tensor {
    const { tracer } = x;
    const { ops } = tracer;
    const fill = (value: number) =>
      x.wrap(
        ops.constant({
          dtype: "float32",
          shape: [this.numFeatures],
          data: new Float32Array(this.numFeatures).fill(value),
        }),
      );
    const scale = this.weight ? tracer.weight(this.weight) : fill(1);
    const bias = this.bias ? tracer.weight(this.bias) : fill(0);
    const mean = this.running_mean ? tracer.weight(this.running_mean) : fill(0);
    const variance = this.running_var ? tracer.weight(this.running_var) : fill(1);
    const inputs = [x, scale, bias, mean, variance].map(({ value }) => value);
    const epsilon = new Float(this.eps);
    const ofBatch = !this.running_mean || (tracer.training && this.training);
    // no effect in this form, but kept in files for further training; ONNX's momentum is the share that is kept
    const kept = new Float(1 - this.momentum);
    if (!ofBatch) return x.wrap(ops.one("BatchNormalization", inputs, { epsilon, momentum: kept }));

    check(
      product([x.shape[0]!, ...x.shape.slice(2)]) !== 1,
      () =>
        `BatchNorm2d: a training batch of ${formatShape(x.shape)} has one value per channel, and so no variance; use larger batches or images`,
    );
    // with momentum 0, ONNX returns the statistics of the batch
    const attributes = { epsilon, training_mode: 1, momentum: new Float(0) };
    const [y, batchMean, batchVariance] = ops
      .emit("BatchNormalization", inputs, attributes)
      .map((value) => x.wrap(value));
    if (this.running_mean && this.running_var && this.num_batches_tracked) {
      const count = x.wrap(ops.count(x.value, [0, 2, 3]));
      // PyTorch keeps the unbiased variance
      const one = ops.scalar(1);
      const freedom = x.wrap(ops.one("Max", [ops.sub(count.value, one), one]));
      const unbiased = batchVariance!.mul(count).div(freedom);
      const follow = (buffer: ModuleBuffer, batch: Tensor) => {
        const key = tracer.key(buffer);
        const running = tracer.updates.get(key) ?? tracer.weight(buffer);
        tracer.updates.set(key, running.mul(1 - this.momentum).add(batch.mul(this.momentum)));
      };
      follow(this.running_mean, batchMean!);
      follow(this.running_var, unbiased);
      tracer.counters.push(tracer.key(this.num_batches_tracked));
    }
    return y!;
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
}

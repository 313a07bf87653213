import { check, checkOptions, describe, Float, formatShape, product } from "../graph/index.ts";
import type { AvgPoolOptions, ConvOptions, LocalResponseNormOptions, MaxPoolOptions } from "./functional.ts";
import * as F from "./functional.ts";
import { defaultBias, defaultWeight, ones, zeros } from "./init.ts";
import { Module } from "./module.ts";
import {
  AVG_POOL,
  BATCH_NORM,
  CONV,
  checkOutputSize,
  checkPositional,
  LRN,
  MAX_POOL,
  type OutputSize,
  pair,
  type Size,
  WEIGHTS,
} from "./options.ts";
import { type Initializer, ModuleBuffer, Parameter } from "./parameter.ts";
import type { Tensor } from "./tensor.ts";

/*
 * PyTorch's layers, with its names, options, defaults and initial weights. Axes: N batch, C (or O) channels, H height, W width.
 * Sizes are in pixels. Constructors throw for arguments and options that are unknown or of the wrong type.
 */

/** Base of layers with one input and one output. */
export abstract class Layer extends Module<Tensor> {}

/** How weights are initialized. Default: as in PyTorch, uniform in ±1/√fan-in. */
export interface InitOptions {
  /** Initial weight; see `init`. */
  weight?: Initializer;
  /** Initial bias. */
  biasInit?: Initializer;
}

/** Options of `Conv2d`. */
export interface Conv2dOptions extends ConvOptions, InitOptions {
  /** Whether a bias is added. Default true. */
  bias?: boolean;
}

/** Options of `Linear`. */
export interface LinearOptions extends InitOptions {
  /** Whether a bias is added. Default true. */
  bias?: boolean;
}

/**
 * Convolution (cross-correlation) with trained kernels.
 *
 *     x [N, C, H, W] → y [N, O, outH, outW],  outH = ⌊(H + 2·padding − dilation·(kH − 1) − 1) / stride⌋ + 1
 *
 * Weight [O, C/groups, kH, kW], bias [O]. Throws when the channels do not divide into the groups.
 */
export class Conv2d extends Layer {
  static readonly type: string = "Conv2d";
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly options: ConvOptions;
  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor(inChannels: number, outChannels: number, kernelSize: Size, conv2dOptions: Conv2dOptions = {}) {
    super();
    checkPositional("Conv2d", { inChannels, outChannels, kernelSize });
    checkOptions("Conv2d", conv2dOptions, { ...CONV, ...WEIGHTS });
    const { bias = true, weight = defaultWeight, biasInit, ...options } = conv2dOptions;
    const { stride = 1, groups = 1 } = options;
    check(
      inChannels % groups === 0 && outChannels % groups === 0,
      () => `Conv2d: ${inChannels} → ${outChannels} channels do not divide into ${groups} groups`,
    );
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pair(kernelSize);
    this.options = { stride, ...options };
    const shape = [outChannels, inChannels / groups, ...this.kernelSize];
    this.weight = new Parameter(shape, weight);
    if (bias) this.bias = new Parameter([outChannels], biasInit ?? defaultBias(shape));
  }

  forward(x: Tensor): Tensor {
    const { tracer } = x;
    return F.conv2d(x, tracer.weight(this.weight), this.bias && tracer.weight(this.bias), this.options);
  }
}

/** y = x·weightᵀ + bias: x [..., in] → y [..., out]; weight [out, in], bias [out] */
export class Linear extends Layer {
  static readonly type: string = "Linear";
  readonly inFeatures: number;
  readonly outFeatures: number;
  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    checkPositional("Linear", { inFeatures, outFeatures });
    checkOptions("Linear", options, WEIGHTS);
    this.inFeatures = inFeatures;
    this.outFeatures = outFeatures;
    const { bias = true, weight = defaultWeight, biasInit } = options;
    const shape = [outFeatures, inFeatures];
    this.weight = new Parameter(shape, weight);
    if (bias) this.bias = new Parameter([outFeatures], biasInit ?? defaultBias(shape));
  }

  forward(x: Tensor): Tensor {
    const { tracer } = x;
    return F.linear(x, tracer.weight(this.weight), this.bias && tracer.weight(this.bias));
  }
}

/** y = max(x, 0): x [any] → y [same] */
export class ReLU extends Layer {
  static readonly type: string = "ReLU";

  forward(x: Tensor): Tensor {
    return x.relu();
  }
}

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
}

/** Means over windows that are chosen to give this output size; null keeps a size: x [N, C, H, W] → y [N, C, outH, outW] */
export class AdaptiveAvgPool2d extends Layer {
  static readonly type: string = "AdaptiveAvgPool2d";
  readonly outputSize: OutputSize;

  constructor(outputSize: OutputSize) {
    super();
    checkOutputSize("AdaptiveAvgPool2d", outputSize);
    this.outputSize = outputSize;
  }

  forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool2d(x, this.outputSize);
  }
}

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

/** In training, sets each element to 0 with probability p and scales the others by 1 / (1 − p): x [any] → y [same]. Default p 0.5. */
export class Dropout extends Layer {
  static readonly type: string = "Dropout";
  readonly p: number;

  constructor(p = 0.5) {
    super();
    check(typeof p === "number" && p >= 0 && p < 1, () => `Dropout: p has to lie in [0, 1), but is ${describe(p)}`);
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    return x.tracer.dropout(x, this.p, this);
  }
}

/** y = exp(x) / Σ exp(x) along the axis `dim`: x [any] → y [same] */
export class Softmax extends Layer {
  static readonly type: string = "Softmax";
  readonly dim: number;

  constructor(dim: number) {
    super();
    checkPositional("Softmax", { dim });
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return x.softmax(this.dim);
  }
}

/** y = x − log Σ exp(x) along the axis `dim`: x [any] → y [same] */
export class LogSoftmax extends Layer {
  static readonly type: string = "LogSoftmax";
  readonly dim: number;

  constructor(dim: number) {
    super();
    checkPositional("LogSoftmax", { dim });
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim);
  }
}

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
}

/** y = x: x [any] → y [same] */
export class Identity extends Layer {
  static readonly type: string = "Identity";

  forward(x: Tensor): Tensor {
    return x;
  }
}

/**
 * Applies modules one after the other, given one by one or as one list; their keys are "0", "1", … Networks can also call its
 * modules themselves, as `this.layers[0].call(x)`.
 *
 *     new Sequential(new Conv2d(3, 8, 3), new ReLU())
 */
export class Sequential extends Layer {
  static readonly type: string = "Sequential";
  readonly [index: number]: Module<Tensor>;

  constructor(...modules: (Module<Tensor> | readonly Module<Tensor>[])[]) {
    super();
    const all = modules.flat();
    for (const module of all)
      check(module instanceof Module, () => `Sequential: takes modules, but got ${describe(module)}`);
    Object.assign(this, all);
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (const [, module] of this.children<Module<Tensor>>()) y = module.call(y);
    return y;
  }
}

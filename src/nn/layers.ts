import { check, Float, formatShape, product } from "../graph/index.ts";
import type { AvgPoolOptions, ConvOptions, LocalResponseNormOptions, MaxPoolOptions, Size } from "./functional.ts";
import * as F from "./functional.ts";
import { defaultBias, defaultWeight, ones, zeros } from "./init.ts";
import { Module } from "./module.ts";
import { type Initializer, ModuleBuffer, Parameter } from "./parameter.ts";
import type { Tensor } from "./tensor.ts";

/*
 * PyTorch's layers, with its names, options, defaults and first weights. Axes: N batch, C (or O) channels, H height, W width.
 */

/** Layers of one input and one output. */
export abstract class Layer extends Module<Tensor> {}

/** Where the first weights come from, other than PyTorch's default. */
export interface InitOptions {
  weight?: Initializer;
  biasInit?: Initializer;
}

export interface Conv2dOptions extends ConvOptions, InitOptions {
  bias?: boolean;
}

export interface LinearOptions extends InitOptions {
  bias?: boolean;
}

/** Cross-correlation with learnt kernels: x [N, C, H, W] → y [N, O, outH, outW] */
export class Conv2d extends Layer {
  readonly weight: Parameter;
  readonly bias?: Parameter;
  readonly kernelSize: readonly [number, number];
  readonly options: ConvOptions;

  constructor(inChannels: number, outChannels: number, kernelSize: Size, conv2dOptions: Conv2dOptions = {}) {
    super();
    const { bias = true, weight = defaultWeight, biasInit, ...options } = conv2dOptions;
    const { groups = 1 } = options;
    if (inChannels % groups !== 0 || outChannels % groups !== 0) {
      throw new Error(`Conv2d: ${inChannels} → ${outChannels} channels do not divide into ${groups} groups`);
    }
    this.kernelSize = F.pair(kernelSize);
    this.options = options;
    const shape = [outChannels, inChannels / groups, ...this.kernelSize];
    this.weight = new Parameter(shape, weight);
    if (bias) this.bias = new Parameter([outChannels], biasInit ?? defaultBias(shape));
  }

  forward(x: Tensor): Tensor {
    const { tracer } = x;
    return F.conv2d(x, tracer.weight(this.weight), this.bias && tracer.weight(this.bias), this.options);
  }
}

/** y = x·weightᵀ + bias: x [..., in] → y [..., out] */
export class Linear extends Layer {
  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
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

/** max(x, 0) */
export class ReLU extends Layer {
  forward(x: Tensor): Tensor {
    return x.relu();
  }
}

/** x [N, C, H, W] → y [N, C, outH, outW], the largest value of each window */
export class MaxPool2d extends Layer {
  readonly kernelSize: Size;
  readonly options: MaxPoolOptions;

  constructor(kernelSize: Size, options: MaxPoolOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return F.maxPool2d(x, this.kernelSize, this.options);
  }
}

/** x [N, C, H, W] → y [N, C, outH, outW], the mean of each window */
export class AvgPool2d extends Layer {
  readonly kernelSize: Size;
  readonly options: AvgPoolOptions;

  constructor(kernelSize: Size, options: AvgPoolOptions = {}) {
    super();
    this.kernelSize = kernelSize;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return F.avgPool2d(x, this.kernelSize, this.options);
  }
}

/** x [N, C, H, W] → y [N, C, *outputSize], means over windows that fit the input */
export class AdaptiveAvgPool2d extends Layer {
  readonly outputSize: number | readonly [number | null, number | null];

  constructor(outputSize: number | readonly [number | null, number | null]) {
    super();
    this.outputSize = outputSize;
  }

  forward(x: Tensor): Tensor {
    return F.adaptiveAvgPool2d(x, this.outputSize);
  }
}

export interface BatchNorm2dOptions {
  eps?: number;
  /** Share of a batch's statistics in the running ones. */
  momentum?: number;
  /** Whether there are a learnt scale and bias. */
  affine?: boolean;
  /** Without running statistics, those of the batch serve in evaluation too. */
  trackRunningStats?: boolean;
}

/**
 * Normalises each channel, then scales and shifts it by learnt amounts: x [N, C, H, W] → y [N, C, H, W]
 *
 * A training batch that turns out to have one value a channel, as the last one of an epoch may, has the variance 0; where it is
 * known while tracing that all have, that is an error, as always in PyTorch.
 */
export class BatchNorm2d extends Layer {
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
    // of no effect in this form, but what a file tells those who train it further; ONNX counts the share that is kept
    const kept = new Float(1 - this.momentum);
    if (!ofBatch) return x.wrap(ops.one("BatchNormalization", inputs, { epsilon, momentum: kept }));

    check(
      product([x.shape[0]!, ...x.shape.slice(2)]) !== 1,
      () =>
        `BatchNorm2d: a training batch of ${formatShape(x.shape)} has one value a channel, and so no variance; use larger batches or images`,
    );
    // ONNX's momentum 0 hands out the statistics of the batch themselves
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

/** Divides by the energy of neighbouring channels (Krizhevsky et al. 2012, 3.3): x [N, C, H, W] → y [N, C, H, W] */
export class LocalResponseNorm extends Layer {
  readonly size: number;
  readonly options: LocalResponseNormOptions;

  constructor(size: number, options: LocalResponseNormOptions = {}) {
    super();
    this.size = size;
    this.options = options;
  }

  forward(x: Tensor): Tensor {
    return F.localResponseNorm(x, this.size, this.options);
  }
}

/** In training, zeroes each element with probability p and scales the others by 1 / (1 − p). */
export class Dropout extends Layer {
  readonly p: number;

  constructor(p = 0.5) {
    super();
    if (!(p >= 0 && p < 1)) throw new Error(`Dropout: p has to lie in [0, 1), but is ${p}`);
    this.p = p;
  }

  forward(x: Tensor): Tensor {
    return x.tracer.dropout(x, this.p, this);
  }
}

/** exp(x) / Σ exp(x) along one axis */
export class Softmax extends Layer {
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return x.softmax(this.dim);
  }
}

/** x − log Σ exp(x) along one axis */
export class LogSoftmax extends Layer {
  readonly dim: number;

  constructor(dim: number) {
    super();
    this.dim = dim;
  }

  forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim);
  }
}

/** x [N, C, H, W] → y [N, C·H·W] */
export class Flatten extends Layer {
  readonly startDim: number;
  readonly endDim: number;

  constructor(startDim = 1, endDim = -1) {
    super();
    this.startDim = startDim;
    this.endDim = endDim;
  }

  forward(x: Tensor): Tensor {
    return x.flatten(this.startDim, this.endDim);
  }
}

/** x */
export class Identity extends Layer {
  forward(x: Tensor): Tensor {
    return x;
  }
}

/** Modules one after the other; their keys are "0", "1", … */
export class Sequential extends Layer {
  readonly [index: number]: Module<Tensor>;

  constructor(...modules: Module<Tensor>[]) {
    super();
    Object.assign(this, modules);
  }

  forward(x: Tensor): Tensor {
    let y = x;
    for (const [, module] of this.children()) y = (module as Module<Tensor>).call(y);
    return y;
  }
}

import { type Attributes, check, checkOptions, Float, formatShape, product, sameShape } from "../../graph/index.ts";
import { AFFINE, BATCH_NORM_FUNCTION, checkPositional, checkWholes, LRN } from "../options.ts";
import type { Tensor } from "../tensor.ts";
import { filled, follow } from "./support.ts";

/** Options of local response normalization. */
export interface LocalResponseNormOptions {
  /** Default 1e-4. */
  alpha?: number;
  /** Default 0.75. */
  beta?: number;
  /** Default 1. */
  k?: number;
}

/** y = x / (k + alpha/size · Σ x² over `size` neighbouring channels)^beta, x [N, C, H, W] → y [N, C, H, W] */
export function localResponseNorm(x: Tensor, size: number, options: LocalResponseNormOptions = {}): Tensor {
  checkPositional("localResponseNorm", { size });
  checkOptions("localResponseNorm", options, LRN);
  const { alpha = 1e-4, beta = 0.75, k = 1 } = options;
  check(
    size % 2 === 1,
    () => `localResponseNorm: ONNX and PyTorch place an even window (${size}) differently; use an odd size`,
  );
  const attributes = { size, alpha: new Float(alpha), beta: new Float(beta), bias: new Float(k) };
  return x.wrap(x.tracer.ops.one("LRN", [x.value], attributes));
}

/** What follows a normalization: y = weight·x̂ + bias. */
export interface AffineOptions {
  /** Default 1. */
  weight?: Tensor;
  /** Default 0. */
  bias?: Tensor;
  /** Added to the variance. Default 1e-5. */
  eps?: number;
}

/** Options of `batchNorm`. */
export interface BatchNormOptions extends AffineOptions {
  /** Use the statistics of the batch, which the running ones then follow. Default false. */
  training?: boolean;
  /** Share of the batch's statistics in the new running ones. Default 0.1. */
  momentum?: number;
}

/**
 * Normalizes each channel (Ioffe and Szegedy 2015), by running statistics [C] or, in training, by those of the batch.
 *
 *     x [N, C, …] → y [same],  y = weight·(x − mean) / √(variance + eps) + bias
 *
 * Throws in training when every batch has one value per channel, as in PyTorch; if only the last batch of an epoch has, its
 * variance is 0. Throws without running statistics unless `training` is set.
 */
export function batchNorm(x: Tensor, mean?: Tensor, variance?: Tensor, options: BatchNormOptions = {}): Tensor {
  checkOptions("batchNorm", options, BATCH_NORM_FUNCTION);
  const { training = false, momentum = 0.1, eps = 1e-5 } = options;
  const { shape, tracer } = x;
  const C = shape[1] as number;
  check(
    training || (mean && variance),
    () => "batchNorm: needs a running mean and variance, unless training is set, which uses those of the batch",
  );
  const { weight = filled(x, [C], 1), bias = filled(x, [C], 0) } = options;
  // vectors and sequences as images
  const images = shape.length < 4 ? x.view(...shape, ...[1, 1].slice(shape.length - 2)) : x;
  const inputs = [images, weight, bias, mean ?? filled(x, [C], 0), variance ?? filled(x, [C], 1)];
  const emit = (attributes: Attributes) => {
    const values = inputs.map(({ value }) => value);
    const outputs = tracer.ops.emit("BatchNormalization", values, { epsilon: new Float(eps), ...attributes });
    return outputs.map((value) => x.wrap(value));
  };
  const back = (y: Tensor) => (shape.length < 4 ? y.view(...shape) : y);
  // in evaluation, momentum has no effect, but is kept in files for further training; ONNX's is the share that is kept
  if (!training) return back(emit({ momentum: new Float(1 - momentum) })[0]!);
  check(
    product([shape[0]!, ...shape.slice(2)]) !== 1,
    () =>
      `batchNorm: a training batch of ${formatShape(shape)} has one value per channel, and so no variance; use larger batches or images`,
  );
  // with momentum 0, ONNX returns the statistics of the batch
  const [y, batchMean, batchVariance] = emit({ training_mode: 1, momentum: new Float(0) }) as [Tensor, Tensor, Tensor];
  if (mean) follow(mean, batchMean, momentum);
  if (variance) {
    // PyTorch keeps the unbiased variance
    const { ops } = tracer;
    const count = ops.count(images.value, [0, 2, 3]);
    const freedom = x.wrap(ops.one("Max", [ops.sub(count, ops.scalar(1)), ops.scalar(1)]));
    follow(variance, batchVariance.mul(x.wrap(count)).div(freedom), momentum);
  }
  return back(y);
}

/**
 * Normalizes over the last axes, whose sizes are `normalizedShape` (Ba et al. 2016).
 *
 *     x [N, …, normalizedShape] → y [same],  y = weight·(x − mean) / √(variance + eps) + bias
 */
export function layerNorm(x: Tensor, normalizedShape: number | readonly number[], options: AffineOptions = {}): Tensor {
  checkOptions("layerNorm", options, AFFINE);
  const sizes = [normalizedShape].flat() as number[];
  const { weight = filled(x, sizes, 1), bias, eps = 1e-5 } = options;
  check(
    sameShape(x.shape.slice(-sizes.length), sizes),
    () =>
      `layerNorm: the input ${formatShape(x.shape)} does not end in ${formatShape(sizes)}, over which it is normalized`,
  );
  const attributes = { axis: -sizes.length, epsilon: new Float(eps) };
  return x.apply("LayerNormalization", [weight, ...(bias ? [bias] : [])], attributes);
}

/**
 * Normalizes each channel of each image over its pixels (Ulyanov et al. 2016).
 *
 *     x [N, C, …], weight, bias [C] → y [same],  y = weight·(x − mean) / √(variance + eps) + bias
 */
export function instanceNorm(x: Tensor, options: AffineOptions = {}): Tensor {
  checkOptions("instanceNorm", options, AFFINE);
  const { shape } = x;
  const C = shape[1] as number;
  check(shape.length > 2, () => `instanceNorm: takes images [N, C, H, W], not ${formatShape(shape)}`);
  check(
    product(shape.slice(2)) !== 1,
    () =>
      `instanceNorm: the input ${formatShape(shape)} has one value per channel, and so no variance; use larger images`,
  );
  const { weight = filled(x, [C], 1), bias = filled(x, [C], 0), eps = 1e-5 } = options;
  return x.apply("InstanceNormalization", [weight, bias], { epsilon: new Float(eps) });
}

/**
 * Normalizes groups of channels of each image (Wu and He 2018).
 *
 *     x [N, C, …], weight, bias [C] → y [same],  y = weight·(x − mean) / √(variance + eps) + bias
 *
 * Throws when the channels do not divide into the groups.
 */
export function groupNorm(x: Tensor, numGroups: number, options: AffineOptions = {}): Tensor {
  checkWholes("groupNorm", { numGroups });
  checkOptions("groupNorm", options, AFFINE);
  const { shape } = x;
  const [N, C] = shape;
  check(
    typeof C === "number" && C % numGroups === 0,
    () => `groupNorm: the channels of ${formatShape(shape)} do not divide into ${numGroups} groups`,
  );
  const { weight, bias, eps = 1e-5 } = options;
  const groups = instanceNorm(x.view(N!, numGroups, (product(shape.slice(1)) as number) / numGroups), { eps });
  const perChannel = (v: Tensor) => v.view(C, ...shape.slice(2).map(() => 1));
  const y = groups.view(...shape);
  const scaled = weight ? y.mul(perChannel(weight)) : y;
  return bias ? scaled.add(perChannel(bias)) : scaled;
}

import { check, checkOptions, Float, formatShape, numel, product, sameShape } from "../../graph/index.ts";
import { AFFINE, checkPositional, checkWholes, LRN } from "../options.ts";
import type { Tensor } from "../tensor.ts";

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

/** A constant vector or tensor all of whose elements are equal. */
export function filled(x: Tensor, shape: readonly number[], value: number): Tensor {
  const data = new Float32Array(numel(shape)).fill(value);
  return x.wrap(x.tracer.ops.constant({ dtype: "float32", shape, data }));
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

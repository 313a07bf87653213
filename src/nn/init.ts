/**
 * Initializers: how weights are initialized at random, with the names and formulas of torch.nn.init.
 */

import { numel } from "../graph/index.ts";
import type { Random } from "../random.ts";
import type { Initializer } from "./parameter.ts";

function fill(next: (random: Random) => number): Initializer {
  return (shape, random) => {
    const data = new Float32Array(numel(shape));
    for (let i = 0; i < data.length; i++) data[i] = next(random);
    return data;
  };
}

/** Fan-in and fan-out: a weight [out, in, kH, kW] has fan-in in·kH·kW and fan-out out·kH·kW. */
export function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [out = 1, inputs = 1, ...kernel] = shape;
  const field = numel(kernel);
  return { fanIn: inputs * field, fanOut: out * field };
}

/** Nonlinearities that `gain` knows, by PyTorch's names. */
export type Nonlinearity = "linear" | "relu" | "leaky_relu" | "tanh" | "sigmoid";

/** Factor for the standard deviation of weights before a nonlinearity; `a` is the slope of leaky_relu. */
export function gain(nonlinearity: Nonlinearity, a = 0.01): number {
  switch (nonlinearity) {
    case "linear":
    case "sigmoid":
      return 1;
    case "tanh":
      return 5 / 3;
    case "relu":
      return Math.SQRT2;
    case "leaky_relu":
      return Math.sqrt(2 / (1 + a * a));
    default:
      return nonlinearity satisfies never;
  }
}

/** Every element the same. */
export const constant =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(numel(shape)).fill(value);
/** Every element 0. */
export const zeros: Initializer = constant(0);
/** Every element 1. */
export const ones: Initializer = constant(1);

/** Uniform in [low, high). */
export const uniform = (low: number, high: number): Initializer =>
  fill((random) => low + (high - low) * random.uniform());

/** Normal with this mean and standard deviation. */
export const normal = (mean: number, std: number): Initializer => fill((random) => mean + std * random.normal());

/** Options of `truncatedNormal`. */
export interface TruncatedNormalOptions {
  /** Default 0. */
  mean?: number;
  /** Standard deviation before truncation. Default 1. */
  std?: number;
  /** Lowest value, not in standard deviations, as in PyTorch. Default −2. */
  a?: number;
  /** Highest value. Default 2. */
  b?: number;
}

/** Normal, with values outside [a, b] replaced by new ones. */
export function truncatedNormal({ mean = 0, std = 1, a = -2, b = 2 }: TruncatedNormalOptions = {}): Initializer {
  return fill((random) => {
    for (;;) {
      const value = mean + std * random.normal();
      if (value >= a && value <= b) return value;
    }
  });
}

/** Options of `kaimingUniform` and `kaimingNormal`. */
export interface KaimingOptions {
  /** Slope of leaky_relu. Default 0. */
  a?: number;
  /** Which fan the standard deviation follows. Default `"fan_in"`. */
  mode?: "fan_in" | "fan_out";
  /** What follows the layer. Default `"leaky_relu"`. */
  nonlinearity?: Nonlinearity;
}

function kaimingStd(shape: readonly number[], { a = 0, mode = "fan_in", nonlinearity = "leaky_relu" }: KaimingOptions) {
  const { fanIn, fanOut } = fans(shape);
  return gain(nonlinearity, a) / Math.sqrt(mode === "fan_in" ? fanIn : fanOut);
}

/** He et al. 2015: uniform with standard deviation gain / √fan. */
export const kaimingUniform =
  (options: KaimingOptions = {}): Initializer =>
  (shape, random) => {
    const bound = Math.sqrt(3) * kaimingStd(shape, options);
    return uniform(-bound, bound)(shape, random);
  };

/** He et al. 2015: normal with standard deviation gain / √fan. */
export const kaimingNormal =
  (options: KaimingOptions = {}): Initializer =>
  (shape, random) =>
    normal(0, kaimingStd(shape, options))(shape, random);

function xavierStd(shape: readonly number[], scale: number): number {
  const { fanIn, fanOut } = fans(shape);
  return scale * Math.sqrt(2 / (fanIn + fanOut));
}

/** Glorot and Bengio 2010: uniform with standard deviation gain · √(2 / (fan-in + fan-out)). */
export const xavierUniform =
  (scale = 1): Initializer =>
  (shape, random) => {
    const bound = Math.sqrt(3) * xavierStd(shape, scale);
    return uniform(-bound, bound)(shape, random);
  };

/** Glorot and Bengio 2010: normal with standard deviation gain · √(2 / (fan-in + fan-out)). */
export const xavierNormal =
  (scale = 1): Initializer =>
  (shape, random) =>
    normal(0, xavierStd(shape, scale))(shape, random);

/** The default weight of PyTorch's Conv2d and Linear: kaiming uniform with a = √5, that is uniform in ±1/√fan-in. */
export const defaultWeight: Initializer = kaimingUniform({ a: Math.sqrt(5) });

/** The default bias of PyTorch's Conv2d and Linear: uniform in ±1/√fan-in of the weight with this shape. */
export function defaultBias(weight: readonly number[]): Initializer {
  const bound = 1 / Math.sqrt(fans(weight).fanIn);
  return uniform(-bound, bound);
}

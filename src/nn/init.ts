import { numel } from "../graph/index.ts";
import type { Random } from "../random.ts";
import type { Initializer } from "./parameter.ts";

/** Draws of first weights, with the names and formulas of torch.nn.init. */

function fill(next: (random: Random) => number): Initializer {
  return (shape, random) => Float32Array.from({ length: numel(shape) }, () => next(random));
}

/** Inputs and outputs of one unit: a weight [out, in, kH, kW] has fan-in in·kH·kW and fan-out out·kH·kW. */
export function fans(shape: readonly number[]): { fanIn: number; fanOut: number } {
  const [out = 1, inputs = 1, ...kernel] = shape;
  const field = numel(kernel);
  return { fanIn: inputs * field, fanOut: out * field };
}

export type Nonlinearity = "linear" | "relu" | "leaky_relu" | "tanh" | "sigmoid";

/** Factor by which a nonlinearity wants the standard deviation scaled; `a` is the slope of leaky_relu. */
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

export const constant =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(numel(shape)).fill(value);
export const zeros: Initializer = constant(0);
export const ones: Initializer = constant(1);

export const uniform = (low: number, high: number): Initializer =>
  fill((random) => low + (high - low) * random.uniform());

export const normal = (mean: number, std: number): Initializer => fill((random) => mean + std * random.normal());

export interface TruncatedNormalOptions {
  mean?: number;
  std?: number;
  /** Lowest and highest value, default −2 and 2. Absolute, not in standard deviations, as in PyTorch. */
  a?: number;
  b?: number;
}

/** Normal draws, those outside [a, b] drawn again. */
export function truncatedNormal({ mean = 0, std = 1, a = -2, b = 2 }: TruncatedNormalOptions = {}): Initializer {
  return fill((random) => {
    for (;;) {
      const value = mean + std * random.normal();
      if (value >= a && value <= b) return value;
    }
  });
}

export interface KaimingOptions {
  /** Slope of leaky_relu, the default nonlinearity. Default 0. */
  a?: number;
  mode?: "fan_in" | "fan_out";
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

/** What PyTorch's Conv2d and Linear draw their weights from: kaiming uniform with a = √5, that is ±1/√fan-in. */
export const defaultWeight: Initializer = kaimingUniform({ a: Math.sqrt(5) });

/** What PyTorch's Conv2d and Linear draw their bias from: ±1/√fan-in of the weight. */
export function defaultBias(weight: readonly number[]): Initializer {
  const bound = 1 / Math.sqrt(fans(weight).fanIn);
  return uniform(-bound, bound);
}

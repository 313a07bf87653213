import { check, checkOptions, Float } from "../../graph/index.ts";
import { checkChoice, checkNumbers, checkPositional, GELU_OPTIONS, SOFTPLUS } from "../options.ts";
import type { Tensor } from "../tensor.ts";

/** y = max(x, 0): x [any] → y [same] */
export function relu(x: Tensor): Tensor {
  return x.relu();
}

/** y = min(max(x, 0), 6), as in MobileNet (Krizhevsky 2010): x [any] → y [same] */
export function relu6(x: Tensor): Tensor {
  return x.apply("Clip", [0, 6]);
}

/** y = x where x > 0, else negativeSlope·x (Maas et al. 2013): x [any] → y [same] */
export function leakyRelu(x: Tensor, negativeSlope = 0.01): Tensor {
  checkNumbers("leakyRelu", { negativeSlope });
  return x.apply("LeakyRelu", [], { alpha: new Float(negativeSlope) });
}

/** y = x where x > 0, else weight·x, with a slope for all or for each channel (He et al. 2015): x [N, C, …], weight [1] or [C] → y [same] */
export function prelu(x: Tensor, weight: Tensor): Tensor {
  const [channels] = weight.shape;
  const after = x.shape.slice(2).map(() => 1);
  return x.apply("PRelu", [channels === 1 || after.length === 0 ? weight : weight.view(channels!, ...after)]);
}

/** y = x where x > 0, else alpha·(exp(x) − 1) (Clevert et al. 2015): x [any] → y [same] */
export function elu(x: Tensor, alpha = 1): Tensor {
  checkNumbers("elu", { alpha });
  return x.apply("Elu", [], { alpha: new Float(alpha) });
}

/** ELU with the constants that keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017): x [any] → y [same] */
export function selu(x: Tensor): Tensor {
  return x.apply("Selu");
}

/** y = x where x > 0, else alpha·(exp(x / alpha) − 1) (Barron 2017): x [any] → y [same] */
export function celu(x: Tensor, alpha = 1): Tensor {
  checkNumbers("celu", { alpha });
  check(alpha !== 0, () => "celu: alpha has to differ from 0");
  return x.apply("Celu", [], { alpha: new Float(alpha) });
}

/** Options of `gelu` and `GELU`. */
export interface GeluOptions {
  /** "tanh" computes x/2·(1 + tanh(√(2/π)·(x + 0.044715·x³))) instead. Default "none". */
  approximate?: "none" | "tanh";
}

/** y = x·Φ(x), Φ being the normal distribution (Hendrycks and Gimpel 2016): x [any] → y [same] */
export function gelu(x: Tensor, options: GeluOptions = {}): Tensor {
  checkOptions("gelu", options, GELU_OPTIONS);
  const { approximate = "none" } = options;
  checkChoice("gelu", { approximate }, ["none", "tanh"]);
  const inner =
    approximate === "tanh"
      ? x
          .add(x.mul(x).mul(x).mul(0.044715))
          .mul(Math.sqrt(2 / Math.PI))
          .tanh()
      : x.div(Math.SQRT2).apply("Erf");
  return x.mul(inner.add(1)).mul(0.5);
}

/** y = x·sigmoid(x), also called Swish (Elfwing et al. 2017): x [any] → y [same] */
export function silu(x: Tensor): Tensor {
  return x.mul(x.sigmoid());
}

/** y = x·tanh(log(1 + exp(x))) (Misra 2019): x [any] → y [same] */
export function mish(x: Tensor): Tensor {
  return x.mul(x.apply("Softplus").tanh());
}

/** y = x·min(max(x/6 + 1/2, 0), 1) (Howard et al. 2019): x [any] → y [same] */
export function hardswish(x: Tensor): Tensor {
  return x.apply("HardSwish");
}

/** y = min(max(x/6 + 1/2, 0), 1): x [any] → y [same] */
export function hardsigmoid(x: Tensor): Tensor {
  return x.apply("HardSigmoid", [], { alpha: new Float(1 / 6), beta: new Float(0.5) });
}

/** y = min(max(x, minVal), maxVal): x [any] → y [same] */
export function hardtanh(x: Tensor, minVal = -1, maxVal = 1): Tensor {
  checkNumbers("hardtanh", { minVal, maxVal });
  check(minVal < maxVal, () => `hardtanh: minVal ${minVal} has to be less than maxVal ${maxVal}`);
  return x.apply("Clip", [minVal, maxVal]);
}

/** y = 1 / (1 + exp(−x)): x [any] → y [same] */
export function sigmoid(x: Tensor): Tensor {
  return x.sigmoid();
}

/** Hyperbolic tangent: x [any] → y [same] */
export function tanh(x: Tensor): Tensor {
  return x.tanh();
}

/** Options of `softplus`. */
export interface SoftplusOptions {
  /** Default 1. */
  beta?: number;
  /** Where beta·x is larger, y = x. Default 20. */
  threshold?: number;
}

/** From this threshold on, log(1 + exp(x)) equals x in float32 anyway. */
const LINEAR = 17;

/** y = log(1 + exp(beta·x)) / beta, a smooth ReLU: x [any] → y [same] */
export function softplus(x: Tensor, options: SoftplusOptions = {}): Tensor {
  checkOptions("softplus", options, SOFTPLUS);
  const { beta = 1, threshold = 20 } = options;
  const scaled = beta === 1 ? x : x.mul(beta);
  const soft = scaled.apply("Softplus");
  const y = beta === 1 ? soft : soft.div(beta);
  return threshold >= LINEAR ? y : x.where(scaled.gt(threshold), y);
}

/** y = exp(x) / Σ exp(x) along the axis `dim`: x [any] → y [same] */
export function softmax(x: Tensor, dim: number): Tensor {
  checkPositional("softmax", { dim });
  return x.softmax(dim);
}

/** y = x − log Σ exp(x) along the axis `dim`: x [any] → y [same] */
export function logSoftmax(x: Tensor, dim: number): Tensor {
  checkPositional("logSoftmax", { dim });
  return x.logSoftmax(dim);
}

import { check, checkOptions } from "../../graph/index.ts";
import type { GeluOptions } from "../functional/index.ts";
import * as F from "../functional/index.ts";
import { constant } from "../init.ts";
import { checkChoice, checkNumbers, checkPositional, checkWholes, GELU_OPTIONS } from "../options.ts";
import { Parameter } from "../parameter.ts";
import { real, settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { Layer } from "./layer.ts";

/** y = max(x, 0): x [any] → y [same] */
export class ReLU extends Layer {
  static readonly type: string = "ReLU";

  forward(x: Tensor): Tensor {
    return x.relu();
  }
}

/** y = min(max(x, 0), 6) (Krizhevsky 2010): x [any] → y [same] */
export class ReLU6 extends Layer {
  static readonly type: string = "ReLU6";

  forward(x: Tensor): Tensor {
    return F.relu6(x);
  }
}

/** y = x where x > 0, else negativeSlope·x (Maas et al. 2013): x [any] → y [same]. Default slope 0.01. */
export class LeakyReLU extends Layer {
  static readonly type: string = "LeakyReLU";
  readonly negativeSlope: number;

  constructor(negativeSlope = 0.01) {
    super();
    checkNumbers("LeakyReLU", { negativeSlope });
    this.negativeSlope = negativeSlope;
  }

  forward(x: Tensor): Tensor {
    return F.leakyRelu(x, this.negativeSlope);
  }

  override extraRepr(): string {
    return settings({ negativeSlope: this.negativeSlope });
  }
}

/**
 * ReLU whose slope below 0 is trained, one for all or one for each channel (He et al. 2015).
 *
 *     x [N, C, …] → y [same],  y = x where x > 0, else weight·x
 *
 * Weight [numParameters], which is 1 (the default) or C, initially `init` (0.25).
 */
export class PReLU extends Layer {
  static readonly type: string = "PReLU";
  readonly numParameters: number;
  readonly weight: Parameter;

  constructor(numParameters = 1, init = 0.25) {
    super();
    checkWholes("PReLU", { numParameters });
    checkNumbers("PReLU", { init });
    this.numParameters = numParameters;
    this.weight = new Parameter([numParameters], constant(init));
  }

  forward(x: Tensor): Tensor {
    return F.prelu(x, x.tracer.weight(this.weight));
  }

  override extraRepr(): string {
    return settings({ numParameters: this.numParameters });
  }
}

/** y = x where x > 0, else alpha·(exp(x) − 1) (Clevert et al. 2015): x [any] → y [same]. Default alpha 1. */
export class ELU extends Layer {
  static readonly type: string = "ELU";
  readonly alpha: number;

  constructor(alpha = 1) {
    super();
    checkNumbers("ELU", { alpha });
    this.alpha = alpha;
  }

  forward(x: Tensor): Tensor {
    return F.elu(x, this.alpha);
  }

  override extraRepr(): string {
    return settings({ alpha: real(this.alpha) });
  }
}

/** ELU with the constants that keep mean 0 and variance 1 from layer to layer (Klambauer et al. 2017): x [any] → y [same] */
export class SELU extends Layer {
  static readonly type: string = "SELU";

  forward(x: Tensor): Tensor {
    return F.selu(x);
  }
}

/** y = x where x > 0, else alpha·(exp(x / alpha) − 1) (Barron 2017): x [any] → y [same]. Default alpha 1. */
export class CELU extends Layer {
  static readonly type: string = "CELU";
  readonly alpha: number;

  constructor(alpha = 1) {
    super();
    checkNumbers("CELU", { alpha });
    check(alpha !== 0, () => "CELU: alpha has to differ from 0");
    this.alpha = alpha;
  }

  forward(x: Tensor): Tensor {
    return F.celu(x, this.alpha);
  }

  override extraRepr(): string {
    return settings({ alpha: real(this.alpha) });
  }
}

/** y = x·Φ(x), Φ being the normal distribution, or its approximation by tanh (Hendrycks and Gimpel 2016): x [any] → y [same] */
export class GELU extends Layer {
  static readonly type: string = "GELU";
  readonly approximate: "none" | "tanh";

  constructor(options: GeluOptions = {}) {
    super();
    checkOptions("GELU", options, GELU_OPTIONS);
    const { approximate = "none" } = options;
    checkChoice("GELU", { approximate }, ["none", "tanh"]);
    this.approximate = approximate;
  }

  forward(x: Tensor): Tensor {
    return F.gelu(x, { approximate: this.approximate });
  }

  override extraRepr(): string {
    return `approximate='${this.approximate}'`;
  }
}

/** y = x·sigmoid(x), also called Swish (Elfwing et al. 2017): x [any] → y [same] */
export class SiLU extends Layer {
  static readonly type: string = "SiLU";

  forward(x: Tensor): Tensor {
    return F.silu(x);
  }
}

/** y = x·tanh(log(1 + exp(x))) (Misra 2019): x [any] → y [same] */
export class Mish extends Layer {
  static readonly type: string = "Mish";

  forward(x: Tensor): Tensor {
    return F.mish(x);
  }
}

/** y = x·min(max(x/6 + 1/2, 0), 1) (Howard et al. 2019): x [any] → y [same] */
export class Hardswish extends Layer {
  static readonly type: string = "Hardswish";

  forward(x: Tensor): Tensor {
    return F.hardswish(x);
  }
}

/** y = min(max(x/6 + 1/2, 0), 1): x [any] → y [same] */
export class Hardsigmoid extends Layer {
  static readonly type: string = "Hardsigmoid";

  forward(x: Tensor): Tensor {
    return F.hardsigmoid(x);
  }
}

/** y = min(max(x, minVal), maxVal): x [any] → y [same]. Default −1 and 1. */
export class Hardtanh extends Layer {
  static readonly type: string = "Hardtanh";
  readonly minVal: number;
  readonly maxVal: number;

  constructor(minVal = -1, maxVal = 1) {
    super();
    checkNumbers("Hardtanh", { minVal, maxVal });
    check(minVal < maxVal, () => `Hardtanh: minVal ${minVal} has to be less than maxVal ${maxVal}`);
    this.minVal = minVal;
    this.maxVal = maxVal;
  }

  forward(x: Tensor): Tensor {
    return F.hardtanh(x, this.minVal, this.maxVal);
  }

  override extraRepr(): string {
    return settings({ minVal: real(this.minVal), maxVal: real(this.maxVal) });
  }
}

/** y = 1 / (1 + exp(−x)): x [any] → y [same] */
export class Sigmoid extends Layer {
  static readonly type: string = "Sigmoid";

  forward(x: Tensor): Tensor {
    return x.sigmoid();
  }
}

/** Hyperbolic tangent: x [any] → y [same] */
export class Tanh extends Layer {
  static readonly type: string = "Tanh";

  forward(x: Tensor): Tensor {
    return x.tanh();
  }
}

/** y = log(1 + exp(beta·x)) / beta, or x where beta·x > threshold: x [any] → y [same]. Default beta 1, threshold 20. */
export class Softplus extends Layer {
  static readonly type: string = "Softplus";
  readonly beta: number;
  readonly threshold: number;

  constructor(beta = 1, threshold = 20) {
    super();
    checkNumbers("Softplus", { beta, threshold });
    this.beta = beta;
    this.threshold = threshold;
  }

  forward(x: Tensor): Tensor {
    return F.softplus(x, { beta: this.beta, threshold: this.threshold });
  }

  override extraRepr(): string {
    return settings({ beta: real(this.beta), threshold: real(this.threshold) });
  }
}

abstract class AlongAxis extends Layer {
  readonly dim: number;

  constructor(dim: number) {
    super();
    checkPositional(this.type, { dim });
    this.dim = dim;
  }

  override extraRepr(): string {
    return settings({ dim: this.dim });
  }
}

/** y = exp(x) / Σ exp(x) along the axis `dim`: x [any] → y [same] */
export class Softmax extends AlongAxis {
  static readonly type: string = "Softmax";

  forward(x: Tensor): Tensor {
    return x.softmax(this.dim);
  }
}

/** y = x − log Σ exp(x) along the axis `dim`: x [any] → y [same] */
export class LogSoftmax extends AlongAxis {
  static readonly type: string = "LogSoftmax";

  forward(x: Tensor): Tensor {
    return x.logSoftmax(this.dim);
  }
}

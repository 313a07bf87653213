import { checkOptions } from "../../graph/index.ts";
import * as F from "../functional/index.ts";
import { defaultBias, defaultWeight } from "../init.ts";
import { checkPositional, WEIGHTS } from "../options.ts";
import { Parameter } from "../parameter.ts";
import { settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { type InitOptions, Layer } from "./layer.ts";

/** Options of `Linear`. */
export interface LinearOptions extends InitOptions {
  /** Whether a bias is added. Default true. */
  bias?: boolean;
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

  override extraRepr(): string {
    return settings({ inFeatures: this.inFeatures, outFeatures: this.outFeatures, bias: this.bias !== undefined });
  }
}

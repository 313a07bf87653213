import { check, checkOptions } from "../../graph/index.ts";
import type { ConvOptions, ConvTransposeOptions } from "../functional/index.ts";
import * as F from "../functional/index.ts";
import { defaultBias, defaultWeight } from "../init.ts";
import { CONV, CONV_TRANSPOSE, checkPositional, pair, type Size, WEIGHTS } from "../options.ts";
import { Parameter } from "../parameter.ts";
import { settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { type InitOptions, Layer } from "./layer.ts";

/** Options of `Conv2d`. */
export interface Conv2dOptions extends ConvOptions, InitOptions {
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

  override extraRepr(): string {
    return convSettings(this);
  }
}

/** Options of `ConvTranspose2d`. */
export interface ConvTranspose2dOptions extends ConvTransposeOptions, InitOptions {
  /** Whether a bias is added. Default true. */
  bias?: boolean;
}

/**
 * Transposed convolution, the gradient of a convolution with respect to its input: it makes images larger (Zeiler et al. 2010).
 *
 *     x [N, C, H, W] → y [N, O, outH, outW]
 *     outH = (H − 1)·stride − 2·padding + dilation·(kH − 1) + outputPadding + 1
 *
 * Weight [C, O/groups, kH, kW], bias [O]. Throws when the channels do not divide into the groups.
 */
export class ConvTranspose2d extends Layer {
  static readonly type: string = "ConvTranspose2d";
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly options: ConvTransposeOptions;
  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor(inChannels: number, outChannels: number, kernelSize: Size, given: ConvTranspose2dOptions = {}) {
    super();
    checkPositional("ConvTranspose2d", { inChannels, outChannels, kernelSize });
    checkOptions("ConvTranspose2d", given, { ...CONV_TRANSPOSE, ...WEIGHTS });
    const { bias = true, weight = defaultWeight, biasInit, ...options } = given;
    const { stride = 1, groups = 1 } = options;
    check(
      inChannels % groups === 0 && outChannels % groups === 0,
      () => `ConvTranspose2d: ${inChannels} → ${outChannels} channels do not divide into ${groups} groups`,
    );
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pair(kernelSize);
    this.options = { stride, ...options };
    const shape = [inChannels, outChannels / groups, ...this.kernelSize];
    this.weight = new Parameter(shape, weight);
    if (bias) this.bias = new Parameter([outChannels], biasInit ?? defaultBias(shape));
  }

  forward(x: Tensor): Tensor {
    const { tracer } = x;
    return F.convTranspose2d(x, tracer.weight(this.weight), this.bias && tracer.weight(this.bias), this.options);
  }

  override extraRepr(): string {
    return convSettings(this);
  }
}

function convSettings(layer: Conv2d | ConvTranspose2d): string {
  const { inChannels, outChannels, kernelSize, bias } = layer;
  const {
    stride = 1,
    padding = 0,
    outputPadding = 0,
    dilation = 1,
    groups = 1,
  } = layer.options as ConvTransposeOptions;
  const unless = (usual: number, size: Size) =>
    pair(size).every((pixels) => pixels === usual) ? undefined : pair(size);
  const named = {
    kernelSize,
    stride: pair(stride),
    padding: typeof padding === "string" ? padding : unless(0, padding),
    dilation: unless(1, dilation),
    outputPadding: unless(0, outputPadding),
    groups: groups === 1 ? undefined : groups,
    bias: bias ? undefined : false,
  };
  return `${inChannels}, ${outChannels}, ${settings(named)}`;
}

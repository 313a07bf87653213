import { check, checkOptions, type OptionKind } from "../../graph/index.ts";
import type { ConvOptions, ConvTransposeOptions } from "../functional/index.ts";
import * as F from "../functional/index.ts";
import { defaultBias, defaultWeight } from "../init.ts";
import { CONV, CONV_TRANSPOSE, checkPositional, pair, type Size, WEIGHTS } from "../options.ts";
import { Parameter } from "../parameter.ts";
import { settings } from "../print.ts";
import type { Tensor } from "../tensor.ts";
import { type InitOptions, Layer } from "./layer.ts";

/** Weight and bias of a convolution, and how it prints. */
abstract class Convolution<Options extends ConvOptions | ConvTransposeOptions> extends Layer {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: readonly [number, number];
  readonly options: Options;
  readonly weight: Parameter;
  readonly bias?: Parameter;

  /** `kinds` are the options there are; `transposed` weights have the input's channels first. */
  constructor(
    [inChannels, outChannels, kernelSize]: readonly [number, number, Size],
    given: Options & InitOptions & { bias?: boolean },
    { kinds, transposed }: { readonly kinds: Readonly<Record<string, OptionKind>>; readonly transposed: boolean },
  ) {
    super();
    checkPositional(this.type, { inChannels, outChannels, kernelSize });
    checkOptions(this.type, given, { ...kinds, ...WEIGHTS });
    const { bias = true, weight = defaultWeight, biasInit, ...options } = given;
    const { stride = 1, groups = 1 } = options;
    check(
      inChannels % groups === 0 && outChannels % groups === 0,
      () => `${this.type}: ${inChannels} → ${outChannels} channels do not divide into ${groups} groups`,
    );
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = pair(kernelSize);
    this.options = { stride, ...options } as unknown as Options;
    const [first, second] = transposed ? [inChannels, outChannels] : [outChannels, inChannels];
    const shape = [first, second / groups, ...this.kernelSize];
    this.weight = new Parameter(shape, weight);
    if (bias) this.bias = new Parameter([outChannels], biasInit ?? defaultBias(shape));
  }

  /** Weight, bias and options, as the functions take them. */
  protected weights({ tracer }: Tensor): [weight: Tensor, bias: Tensor | undefined, options: Options] {
    return [tracer.weight(this.weight), this.bias && tracer.weight(this.bias), this.options];
  }

  override extraRepr(): string {
    const {
      stride = 1,
      padding = 0,
      outputPadding = 0,
      dilation = 1,
      groups = 1,
    } = this.options as ConvOptions & ConvTransposeOptions;
    const unless = (usual: number, size: Size) =>
      pair(size).every((pixels) => pixels === usual) ? undefined : pair(size);
    const named = {
      kernelSize: this.kernelSize,
      stride: pair(stride),
      padding: typeof padding === "string" ? padding : unless(0, padding),
      dilation: unless(1, dilation),
      outputPadding: unless(0, outputPadding),
      groups: groups === 1 ? undefined : groups,
      bias: this.bias ? undefined : false,
    };
    return `${this.inChannels}, ${this.outChannels}, ${settings(named)}`;
  }
}

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
export class Conv2d extends Convolution<ConvOptions> {
  static readonly type: string = "Conv2d";

  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: Conv2dOptions = {}) {
    super([inChannels, outChannels, kernelSize], options, { kinds: CONV, transposed: false });
  }

  forward(x: Tensor): Tensor {
    return F.conv2d(x, ...this.weights(x));
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
export class ConvTranspose2d extends Convolution<ConvTransposeOptions> {
  static readonly type: string = "ConvTranspose2d";

  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: ConvTranspose2dOptions = {}) {
    super([inChannels, outChannels, kernelSize], options, { kinds: CONV_TRANSPOSE, transposed: true });
  }

  forward(x: Tensor): Tensor {
    return F.convTranspose2d(x, ...this.weights(x));
  }
}

/** What the networks for mobile devices are built of: units and blocks under torchvision's keys. */
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  type BatchNorm2dOptions,
  Conv2d,
  init,
  Module,
  Sequential,
  type Tensor,
} from "../nn/index.ts";

/** Makes an activation. */
export type Activation = new () => Module<Tensor>;

/** Initial weights of convolutions: normal by fan-out (He et al. 2015), biases 0. */
export const FAN_OUT = { weight: init.kaimingNormal({ mode: "fan_out" }), biasInit: init.zeros } as const;

/** Options of `Conv2dNormActivation`. */
export interface ConvNormOptions {
  stride?: number;
  groups?: number;
  /** Options of the batch normalization. */
  norm?: BatchNorm2dOptions;
  /** Default: none. */
  activation?: Activation;
}

/**
 * Convolution without bias, batch normalization and an activation, padded so that only the stride makes images smaller.
 *
 *     x [N, inChannels, H, W] → y [N, outChannels, ⌈H/stride⌉, ⌈W/stride⌉]
 */
export class Conv2dNormActivation extends Sequential {
  static override readonly type: string = "Conv2dNormActivation";

  constructor(inChannels: number, outChannels: number, kernelSize: number, options: ConvNormOptions = {}) {
    const { norm = {}, activation, ...conv } = options;
    super(
      new Conv2d(inChannels, outChannels, kernelSize, {
        ...conv,
        ...FAN_OUT,
        padding: (kernelSize - 1) / 2,
        bias: false,
      }),
      new BatchNorm2d(outChannels, norm),
      activation ? new activation() : [],
    );
  }
}

/** Options of a squeeze-and-excitation. */
export interface SqueezeExcitationOptions {
  /** Channels between its two layers. */
  squeezed: number;
  /** Activation between them. */
  activation: Activation;
  /** What turns the result into factors from 0 to 1. */
  gate: Activation;
}

/**
 * Squeeze-and-excitation: scales each channel by a factor that depends on the means of all channels (Hu et al. 2018).
 *
 *     x [N, C, H, W] → y [same]
 */
export class SqueezeExcitation extends Module<Tensor> {
  static readonly type: string = "SqueezeExcitation";
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly fc1: Conv2d;
  readonly fc2: Conv2d;
  readonly activation: Module<Tensor>;
  readonly scale_activation: Module<Tensor>;

  constructor(channels: number, { squeezed, activation, gate }: SqueezeExcitationOptions) {
    super();
    this.fc1 = new Conv2d(channels, squeezed, 1, FAN_OUT);
    this.fc2 = new Conv2d(squeezed, channels, 1, FAN_OUT);
    this.activation = new activation();
    this.scale_activation = new gate();
  }

  forward(x: Tensor): Tensor {
    let scale = this.avgpool.call(x); //                       [N, C, 1, 1]
    scale = this.activation.call(this.fc1.call(scale)); //     [N, squeezed, 1, 1]
    scale = this.scale_activation.call(this.fc2.call(scale)); // [N, C, 1, 1]
    return scale.mul(x); //                                    [N, C, H, W]
  }
}

/** An inverted residual block. */
export interface InvertedOptions {
  inChannels: number;
  /** Channels between the 1×1 convolutions, more than there are outside. */
  expanded: number;
  outChannels: number;
  /** Side of the depthwise convolution's kernel in pixels. */
  kernel: number;
  stride: number;
  norm?: BatchNorm2dOptions;
  activation: Activation;
  squeezeExcitation?: SqueezeExcitationOptions | undefined;
}

/**
 * The steps of an inverted residual block: a 1×1 convolution widens, a depthwise one looks around, and another 1×1 convolution
 * narrows, without an activation, which would lose information in few channels (Sandler et al. 2018).
 *
 *     x [N, inChannels, H, W] → y [N, outChannels, ⌈H/stride⌉, ⌈W/stride⌉]
 */
export function invertedResidual(options: InvertedOptions): Sequential {
  const { inChannels, expanded, outChannels, kernel, stride, norm = {}, activation, squeezeExcitation } = options;
  return new Sequential(
    expanded === inChannels ? [] : new Conv2dNormActivation(inChannels, expanded, 1, { norm, activation }),
    new Conv2dNormActivation(expanded, expanded, kernel, { stride, groups: expanded, norm, activation }),
    squeezeExcitation ? new SqueezeExcitation(expanded, squeezeExcitation) : [],
    new Conv2dNormActivation(expanded, outChannels, 1, { norm }),
  );
}

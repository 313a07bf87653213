import {
  BatchNorm2d,
  Conv2d,
  type Conv2dOptions,
  cat,
  init,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  type Size,
  type Tensor,
} from "../nn/index.ts";

/** Output channels of each convolution of an Inception block, in the column order of the paper's Table 1. */
export type InceptionWidths = readonly [
  conv1x1: number,
  reduce3x3: number,
  conv3x3: number,
  reduce5x5: number,
  conv5x5: number,
  poolProj: number,
];

/** Makes the convolution units that blocks are built of: x [N, inChannels, H, W] → y [N, outChannels, outH, outW]. */
export type ConvFactory = (
  inChannels: number,
  outChannels: number,
  kernelSize: Size,
  options?: Conv2dOptions,
) => Module<Tensor>;

/**
 * Convolution without bias, batch normalization and ReLU, in one Sequential as in the study note.
 *
 *     x [N, inChannels, H, W] → y [N, outChannels, outH, outW]
 */
export class BasicConv extends Module<Tensor> {
  static readonly type: string = "BasicConv";
  readonly conv: Sequential;

  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: Conv2dOptions = {}) {
    super();
    this.conv = new Sequential(
      new Conv2d(inChannels, outChannels, kernelSize, { ...options, bias: false }),
      new BatchNorm2d(outChannels),
      new ReLU(),
    );
  }

  forward(x: Tensor): Tensor {
    return this.conv.call(x);
  }
}

/** Torchvision's unit: the same steps under other keys, with eps 0.001 and GoogLeNet's initial weights unless there are others. */
export class BasicConv2d extends Module<Tensor> {
  static readonly type: string = "BasicConv2d";
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: Conv2dOptions = {}) {
    super();
    this.conv = new Conv2d(inChannels, outChannels, kernelSize, {
      weight: init.truncatedNormal({ std: 0.01 }),
      ...options,
      bias: false,
    });
    this.bn = new BatchNorm2d(outChannels, { eps: 0.001 });
  }

  forward(x: Tensor): Tensor {
    return this.bn.call(this.conv.call(x)).relu();
  }
}

/** The paper's unit: convolution with bias, then ReLU; batch normalization was not known yet. */
export class ConvReLU extends Module<Tensor> {
  static readonly type: string = "ConvReLU";
  readonly conv: Conv2d;

  constructor(inChannels: number, outChannels: number, kernelSize: Size, options: Conv2dOptions = {}) {
    super();
    this.conv = new Conv2d(inChannels, outChannels, kernelSize, {
      ...options,
      weight: init.xavierUniform(),
      biasInit: init.constant(0.2),
    });
  }

  forward(x: Tensor): Tensor {
    return this.conv.call(x).relu();
  }
}

/** Makes the study note's unit, {@link BasicConv}. */
export const basicConv: ConvFactory = (...args) => new BasicConv(...args);
/** Makes torchvision's unit, {@link BasicConv2d}. */
export const basicConv2d: ConvFactory = (...args) => new BasicConv2d(...args);
/** Makes the paper's unit, {@link ConvReLU}. */
export const convReLU: ConvFactory = (...args) => new ConvReLU(...args);

/** Options of an Inception block. */
export interface InceptionOptions {
  /** Makes the convolution units. Default `basicConv`. */
  conv?: ConvFactory;
  /** Kernel size of the branch named 5×5. Default 5; torchvision's is 3. */
  wideKernel?: 3 | 5;
}

/**
 * Four branches over one input, concatenated along channels; 1×1 convolutions reduce the channels of the expensive ones.
 *
 *     x [N, inChannels, H, W] → y [N, conv1x1 + conv3x3 + conv5x5 + poolProj, H, W]
 */
export class Inception extends Module<Tensor> {
  static readonly type: string = "Inception";
  readonly branch1: Module<Tensor>;
  readonly branch2: Sequential;
  readonly branch3: Sequential;
  readonly branch4: Sequential;

  constructor(
    inChannels: number,
    widths: InceptionWidths,
    { conv = basicConv, wideKernel = 5 }: InceptionOptions = {},
  ) {
    super();
    const [conv1x1, reduce3x3, conv3x3, reduce5x5, conv5x5, poolProj] = widths;
    this.branch1 = conv(inChannels, conv1x1, 1);
    this.branch2 = new Sequential(conv(inChannels, reduce3x3, 1), conv(reduce3x3, conv3x3, 3, { padding: 1 }));
    this.branch3 = new Sequential(
      conv(inChannels, reduce5x5, 1),
      conv(reduce5x5, conv5x5, wideKernel, { padding: (wideKernel - 1) / 2 }),
    );
    this.branch4 = new Sequential(
      new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true }),
      conv(inChannels, poolProj, 1),
    );
  }

  forward(x: Tensor): Tensor {
    const branches = [this.branch1, this.branch2, this.branch3, this.branch4];
    return cat(
      branches.map((branch) => branch.call(x)),
      1,
    );
  }
}

/**
 * The naive Inception block, without the 1×1 reductions (Szegedy et al. 2015, Figure 2a): the input is convolved at full width, and
 * the pooled branch keeps all its channels, so each block is wider than the one before.
 *
 *     x [N, inChannels, H, W] → y [N, conv1x1 + conv3x3 + conv5x5 + inChannels, H, W]
 */
export class NaiveInception extends Module<Tensor> {
  static readonly type: string = "NaiveInception";
  readonly branch1: Module<Tensor>;
  readonly branch2: Module<Tensor>;
  readonly branch3: Module<Tensor>;
  readonly branch4: MaxPool2d;

  constructor(inChannels: number, widths: InceptionWidths, { conv = basicConv }: InceptionOptions = {}) {
    super();
    const [conv1x1, , conv3x3, , conv5x5] = widths;
    this.branch1 = conv(inChannels, conv1x1, 1);
    this.branch2 = conv(inChannels, conv3x3, 3, { padding: 1 });
    this.branch3 = conv(inChannels, conv5x5, 5, { padding: 2 });
    this.branch4 = new MaxPool2d(3, { stride: 1, padding: 1, ceilMode: true });
  }

  forward(x: Tensor): Tensor {
    const branches = [this.branch1, this.branch2, this.branch3, this.branch4];
    return cat(
      branches.map((branch) => branch.call(x)),
      1,
    );
  }
}

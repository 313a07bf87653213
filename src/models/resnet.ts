import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  init,
  Linear,
  MaxPool2d,
  type ModelSpec,
  Module,
  ReLU,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { IMAGENET, type ModelOptions, variantOf } from "./options.ts";

/** Convolutions have no bias, as batch normalization follows each of them. */
const plain = { bias: false, weight: init.kaimingNormal({ mode: "fan_out", nonlinearity: "relu" }) } as const;
const conv1x1 = (from: number, to: number, stride = 1) => new Conv2d(from, to, 1, { stride, ...plain });
const conv3x3 = (from: number, to: number, stride = 1, groups = 1) =>
  new Conv2d(from, to, 3, { stride, padding: 1, groups, ...plain });

/** The shortcut where the shape changes: a 1×1 convolution (option B of the paper). */
const projection = (from: number, to: number, stride: number) =>
  from === to && stride === 1 ? undefined : new Sequential(conv1x1(from, to, stride), new BatchNorm2d(to));

/** Options of a residual block. */
export interface ResidualOptions {
  /** Stride of the block. Default 1. */
  stride?: number;
  /** Channels of the 3×3 convolution of a bottleneck. Default: the block's width. */
  innerWidth?: number;
  /** Groups of that convolution. Default 1. */
  groups?: number;
  /** Whether a bottleneck has its stride in the first 1×1 convolution, as published, not in the 3×3. Default false. */
  strideFirst?: boolean;
}

/**
 * Two 3×3 convolutions whose result is added to the input.
 *
 *     x [N, inChannels, H, W] → y [N, width, H/stride, W/stride]
 */
export class BasicBlock extends Module<Tensor> {
  static readonly type: string = "BasicBlock";
  /** Output channels per width. */
  static readonly expansion: number = 1;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly relu: ReLU;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly downsample?: Sequential | undefined;

  constructor(inChannels: number, width: number, { stride = 1 }: ResidualOptions = {}) {
    super();
    this.conv1 = conv3x3(inChannels, width, stride);
    this.bn1 = new BatchNorm2d(width);
    this.relu = new ReLU();
    this.conv2 = conv3x3(width, width);
    this.bn2 = new BatchNorm2d(width);
    this.downsample = projection(inChannels, width, stride);
  }

  forward(x: Tensor): Tensor {
    let y = this.relu.call(this.bn1.call(this.conv1.call(x))); // [N, width, H/stride, W/stride]
    y = this.bn2.call(this.conv2.call(y));
    return this.relu.call(y.add(this.downsample?.call(x) ?? x));
  }
}

/**
 * A 3×3 convolution between two 1×1 convolutions that narrow and widen, added to the input.
 *
 *     x [N, inChannels, H, W] → y [N, 4·width, H/stride, W/stride]
 */
export class Bottleneck extends Module<Tensor> {
  static readonly type: string = "Bottleneck";
  /** Output channels per width. */
  static readonly expansion: number = 4;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly conv3: Conv2d;
  readonly bn3: BatchNorm2d;
  readonly relu: ReLU;
  readonly downsample?: Sequential | undefined;

  constructor(inChannels: number, width: number, options: ResidualOptions = {}) {
    super();
    const { stride = 1, innerWidth = width, groups = 1, strideFirst = false } = options;
    const outChannels = Bottleneck.expansion * width;
    this.conv1 = conv1x1(inChannels, innerWidth, strideFirst ? stride : 1);
    this.bn1 = new BatchNorm2d(innerWidth);
    this.conv2 = conv3x3(innerWidth, innerWidth, strideFirst ? 1 : stride, groups);
    this.bn2 = new BatchNorm2d(innerWidth);
    this.conv3 = conv1x1(innerWidth, outChannels);
    this.bn3 = new BatchNorm2d(outChannels);
    this.relu = new ReLU();
    this.downsample = projection(inChannels, outChannels, stride);
  }

  forward(x: Tensor): Tensor {
    let y = this.relu.call(this.bn1.call(this.conv1.call(x))); // [N, innerWidth, H, W]
    y = this.relu.call(this.bn2.call(this.conv2.call(y))); //     [N, innerWidth, H/stride, W/stride]
    y = this.bn3.call(this.conv3.call(y)); //                     [N, 4·width, H/stride, W/stride]
    return this.relu.call(y.add(this.downsample?.call(x) ?? x));
  }
}

/** Blocks of the four stages, which have widths 64, 128, 256 and 512. */
export type StageDepths = readonly [conv2: number, conv3: number, conv4: number, conv5: number];

/** Options of `ResNet`. */
export interface ResNetOptions extends ModelOptions {
  /** Groups of the 3×3 convolutions in bottlenecks, ResNeXt's cardinality. Default 1. */
  groups?: number;
  /** Channels of each of these groups in the first stage. Default 64. */
  groupWidth?: number;
}

/**
 * How to train it: a learning rate of 0.1 for batches of 256 (He et al. 2016, section 3.4), less for smaller ones in proportion
 * (Goyal et al. 2017).
 */
const TRAINING = { lr: 0.025, weightDecay: 1e-4, large: { lr: 0.00625 } } as const;

/**
 * A residual network for photographs (He et al. 2016): four stages of blocks that each add to what they get.
 *
 *     x [N, C, 224, 224] → logits [N, numClasses]
 *
 * Images of every size will do; the layers halve them five times.
 *
 *     new ResNet(BasicBlock, [1, 1, 1, 1], { numClasses: 10 }); // ResNet-10
 */
export class ResNet extends Module<Tensor> {
  static readonly type: string = "ResNet";
  override readonly spec: ModelSpec;
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly relu: ReLU;
  readonly maxpool: MaxPool2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly avgpool: AdaptiveAvgPool2d;
  readonly fc: Linear;

  constructor(Block: typeof BasicBlock | typeof Bottleneck, depths: StageDepths, options: ResNetOptions = {}) {
    super();
    const { variant, numClasses = 1000, inChannels = 3, inputSize = 224, groups = 1, groupWidth = 64 } = options;
    this.spec = { inputSize, minInputSize: 64, inChannels, normalization: IMAGENET, training: TRAINING };

    let channels = 64;
    const stage = (width: number, blocks: number, firstStride: number) => {
      const innerWidth = ((width * groupWidth) / 64) * groups;
      const make = (_: unknown, i: number) => {
        const stride = i === 0 ? firstStride : 1;
        const block = new Block(channels, width, { stride, innerWidth, groups, strideFirst: variant === "paper" });
        channels = width * Block.expansion;
        return block;
      };
      return new Sequential(...Array.from({ length: blocks }, make));
    };

    this.conv1 = new Conv2d(inChannels, 64, 7, { stride: 2, padding: 3, ...plain });
    this.bn1 = new BatchNorm2d(64);
    this.relu = new ReLU();
    this.maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
    this.layer1 = stage(64, depths[0], 1);
    this.layer2 = stage(128, depths[1], 2);
    this.layer3 = stage(256, depths[2], 2);
    this.layer4 = stage(512, depths[3], 2);
    this.avgpool = new AdaptiveAvgPool2d(1);
    this.fc = new Linear(channels, numClasses);
  }

  forward(x: Tensor): Tensor {
    x = this.relu.call(this.bn1.call(this.conv1.call(x))); // [N, 64, 112, 112]
    x = this.maxpool.call(x); //                              [N, 64, 56, 56]
    x = this.layer1.call(x); //                               [N, 64, 56, 56]   with bottlenecks: [N, 256, 56, 56]
    x = this.layer2.call(x); //                               [N, 128, 28, 28]                    [N, 512, 28, 28]
    x = this.layer3.call(x); //                               [N, 256, 14, 14]                    [N, 1024, 14, 14]
    x = this.layer4.call(x); //                               [N, 512, 7, 7]                      [N, 2048, 7, 7]
    x = this.avgpool.call(x).flatten(1); //                   [N, 512]                            [N, 2048]
    return this.fc.call(x); //                                [N, numClasses]
  }
}

/** Blocks and how many of them each stage has (He et al. 2016, Table 1). */
// biome-ignore format: a table
const DEPTHS = {
  18:  { block: BasicBlock, stages: [2, 2, 2, 2] },
  34:  { block: BasicBlock, stages: [3, 4, 6, 3] },
  50:  { block: Bottleneck, stages: [3, 4, 6, 3] },
  101: { block: Bottleneck, stages: [3, 4, 23, 3] },
  152: { block: Bottleneck, stages: [3, 8, 36, 3] },
} as const satisfies Record<number, { block: typeof BasicBlock | typeof Bottleneck; stages: StageDepths }>;

/** Number of layers with weights. */
export type ResNetDepth = keyof typeof DEPTHS;

/** The paper's bottlenecks have their stride in the first 1×1 convolution; torchvision's in the 3×3, which skips no pixel. */
const variantsOf = (depth: ResNetDepth) =>
  DEPTHS[depth].block === Bottleneck ? (["torchvision", "paper"] as const) : (["torchvision"] as const);

/**
 * A ResNet of one of five depths; see {@link ResNet}.
 *
 *     resnet(18, { numClasses: 10 });
 *
 * Throws for the variant `"paper"` of the depths 18 and 34, which have no bottlenecks.
 */
export function resnet(depth: ResNetDepth, options: ModelOptions = {}): ResNet {
  const { block, stages } = DEPTHS[depth];
  return new ResNet(block, stages, { ...options, variant: variantOf(`resnet${depth}`, options, variantsOf(depth)) });
}

/** A ResNeXt-50 of 32 groups with 4 channels each (Xie et al. 2017); see {@link ResNet}. */
export function resnext50(options: ModelOptions = {}): ResNet {
  const variant = variantOf("resnext50_32x4d", options, ["torchvision"]);
  return new ResNet(Bottleneck, DEPTHS[50].stages, { ...options, variant, groups: 32, groupWidth: 4 });
}

/** A Wide ResNet-50-2: 3×3 convolutions of twice the width (Zagoruyko and Komodakis 2016); see {@link ResNet}. */
export function wideResnet50(options: ModelOptions = {}): ResNet {
  const variant = variantOf("wide_resnet50_2", options, ["torchvision"]);
  return new ResNet(Bottleneck, DEPTHS[50].stages, { ...options, variant, groupWidth: 128 });
}

/** The paper of residual networks. */
export const DEEP_RESIDUAL = {
  title: "Deep Residual Learning for Image Recognition",
  cite: "He et al. 2016",
  year: 2015,
  url: "https://arxiv.org/abs/1512.03385",
} as const;

const entry = (depth: ResNetDepth): ModelEntry<ResNet> => ({
  build: (options) => resnet(depth, options),
  variants: variantsOf(depth),
  ...FOR_IMAGENET,
  title: `ResNet with ${depth} weight layers`,
  paper: DEEP_RESIDUAL,
});

export const RESNET = {
  resnet18: entry(18),
  resnet34: entry(34),
  resnet50: entry(50),
  resnet101: entry(101),
  resnet152: entry(152),
  resnext50_32x4d: {
    build: resnext50,
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: "ResNet-50 with 32 groups of 4 channels",
    paper: {
      title: "Aggregated Residual Transformations for Deep Neural Networks",
      cite: "Xie et al. 2017",
      year: 2016,
      url: "https://arxiv.org/abs/1611.05431",
    },
  },
  wide_resnet50_2: {
    build: wideResnet50,
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: "ResNet-50 with bottlenecks twice as wide",
    paper: {
      title: "Wide Residual Networks",
      cite: "Zagoruyko and Komodakis 2016",
      year: 2016,
      url: "https://arxiv.org/abs/1605.07146",
    },
  },
} as const satisfies Record<string, ModelEntry>;

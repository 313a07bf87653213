import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  type Conv2dOptions,
  cat,
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
import { checkImages, type ModelOptions, photographs } from "./options.ts";

/** Layers of each dense block of DenseNet-121 (Huang et al. 2017, Table 1). */
// biome-ignore format: a table
const LAYERS = [
  //  side  channels in, out
   6, // 56   64,  256
  12, // 28  128,  512
  24, // 14  256, 1024
  16, //  7  512, 1024
] as const;

/** Channels before the first block. */
const STEM = 64;
/** Channels that each layer adds. */
const GROWTH = 32;
/** Channels between the two convolutions of a layer. */
const BOTTLENECK = 4 * GROWTH;

/** A convolution without bias, initialized by fan-in (He et al. 2015). */
const conv = (from: number, to: number, kernelSize: number, options: Conv2dOptions = {}) =>
  new Conv2d(from, to, kernelSize, { ...options, bias: false, weight: init.kaimingNormal() });

/** What a layer of a dense block adds: x [N, inChannels, H, W] → y [N, 32, H, W] */
class DenseLayer extends Module<Tensor> {
  static readonly type: string = "_DenseLayer";
  readonly norm1: BatchNorm2d;
  readonly relu1 = new ReLU();
  readonly conv1: Conv2d;
  readonly norm2 = new BatchNorm2d(BOTTLENECK);
  readonly relu2 = new ReLU();
  readonly conv2 = conv(BOTTLENECK, GROWTH, 3, { padding: 1 });

  constructor(inChannels: number) {
    super();
    this.norm1 = new BatchNorm2d(inChannels);
    this.conv1 = conv(inChannels, BOTTLENECK, 1);
  }

  forward(x: Tensor): Tensor {
    x = this.conv1.call(this.relu1.call(this.norm1.call(x))); //      [N, 128, H, W]
    return this.conv2.call(this.relu2.call(this.norm2.call(x))); //   [N, 32, H, W]
  }
}

/** Each layer sees what all layers before it added: x [N, inChannels, H, W] → y [N, inChannels + 32·layers, H, W] */
class DenseBlock extends Module<Tensor> {
  static readonly type: string = "_DenseBlock";

  constructor(inChannels: number, layers: number) {
    super();
    for (let i = 0; i < layers; i++)
      Object.assign(this, { [`denselayer${i + 1}`]: new DenseLayer(inChannels + i * GROWTH) });
  }

  forward(x: Tensor): Tensor {
    for (const [, layer] of this.children<DenseLayer>()) x = cat([x, layer.call(x)], 1);
    return x;
  }
}

/** Halves the channels, the height and the width between two blocks: x [N, C, H, W] → y [N, C/2, H/2, W/2] */
class Transition extends Sequential {
  static override readonly type: string = "_Transition";

  constructor(channels: number) {
    super({
      norm: new BatchNorm2d(channels),
      relu: new ReLU(),
      conv: conv(channels, channels / 2, 1),
      pool: new AvgPool2d(2),
    });
  }
}

/**
 * DenseNet-121 (Huang et al. 2017): each layer of a block is connected to every layer after it, so that few channels per layer are
 * enough.
 *
 *     x [N, C, 224, 224] → logits [N, numClasses]
 *
 * Throws if the images are smaller than 29×29 pixels.
 */
export class DenseNet extends Module<Tensor> {
  static readonly type: string = "DenseNet";
  readonly features: Sequential;
  readonly classifier: Linear;
  override readonly spec: ModelSpec;

  constructor(options: ModelOptions = {}) {
    super();
    const { numClasses = 1000, inChannels = 3 } = options;
    this.spec = photographs(options, { lr: 0.05, weightDecay: 1e-4, large: { lr: 0.02 } });
    const blocks: Record<string, Module<Tensor>> = {};
    let channels = STEM;
    for (const [i, layers] of LAYERS.entries()) {
      if (i > 0) {
        blocks[`transition${i}`] = new Transition(channels);
        channels /= 2;
      }
      blocks[`denseblock${i + 1}`] = new DenseBlock(channels, layers);
      channels += layers * GROWTH;
    }
    this.features = new Sequential({
      conv0: conv(inChannels, STEM, 7, { stride: 2, padding: 3 }),
      norm0: new BatchNorm2d(STEM),
      relu0: new ReLU(),
      pool0: new MaxPool2d(3, { stride: 2, padding: 1 }),
      ...blocks,
      norm5: new BatchNorm2d(channels),
    });
    this.classifier = new Linear(channels, numClasses, { biasInit: init.zeros });
  }

  forward(x: Tensor): Tensor {
    checkImages("DenseNet", x, [29]);
    x = this.features.call(x).relu(); //                  [N, 1024, 7, 7]
    x = new AdaptiveAvgPool2d(1).forward(x).flatten(1); // [N, 1024]
    return this.classifier.call(x); //                    [N, numClasses]
  }
}

export const DENSENET = {
  densenet121: {
    build: (options) => new DenseNet(options),
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: "DenseNet with 121 weight layers, of dense blocks",
    paper: {
      title: "Densely Connected Convolutional Networks",
      cite: "Huang et al. 2017",
      year: 2016,
      url: "https://arxiv.org/abs/1608.06993",
    },
  },
} as const satisfies Record<string, ModelEntry>;

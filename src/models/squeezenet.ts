import {
  AdaptiveAvgPool2d,
  Conv2d,
  cat,
  Dropout,
  init,
  MaxPool2d,
  type ModelSpec,
  Module,
  ReLU,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { checkImages, type ModelOptions, photographs } from "./options.ts";

type Widths = readonly [squeeze: number, expand: number];

/**
 * Channels and kernel of the first convolution, the Fire modules' channels, and the smallest side of the images in pixels. "M"
 * halves height and width (Iandola et al. 2016, Table 1; version 1.1 pools earlier and costs 2.4 times less).
 */
// biome-ignore format: a table
const VERSIONS = {
  "1.0": {
    stem: [96, 7],
    //     s    e     out
    fires: ["M",
      [16,  64], // 128
      [16,  64], // 128
      [32, 128], // 256
      "M",
      [32, 128], // 256
      [48, 192], // 384
      [48, 192], // 384
      [64, 256], // 512
      "M",
      [64, 256], // 512
    ],
    smallest: 21,
  },
  "1.1": {
    stem: [64, 3],
    //     s    e     out
    fires: ["M",
      [16,  64], // 128
      [16,  64], // 128
      "M",
      [32, 128], // 256
      [32, 128], // 256
      "M",
      [48, 192], // 384
      [48, 192], // 384
      [64, 256], // 512
      [64, 256], // 512
    ],
    smallest: 17,
  },
} as const satisfies Record<string, { stem: readonly number[]; fires: readonly ("M" | Widths)[]; smallest: number }>;

/** A convolution as torchvision initializes it: uniform by fan-in (He et al. 2015), biases 0. */
const conv = (from: number, to: number, kernel: number, padding = 0) =>
  new Conv2d(from, to, kernel, { padding, weight: init.kaimingUniform(), biasInit: init.zeros });

/**
 * A 1×1 convolution squeezes the channels, so that the 3×3 convolution, one of two that expand them again, costs little.
 *
 *     x [N, inChannels, H, W] → y [N, 2·expand, H, W]
 */
class Fire extends Module<Tensor> {
  static readonly type: string = "Fire";
  readonly squeeze: Conv2d;
  readonly squeeze_activation = new ReLU();
  readonly expand1x1: Conv2d;
  readonly expand1x1_activation = new ReLU();
  readonly expand3x3: Conv2d;
  readonly expand3x3_activation = new ReLU();

  constructor(inChannels: number, [squeeze, expand]: Widths) {
    super();
    this.squeeze = conv(inChannels, squeeze, 1);
    this.expand1x1 = conv(squeeze, expand, 1);
    this.expand3x3 = conv(squeeze, expand, 3, 1);
  }

  forward(x: Tensor): Tensor {
    x = this.squeeze_activation.call(this.squeeze.call(x)); //                   [N, squeeze, H, W]
    const narrow = this.expand1x1_activation.call(this.expand1x1.call(x)); //    [N, expand, H, W]
    const wide = this.expand3x3_activation.call(this.expand3x3.call(x)); //      [N, expand, H, W]
    return cat([narrow, wide], 1);
  }
}

/**
 * SqueezeNet (Iandola et al. 2016): AlexNet's accuracy with a fiftieth of its parameters, by Fire modules and no dense layer.
 *
 *     x [N, C, 224, 224] → logits [N, numClasses]
 *
 * Throws if the images are smaller than 21×21 pixels, or 17×17 for version 1.1.
 */
export class SqueezeNet extends Module<Tensor> {
  static readonly type: string = "SqueezeNet";
  readonly features: Sequential;
  readonly classifier: Sequential;
  override readonly spec: ModelSpec;
  readonly #smallest: number;

  constructor(version: keyof typeof VERSIONS, options: ModelOptions = {}) {
    super();
    const { numClasses = 1000, inChannels = 3 } = options;
    const { stem, fires, smallest } = VERSIONS[version];
    // there is no normalization to keep steps small
    const hints = { lr: 0.01, clipNorm: 1, weightDecay: 2e-4, schedule: { name: "polynomial", power: 1 } } as const;
    this.spec = photographs(options, hints);
    this.#smallest = smallest;
    let channels: number = stem[0];
    const layers = fires.map((widths) => {
      if (widths === "M") return new MaxPool2d(3, { stride: 2, ceilMode: true });
      const fire = new Fire(channels, widths);
      channels = 2 * widths[1];
      return fire;
    });
    this.features = new Sequential(
      new Conv2d(inChannels, stem[0], stem[1], { stride: 2, weight: init.kaimingUniform(), biasInit: init.zeros }),
      new ReLU(),
      layers,
    );
    this.classifier = new Sequential(
      new Dropout(0.5),
      new Conv2d(channels, numClasses, 1, { weight: init.normal(0, 0.01), biasInit: init.zeros }),
      new ReLU(),
      new AdaptiveAvgPool2d(1),
    );
  }

  forward(x: Tensor): Tensor {
    checkImages("SqueezeNet", x, [this.#smallest]);
    x = this.features.call(x); //                [N, 512, 13, 13]
    return this.classifier.call(x).flatten(1); // [N, numClasses]
  }
}

const entry = (version: keyof typeof VERSIONS) =>
  ({
    build: (options: ModelOptions) => new SqueezeNet(version, options),
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: `SqueezeNet ${version}, of Fire modules`,
    paper: {
      title: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size",
      cite: "Iandola et al. 2016",
      year: 2016,
      url: "https://arxiv.org/abs/1602.07360",
    },
  }) as const satisfies ModelEntry;

export const SQUEEZENET = { squeezenet1_0: entry("1.0"), squeezenet1_1: entry("1.1") } as const;

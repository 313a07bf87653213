import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Dropout,
  init,
  Linear,
  type ModelSpec,
  Module,
  ReLU6,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { Conv2dNormActivation, FAN_OUT } from "./mobile.ts";
import { type ModelOptions, photographs } from "./options.ts";

/** Blocks of each stage: expansion factor t, output channels c, repetitions n, stride s of the first (Sandler et al. 2018, Table 2). */
// biome-ignore format: a table
const STAGES = [
  //t    c  n  s     side
  [1,  16, 1, 1], // 112
  [6,  24, 2, 2], //  56
  [6,  32, 3, 2], //  28
  [6,  64, 4, 2], //  14
  [6,  96, 3, 1], //  14
  [6, 160, 3, 2], //   7
  [6, 320, 1, 1], //   7
] as const;

/** Channels before the first stage and after the last. */
const [STEM, HEAD] = [32, 1280];

/** Widens by a 1×1 convolution, filters each channel by itself, and narrows again; the shortcut joins the narrow ends. */
class InvertedResidual extends Module<Tensor> {
  static readonly type: string = "InvertedResidual";
  readonly conv: Sequential;
  readonly #shortcut: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, expansion: number) {
    super();
    const hidden = inChannels * expansion;
    this.#shortcut = stride === 1 && inChannels === outChannels;
    this.conv = new Sequential(
      expansion === 1 ? [] : new Conv2dNormActivation(inChannels, hidden, 1, { activation: ReLU6 }),
      new Conv2dNormActivation(hidden, hidden, 3, { stride, groups: hidden, activation: ReLU6 }),
      new Conv2d(hidden, outChannels, 1, { bias: false, ...FAN_OUT }),
      new BatchNorm2d(outChannels),
    );
  }

  /** x [N, inChannels, H, W] → y [N, outChannels, ⌈H/stride⌉, ⌈W/stride⌉] */
  forward(x: Tensor): Tensor {
    const y = this.conv.call(x);
    return this.#shortcut ? x.add(y) : y;
  }
}

/**
 * MobileNetV2 (Sandler et al. 2018): depthwise convolutions between 1×1 convolutions, with shortcuts between the narrow layers.
 *
 *     x [N, C, 224, 224] → logits [N, numClasses]
 */
export class MobileNetV2 extends Module<Tensor> {
  static readonly type: string = "MobileNetV2";
  readonly features: Sequential;
  readonly classifier: Sequential;
  override readonly spec: ModelSpec;

  constructor(options: ModelOptions = {}) {
    super();
    const { numClasses = 1000, inChannels = 3 } = options;
    this.spec = photographs(options, { lr: 0.05, weightDecay: 4e-5, large: { lr: 0.02 } });
    let from = STEM;
    const blocks = STAGES.flatMap(([t, c, n, s]) =>
      Array.from({ length: n }, (_, i) => {
        const block = new InvertedResidual(from, c, i === 0 ? s : 1, t);
        from = c;
        return block;
      }),
    );
    this.features = new Sequential(
      new Conv2dNormActivation(inChannels, STEM, 3, { stride: 2, activation: ReLU6 }),
      ...blocks,
      new Conv2dNormActivation(from, HEAD, 1, { activation: ReLU6 }),
    );
    this.classifier = new Sequential(
      new Dropout(0.2),
      new Linear(HEAD, numClasses, { weight: init.normal(0, 0.01), biasInit: init.zeros }),
    );
  }

  forward(x: Tensor): Tensor {
    x = this.features.call(x); //                         [N, 1280, 7, 7]
    x = new AdaptiveAvgPool2d(1).forward(x).flatten(1); // [N, 1280]
    return this.classifier.call(x); //                    [N, numClasses]
  }
}

export const MOBILENET_V2 = {
  mobilenet_v2: {
    build: (options) => new MobileNetV2(options),
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: "MobileNetV2, of inverted residuals",
    paper: {
      title: "MobileNetV2: Inverted Residuals and Linear Bottlenecks",
      cite: "Sandler et al. 2018",
      year: 2018,
      url: "https://arxiv.org/abs/1801.04381",
    },
  },
} as const satisfies Record<string, ModelEntry>;

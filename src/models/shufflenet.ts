import {
  BatchNorm2d,
  ChannelShuffle,
  Conv2d,
  type Conv2dOptions,
  cat,
  Linear,
  MaxPool2d,
  type ModelSpec,
  Module,
  ReLU,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { type ModelOptions, photographs } from "./options.ts";

/** Output channels and blocks of stages 2 to 4 at width 1.0 (Ma et al. 2018, Table 5). */
// biome-ignore format: a table
const STAGES = [
  // out  n     side
  [116, 4], // 28
  [232, 8], // 14
  [464, 4], //  7
] as const;

/** Channels before the first stage and after the last. */
const [STEM, HEAD] = [24, 1024];

/** Convolution without bias and batch normalization, padded so that only the stride makes images smaller. */
const conv = (from: number, to: number, kernel: number, options: Conv2dOptions = {}) => [
  new Conv2d(from, to, kernel, { padding: (kernel - 1) / 2, bias: false, ...options }),
  new BatchNorm2d(to),
];
const depthwise = (channels: number, stride: number) => conv(channels, channels, 3, { stride, groups: channels });

/**
 * Convolves one half of the channels and lets the other pass, or, where it halves the images, convolves all of them in both branches;
 * the shuffle mixes the halves for the next block.
 *
 *     x [N, inChannels, H, W] → y [N, outChannels, ⌈H/stride⌉, ⌈W/stride⌉]
 */
class InvertedResidual extends Module<Tensor> {
  static readonly type: string = "InvertedResidual";
  readonly branch1: Sequential;
  readonly branch2: Sequential;
  readonly #halves: boolean;

  constructor(inChannels: number, outChannels: number) {
    super();
    const half = outChannels / 2;
    const halves = inChannels !== outChannels;
    const stride = halves ? 2 : 1;
    this.#halves = halves;
    this.branch1 = new Sequential(
      halves ? [...depthwise(inChannels, stride), ...conv(inChannels, half, 1), new ReLU()] : [],
    );
    this.branch2 = new Sequential(
      ...[...conv(halves ? inChannels : half, half, 1), new ReLU()],
      ...depthwise(half, stride),
      ...[...conv(half, half, 1), new ReLU()],
    );
  }

  forward(x: Tensor): Tensor {
    const [left, right] = this.#halves ? [this.branch1.call(x), x] : (x.chunk(2, 1) as [Tensor, Tensor]);
    return new ChannelShuffle(2).forward(cat([left, this.branch2.call(right)], 1));
  }
}

/**
 * ShuffleNetV2 of width 1.0 (Ma et al. 2018), made for speed on real devices: as many channels in as out, no wide layers, few branches.
 *
 *     x [N, C, 224, 224] → logits [N, numClasses]
 */
export class ShuffleNetV2 extends Module<Tensor> {
  static readonly type: string = "ShuffleNetV2";
  readonly conv1: Sequential;
  readonly maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  readonly stage2: Sequential;
  readonly stage3: Sequential;
  readonly stage4: Sequential;
  readonly conv5: Sequential;
  readonly fc: Linear;
  override readonly spec: ModelSpec;

  constructor(options: ModelOptions = {}) {
    super();
    const { numClasses = 1000, inChannels = 3 } = options;
    this.spec = photographs(options, { lr: 0.05, weightDecay: 4e-5, large: { lr: 0.02 } });
    let from = STEM;
    const stage = ([out, blocks]: (typeof STAGES)[number]) =>
      new Sequential(
        Array.from({ length: blocks }, () => {
          const block = new InvertedResidual(from, out);
          from = out;
          return block;
        }),
      );
    this.conv1 = new Sequential(conv(inChannels, STEM, 3, { stride: 2 }), new ReLU());
    this.stage2 = stage(STAGES[0]);
    this.stage3 = stage(STAGES[1]);
    this.stage4 = stage(STAGES[2]);
    this.conv5 = new Sequential(conv(from, HEAD, 1), new ReLU());
    this.fc = new Linear(HEAD, numClasses);
  }

  forward(x: Tensor): Tensor {
    x = this.conv1.call(x); //         [N, 24, 112, 112]
    x = this.maxpool.call(x); //       [N, 24, 56, 56]
    x = this.stage2.call(x); //        [N, 116, 28, 28]
    x = this.stage3.call(x); //        [N, 232, 14, 14]
    x = this.stage4.call(x); //        [N, 464, 7, 7]
    x = this.conv5.call(x); //         [N, 1024, 7, 7]
    return this.fc.call(x.mean([2, 3])); // [N, numClasses]
  }
}

export const SHUFFLENET = {
  shufflenet_v2_x1_0: {
    build: (options) => new ShuffleNetV2(options),
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: "ShuffleNetV2 of width 1.0, with channel shuffles",
    paper: {
      title: "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design",
      cite: "Ma et al. 2018",
      year: 2018,
      url: "https://arxiv.org/abs/1807.11164",
    },
  },
} as const satisfies Record<string, ModelEntry>;

import {
  AdaptiveAvgPool2d,
  Dropout,
  Hardsigmoid,
  Hardswish,
  init,
  Linear,
  type ModelSpec,
  Module,
  ReLU,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { Conv2dNormActivation, invertedResidual } from "./mobile.ts";
import { type ModelOptions, photographs } from "./options.ts";

/** Kernel, expanded and output channels, whether there is squeeze-and-excitation, nonlinearity, stride. */
type Row = readonly [kernel: number, expanded: number, out: number, se: boolean, nl: "RE" | "HS", stride: 1 | 2];

/** The blocks (Howard et al. 2019, Tables 1 and 2), and the width of the layer before the scores. */
// biome-ignore format: a table
const SIZES = {
  large: { last: 1280, blocks: [
    //k  exp  out     SE    NL  s     side
    [3,  16,  16, false, "RE", 1], // 112
    [3,  64,  24, false, "RE", 2], //  56
    [3,  72,  24, false, "RE", 1],
    [5,  72,  40,  true, "RE", 2], //  28
    [5, 120,  40,  true, "RE", 1],
    [5, 120,  40,  true, "RE", 1],
    [3, 240,  80, false, "HS", 2], //  14
    [3, 200,  80, false, "HS", 1],
    [3, 184,  80, false, "HS", 1],
    [3, 184,  80, false, "HS", 1],
    [3, 480, 112,  true, "HS", 1],
    [3, 672, 112,  true, "HS", 1],
    [5, 672, 160,  true, "HS", 2], //   7
    [5, 960, 160,  true, "HS", 1],
    [5, 960, 160,  true, "HS", 1],
  ] },
  small: { last: 1024, blocks: [
    //k  exp  out     SE    NL  s     side
    [3,  16,  16,  true, "RE", 2], //  56
    [3,  72,  24, false, "RE", 2], //  28
    [3,  88,  24, false, "RE", 1],
    [5,  96,  40,  true, "HS", 2], //  14
    [5, 240,  40,  true, "HS", 1],
    [5, 240,  40,  true, "HS", 1],
    [5, 120,  48,  true, "HS", 1],
    [5, 144,  48,  true, "HS", 1],
    [5, 288,  96,  true, "HS", 2], //   7
    [5, 576,  96,  true, "HS", 1],
    [5, 576,  96,  true, "HS", 1],
  ] },
} as const satisfies Record<string, { last: number; blocks: readonly Row[] }>;

/** Channels before the first block. */
const STEM = 16;
/** As in the TensorFlow code that the paper's authors published. */
const norm = { eps: 0.001, momentum: 0.01 };
const hardswish = { norm, activation: Hardswish };

/** The nearest multiple of 8, but the next one if that would take away more than a tenth. */
function divisible(channels: number): number {
  const nearest = Math.max(8, Math.floor((channels + 4) / 8) * 8);
  return nearest < 0.9 * channels ? nearest + 8 : nearest;
}

/** MobileNetV2's block, some with squeeze-and-excitation after the depthwise convolution. */
class InvertedResidual extends Module<Tensor> {
  static readonly type: string = "InvertedResidual";
  readonly block: Sequential;
  readonly #shortcut: boolean;

  constructor(inChannels: number, [kernel, expanded, outChannels, se, nl, stride]: Row) {
    super();
    this.#shortcut = stride === 1 && inChannels === outChannels;
    const squeezed = divisible(Math.floor(expanded / 4));
    this.block = invertedResidual({
      ...{ inChannels, expanded, outChannels, kernel, stride, norm },
      activation: nl === "HS" ? Hardswish : ReLU,
      squeezeExcitation: se ? { squeezed, activation: ReLU, gate: Hardsigmoid } : undefined,
    });
  }

  /** x [N, inChannels, H, W] → y [N, out, ⌈H/stride⌉, ⌈W/stride⌉] */
  forward(x: Tensor): Tensor {
    const y = this.block.call(x);
    return this.#shortcut ? y.add(x) : y;
  }
}

/**
 * MobileNetV3 (Howard et al. 2019): found by a search over MobileNetV2's blocks, with squeeze-and-excitation and a cheap swish.
 *
 *     x [N, C, 224, 224] → logits [N, numClasses]
 */
export class MobileNetV3 extends Module<Tensor> {
  static readonly type: string = "MobileNetV3";
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly classifier: Sequential;
  override readonly spec: ModelSpec;

  constructor(size: keyof typeof SIZES, options: ModelOptions = {}) {
    super();
    const { numClasses = 1000, inChannels = 3 } = options;
    const { last, blocks } = SIZES[size];
    const initial = { weight: init.normal(0, 0.01), biasInit: init.zeros };
    const narrow = blocks.at(-1)![2];
    const wide = 6 * narrow;
    this.spec = photographs(options, { lr: 0.05, weightDecay: 1e-5, large: { lr: 0.02 } });
    this.features = new Sequential(
      new Conv2dNormActivation(inChannels, STEM, 3, { stride: 2, ...hardswish }),
      blocks.map((row, i) => new InvertedResidual(blocks[i - 1]?.[2] ?? STEM, row)),
      new Conv2dNormActivation(narrow, wide, 1, hardswish),
    );
    this.classifier = new Sequential(
      new Linear(wide, last, initial),
      new Hardswish(),
      new Dropout(0.2),
      new Linear(last, numClasses, initial),
    );
  }

  forward(x: Tensor): Tensor {
    x = this.features.call(x); //            [N, 960, 7, 7]; small: 576
    x = this.avgpool.call(x).flatten(1); //  [N, 960]
    return this.classifier.call(x); //       [N, numClasses]
  }
}

const entry = (size: keyof typeof SIZES) =>
  ({
    build: (options: ModelOptions) => new MobileNetV3(size, options),
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: `MobileNetV3 ${size}, of inverted residuals with squeeze-and-excitation`,
    paper: {
      title: "Searching for MobileNetV3",
      cite: "Howard et al. 2019",
      year: 2019,
      url: "https://arxiv.org/abs/1905.02244",
    },
  }) as const satisfies ModelEntry;

export const MOBILENET_V3 = { mobilenet_v3_small: entry("small"), mobilenet_v3_large: entry("large") } as const;

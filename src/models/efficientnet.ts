import {
  AdaptiveAvgPool2d,
  Dropout,
  init,
  Linear,
  type ModelSpec,
  Module,
  Sequential,
  Sigmoid,
  SiLU,
  StochasticDepth,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { Conv2dNormActivation, invertedResidual } from "./mobile.ts";
import { type ModelOptions, photographs } from "./options.ts";

type Stage = readonly [expansion: number, kernel: number, stride: number, out: number, layers: number];

/** Blocks of each stage of EfficientNet-B0; the stride is that of the first (Tan and Le 2019, Table 1). */
// biome-ignore format: a table
const STAGES = [
  //t  k  s  out  n     side
  [1, 3, 1,  16, 1], // 112
  [6, 3, 2,  24, 2], //  56
  [6, 5, 2,  40, 2], //  28
  [6, 3, 2,  80, 3], //  14
  [6, 5, 1, 112, 3], //  14
  [6, 5, 2, 192, 4], //   7
  [6, 3, 1, 320, 1], //   7
] as const satisfies readonly Stage[];

/** Channels before the first stage and after the last. */
const [STEM, HEAD] = [32, 1280];
/** Probability with which the deepest block would be skipped in training; the first never is. */
const STOCHASTIC_DEPTH = 0.2;

/** MobileNetV2's block with squeeze-and-excitation, which training skips at random where there is a shortcut. */
class MBConv extends Module<Tensor> {
  static readonly type: string = "MBConv";
  readonly block: Sequential;
  readonly stochastic_depth: StochasticDepth;
  readonly #shortcut: boolean;

  constructor(inChannels: number, [expansion, kernel, stride, outChannels]: Stage, skipped: number) {
    super();
    this.#shortcut = stride === 1 && inChannels === outChannels;
    this.block = invertedResidual({
      ...{ inChannels, expanded: inChannels * expansion, outChannels, kernel, stride, activation: SiLU },
      squeezeExcitation: { squeezed: inChannels / 4, activation: SiLU, gate: Sigmoid },
    });
    this.stochastic_depth = new StochasticDepth(skipped);
  }

  /** x [N, inChannels, H, W] → y [N, outChannels, ⌈H/stride⌉, ⌈W/stride⌉] */
  forward(x: Tensor): Tensor {
    const y = this.block.call(x);
    return this.#shortcut ? this.stochastic_depth.call(y).add(x) : y;
  }
}

/** The stages, whose blocks are skipped the more often the deeper they are. */
function stages(): Sequential[] {
  const total = STAGES.reduce((sum, [, , , , layers]) => sum + layers, 0);
  let from = STEM;
  let depth = 0;
  return STAGES.map(([expansion, kernel, stride, out, layers]) => {
    const blocks = Array.from({ length: layers }, (_, i) => {
      const row: Stage = [expansion, kernel, i === 0 ? stride : 1, out, 1];
      const block = new MBConv(from, row, (STOCHASTIC_DEPTH * depth++) / total);
      from = out;
      return block;
    });
    return new Sequential(blocks);
  });
}

/**
 * EfficientNet-B0 (Tan and Le 2019): found by a search, and the smallest of a family whose depth, width and image size grow together.
 *
 *     x [N, C, 224, 224] → logits [N, numClasses]
 */
export class EfficientNet extends Module<Tensor> {
  static readonly type: string = "EfficientNet";
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly classifier: Sequential;
  override readonly spec: ModelSpec;

  constructor(options: ModelOptions = {}) {
    super();
    const { numClasses = 1000, inChannels = 3 } = options;
    const bound = 1 / Math.sqrt(numClasses);
    this.spec = photographs(options, { lr: 0.05, weightDecay: 1e-5, large: { lr: 0.02 } });
    this.features = new Sequential(
      new Conv2dNormActivation(inChannels, STEM, 3, { stride: 2, activation: SiLU }),
      stages(),
      new Conv2dNormActivation(STAGES.at(-1)![3], HEAD, 1, { activation: SiLU }),
    );
    this.classifier = new Sequential(
      new Dropout(0.2),
      new Linear(HEAD, numClasses, { weight: init.uniform(-bound, bound), biasInit: init.zeros }),
    );
  }

  forward(x: Tensor): Tensor {
    x = this.features.call(x); //            [N, 1280, 7, 7]
    x = this.avgpool.call(x).flatten(1); //  [N, 1280]
    return this.classifier.call(x); //       [N, numClasses]
  }
}

export const EFFICIENTNET = {
  efficientnet_b0: {
    build: (options) => new EfficientNet(options),
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    title: "EfficientNet-B0, of inverted residuals with squeeze-and-excitation",
    paper: {
      title: "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks",
      cite: "Tan and Le 2019",
      year: 2019,
      url: "https://arxiv.org/abs/1905.11946",
    },
  },
} as const satisfies Record<string, ModelEntry>;

import { check } from "../graph/index.ts";
import type { InitOptions } from "../nn/index.ts";
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Dropout,
  init,
  Linear,
  MaxPool2d,
  type ModelSpec,
  Module,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
} from "../nn/index.ts";
import { FOR_CIFAR, FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { checkImages, IMAGENET, type ModelOptions } from "./options.ts";

/** Output channels of each 3×3 convolution; "M" halves height and width (Simonyan and Zisserman 2015, Table 1). */
// biome-ignore format: a table
export const VGG_WIDTHS = {
  11: [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
  13: [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
  16: [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
  19: [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
} as const satisfies Record<number, readonly (number | "M")[]>;

/** Number of layers with weights. */
export type VggDepth = keyof typeof VGG_WIDTHS;

/** Options of `vgg`. */
export interface VggOptions extends ModelOptions {
  /** Whether batch normalization follows each convolution. Default false. */
  batchNorm?: boolean;
}

/** Hidden units of the classifier. */
const HIDDEN = 4096;
/** What five halvings divide the side of an image by. */
const SHRINK = 32;

function makeLayers(
  widths: readonly (number | "M")[],
  inChannels: number,
  batchNorm: boolean,
  initial: InitOptions = {},
): Sequential {
  const layers: Module<Tensor>[] = [];
  let channels = inChannels;
  for (const width of widths) {
    if (width === "M") {
      layers.push(new MaxPool2d(2));
      continue;
    }
    layers.push(new Conv2d(channels, width, 3, { padding: 1, ...initial }));
    if (batchNorm) layers.push(new BatchNorm2d(width));
    layers.push(new ReLU());
    channels = width;
  }
  return new Sequential(...layers);
}

/** What the depths and variants share: the size of the images, and how to train. */
abstract class Vgg extends Module<Tensor> {
  override readonly spec: ModelSpec;
  readonly #depth: VggDepth;
  /** Smallest and largest side of the images in pixels. */
  readonly #sizes: readonly [number, number?];
  /** Features of the last block, as the classifier sees them. */
  protected readonly flatFeatures: number;

  constructor(depth: VggDepth, { variant, batchNorm, inChannels = 3, inputSize = 224 }: VggOptions) {
    super();
    const adapts = variant === "torchvision"; // by an adaptive pool to 7×7
    const side = adapts ? 7 : Math.floor(inputSize / SHRINK);
    check(
      side >= 1,
      () => `VGG${depth}: ${inputSize}×${inputSize} images are too small; five halvings need at least 32×32`,
    );
    this.#depth = depth;
    this.#sizes = adapts ? [SHRINK] : [SHRINK * side, SHRINK * side + SHRINK - 1];
    this.flatFeatures = 512 * side * side;
    this.spec = {
      inputSize,
      minInputSize: SHRINK,
      inChannels,
      ...(adapts && { normalization: IMAGENET }),
      // without normalization, the study note's initial weights (PyTorch's defaults) do not learn; by fan-in, the five max pools
      // would make the features ten times too large
      training: batchNorm
        ? { lr: 0.05 }
        : { lr: 0.01, clipNorm: 1, ...(variant === "note" && { init: "kaiming_fan_out" }), large: { batchSize: 8 } },
    };
  }

  override get type(): string {
    return `VGG${this.#depth}`;
  }

  protected checkSize(x: Tensor): void {
    checkImages(this.type, x, this.#sizes, "; set inputSize to build it for other sizes");
  }
}

/** The study note's: features and classifier as two Sequentials, dropout before each hidden layer, softmax at the end. */
class NoteVgg extends Vgg {
  readonly feature_part: Sequential;
  readonly clf_part: Sequential;

  constructor(depth: VggDepth, options: VggOptions) {
    super(depth, options);
    const { batchNorm = false, numClasses = 1000, inChannels = 3 } = options;
    this.feature_part = makeLayers(VGG_WIDTHS[depth], inChannels, batchNorm);
    this.clf_part = new Sequential(
      new Dropout(0.5),
      new Linear(this.flatFeatures, HIDDEN),
      new ReLU(),
      new Dropout(0.5),
      new Linear(HIDDEN, HIDDEN),
      new ReLU(),
      new Linear(HIDDEN, numClasses),
      new Softmax(1),
    );
  }

  /** x [N, C, inputSize, inputSize] → probabilities [N, numClasses] */
  forward(x: Tensor): Tensor {
    this.checkSize(x);
    x = this.feature_part.call(x); //             [N, 512, 7, 7]
    return this.clf_part.call(x.flatten(1)); //   [N, numClasses]
  }
}

/** As published, with dropout after each hidden layer and scores at the end; torchvision adds an adaptive pool. */
class PaperVgg extends Vgg {
  readonly features: Sequential;
  readonly avgpool?: AdaptiveAvgPool2d;
  readonly classifier: Sequential;

  constructor(depth: VggDepth, options: VggOptions) {
    super(depth, options);
    const { variant, batchNorm = false, numClasses = 1000, inChannels = 3 } = options;
    const dense = (from: number, to: number) =>
      new Linear(from, to, { weight: init.normal(0, 0.01), biasInit: init.zeros });
    this.features = makeLayers(VGG_WIDTHS[depth], inChannels, batchNorm, {
      weight: init.kaimingNormal({ mode: "fan_out", nonlinearity: "relu" }),
      biasInit: init.zeros,
    });
    if (variant === "torchvision") this.avgpool = new AdaptiveAvgPool2d(7);
    this.classifier = new Sequential(
      dense(this.flatFeatures, HIDDEN),
      new ReLU(),
      new Dropout(0.5),
      dense(HIDDEN, HIDDEN),
      new ReLU(),
      new Dropout(0.5),
      dense(HIDDEN, numClasses),
    );
  }

  /** x [N, C, H, W] → logits [N, numClasses] */
  forward(x: Tensor): Tensor {
    this.checkSize(x);
    x = this.features.call(x); //                 [N, 512, 7, 7]
    x = this.avgpool?.call(x) ?? x;
    return this.classifier.call(x.flatten(1)); // [N, numClasses]
  }
}

/**
 * A VGG of one of four depths (Simonyan and Zisserman 2015).
 *
 *     x [N, C, 224, 224] → probabilities (note) or logits (paper, torchvision) [N, numClasses]
 *
 * Throws if the images are smaller than 32×32, or, except for torchvision's variant, of another size than it was built for.
 */
export function vgg(depth: VggDepth, options: VggOptions = {}): Module<Tensor> {
  const { variant = "note" } = options;
  return variant === "note" ? new NoteVgg(depth, { ...options, variant }) : new PaperVgg(depth, options);
}

/** Widths for images of 32×32: a quarter of VGG11's, with one convolution at each resolution. */
const SMALL_WIDTHS = [32, "M", 64, "M", 128, "M", 128] as const;

/**
 * VGG's idea, 3×3 convolutions between halvings, for small images: batch normalization, and an average instead of the hidden
 * layers. With 0.24 M parameters it learns in a minute or two on two cores.
 *
 *     x [N, C, H, W] → logits [N, numClasses]
 *
 * Throws if the images are smaller than 8×8 pixels, since it halves them three times.
 */
export class VggSmall extends Module<Tensor> {
  static readonly type: string = "VggSmall";
  override readonly spec: ModelSpec;
  readonly features: Sequential;
  readonly avgpool: AdaptiveAvgPool2d;
  readonly classifier: Linear;

  constructor({ numClasses = 10, inChannels = 3 }: ModelOptions = {}) {
    super();
    this.spec = { inputSize: 32, inChannels, training: { lr: 0.05 } };
    this.features = makeLayers(SMALL_WIDTHS, inChannels, true);
    this.avgpool = new AdaptiveAvgPool2d(1);
    this.classifier = new Linear(SMALL_WIDTHS.at(-1) as number, numClasses);
  }

  forward(x: Tensor): Tensor {
    checkImages("VGG", x, [8]);
    x = this.features.call(x); //                 [N, 128, 4, 4]
    x = this.avgpool.call(x).flatten(1); //       [N, 128]
    return this.classifier.call(x); //            [N, numClasses]
  }
}

/** A {@link VggSmall}. Throws for a variant other than `"note"`. */
export function vggSmall(options: ModelOptions = {}): VggSmall {
  check((options.variant ?? "note") === "note", () => 'vgg_small: the only variant is "note"');
  return new VggSmall(options);
}

const PAPER = {
  title: "Very Deep Convolutional Networks for Large-Scale Image Recognition",
  cite: "Simonyan and Zisserman 2015",
  year: 2014,
  url: "https://arxiv.org/abs/1409.1556",
} as const;

const entry = (depth: VggDepth, batchNorm = false): ModelEntry<Module<Tensor>> => ({
  build: (options) => vgg(depth, { ...options, batchNorm }),
  variants: ["note", "paper", "torchvision"],
  ...FOR_IMAGENET,
  title: `VGG with ${depth} weight layers${batchNorm ? " and batch normalization" : ""}`,
  paper: PAPER,
});

export const VGG = {
  vgg11: entry(11),
  vgg11_bn: entry(11, true),
  vgg13: entry(13),
  vgg13_bn: entry(13, true),
  vgg16: entry(16),
  vgg16_bn: entry(16, true),
  vgg19: entry(19),
  vgg19_bn: entry(19, true),
  vgg_small: {
    build: vggSmall,
    variants: ["note"],
    ...FOR_CIFAR,
    title: "3×3 convolutions and halvings for images of 32×32",
    paper: PAPER,
  },
} as const satisfies Record<string, ModelEntry>;

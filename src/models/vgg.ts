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
  Module,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
} from "../nn/index.ts";
import { checkImages, type ModelOptions, type Variant } from "./options.ts";

/** Output channels of each 3×3 convolution; "M" halves height and width (Simonyan and Zisserman 2015, Table 1). */
// biome-ignore format: a table
export const VGG_WIDTHS = {
  11: [64, "M", 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
  13: [64, 64, "M", 128, 128, "M", 256, 256, "M", 512, 512, "M", 512, 512, "M"],
  16: [64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M"],
  19: [64, 64, "M", 128, 128, "M", 256, 256, 256, 256, "M", 512, 512, 512, 512, "M", 512, 512, 512, 512, "M"],
} as const satisfies Record<number, readonly (number | "M")[]>;

export type VggDepth = keyof typeof VGG_WIDTHS;

export interface VggOptions extends ModelOptions {
  /** Normalise each convolution's output over the batch. */
  batchNorm?: boolean;
}

/** Hidden units of the classifier. */
const HIDDEN = 4096;
/** How often the image is halved. */
const HALVINGS = 5;

function makeLayers(
  widths: readonly (number | "M")[],
  inChannels: number,
  batchNorm: boolean,
  first: InitOptions = {},
): Sequential {
  const layers: Module<Tensor>[] = [];
  let channels = inChannels;
  for (const width of widths) {
    if (width === "M") {
      layers.push(new MaxPool2d(2));
      continue;
    }
    layers.push(new Conv2d(channels, width, 3, { padding: 1, ...first }));
    if (batchNorm) layers.push(new BatchNorm2d(width));
    layers.push(new ReLU());
    channels = width;
  }
  return new Sequential(...layers);
}

/** Features of the last block, seen by the classifier. Throws for images that are halved away. */
function flatFeatures(depth: VggDepth, inputSize: number): number {
  const size = Math.floor(inputSize / 2 ** HALVINGS);
  check(
    size >= 1,
    () => `VGG${depth}: ${inputSize}×${inputSize} images are too small; five halvings need at least 32×32`,
  );
  return 512 * size * size;
}

function checkInput(depth: VggDepth, x: Tensor, inputSize: number): void {
  const [H, W] = x.shape.slice(2);
  const fits = [H, W].every(
    (size) => Math.floor(Number(size) / 2 ** HALVINGS) === Math.floor(inputSize / 2 ** HALVINGS),
  );
  const low = Math.floor(inputSize / 2 ** HALVINGS) * 2 ** HALVINGS;
  check(
    fits,
    () =>
      `VGG${depth}: built for ${low} to ${low + 31} pixels a side, but the image has ${H}×${W}; set inputSize to build it for others`,
  );
}

/** The note's VGG: features and classifier as two Sequentials, one dropout before each hidden layer, softmax at the end. */
class NoteVgg extends Module<Tensor> {
  readonly feature_part: Sequential;
  readonly clf_part: Sequential;
  readonly #depth: VggDepth;
  readonly #inputSize: number;

  constructor(depth: VggDepth, { batchNorm = false, numClasses = 1000, inChannels = 3, inputSize = 224 }: VggOptions) {
    super();
    this.#depth = depth;
    this.#inputSize = inputSize;
    this.feature_part = makeLayers(VGG_WIDTHS[depth], inChannels, batchNorm);
    this.clf_part = new Sequential(
      new Dropout(0.5),
      new Linear(flatFeatures(depth, inputSize), HIDDEN),
      new ReLU(),
      new Dropout(0.5),
      new Linear(HIDDEN, HIDDEN),
      new ReLU(),
      new Linear(HIDDEN, numClasses),
      new Softmax(1),
    );
  }

  override get type(): string {
    return `VGG${this.#depth}`;
  }

  /** x [N, C, inputSize, inputSize] → probabilities [N, numClasses] */
  forward(x: Tensor): Tensor {
    checkInput(this.#depth, x, this.#inputSize);
    const features = this.feature_part.call(x); // [N, 512, 7, 7] at 224×224
    return this.clf_part.call(features.flatten(1));
  }
}

/** VGG as published, with dropout after each hidden layer; logits, of which the loss takes the softmax. */
class PaperVgg extends Module<Tensor> {
  readonly features: Sequential;
  readonly avgpool?: AdaptiveAvgPool2d;
  readonly classifier: Sequential;
  readonly #depth: VggDepth;
  readonly #inputSize: number;

  constructor(depth: VggDepth, options: VggOptions, anySize: boolean) {
    super();
    const { batchNorm = false, numClasses = 1000, inChannels = 3, inputSize = 224 } = options;
    this.#depth = depth;
    this.#inputSize = inputSize;
    this.features = makeLayers(VGG_WIDTHS[depth], inChannels, batchNorm, {
      weight: init.kaimingNormal({ mode: "fan_out", nonlinearity: "relu" }),
      biasInit: init.zeros,
    });
    if (anySize) this.avgpool = new AdaptiveAvgPool2d(7);
    const dense = (from: number, to: number) =>
      new Linear(from, to, { weight: init.normal(0, 0.01), biasInit: init.zeros });
    this.classifier = new Sequential(
      dense(anySize ? 512 * 7 * 7 : flatFeatures(depth, inputSize), HIDDEN),
      new ReLU(),
      new Dropout(0.5),
      dense(HIDDEN, HIDDEN),
      new ReLU(),
      new Dropout(0.5),
      dense(HIDDEN, numClasses),
    );
  }

  override get type(): string {
    return `VGG${this.#depth}`;
  }

  /** x [N, C, H, W] → logits [N, numClasses] */
  forward(x: Tensor): Tensor {
    if (this.avgpool) checkImages(this.type, x, 2 ** HALVINGS);
    else checkInput(this.#depth, x, this.#inputSize);
    const features = this.features.call(x);
    const pooled = this.avgpool ? this.avgpool.call(features) : features;
    return this.classifier.call(pooled.flatten(1));
  }
}

/** A VGG of one of four depths. Torchvision's differs from the paper's by an adaptive pooling that lets any size in. */
export function vgg(depth: VggDepth, options: VggOptions = {}): Module<Tensor> {
  const variant: Variant = options.variant ?? "note";
  switch (variant) {
    case "note":
      return new NoteVgg(depth, options);
    case "paper":
      return new PaperVgg(depth, options, false);
    case "torchvision":
      return new PaperVgg(depth, options, true);
    default:
      return variant satisfies never;
  }
}

/** Widths for images of 32×32: a quarter of VGG11's first ones, one convolution a resolution. */
const SMALL_WIDTHS = [32, "M", 64, "M", 128, "M", 128] as const;

/**
 * VGG's idea, 3×3 convolutions between halvings, for small images: batch normalization, and an average in place of the hidden
 * layers. With 0.24 M parameters it learns in a minute or two on two cores.
 */
export class VggSmall extends Module<Tensor> {
  static readonly type: string = "VggSmall";
  readonly features: Sequential;
  readonly avgpool: AdaptiveAvgPool2d;
  readonly classifier: Linear;

  constructor({ numClasses = 10, inChannels = 3 }: ModelOptions = {}) {
    super();
    this.features = makeLayers(SMALL_WIDTHS, inChannels, true);
    this.avgpool = new AdaptiveAvgPool2d(1);
    this.classifier = new Linear(SMALL_WIDTHS.at(-1) as number, numClasses);
  }

  /** x [N, C, H, W] → logits [N, numClasses] */
  forward(x: Tensor): Tensor {
    const [H, W] = x.shape.slice(2);
    const fits = Math.min(Number(H), Number(W)) >= 8;
    check(fits, () => `VGG: takes images of at least 8×8 pixels, as it halves them three times, but got ${H}×${W}`);
    return this.classifier.call(this.avgpool.call(this.features.call(x)).flatten(1));
  }
}

export function vggSmall(options: ModelOptions = {}): VggSmall {
  check((options.variant ?? "note") === "note", () => 'vgg_small: the only variant is "note"');
  return new VggSmall(options);
}

import { check } from "../graph/index.ts";
import {
  AdaptiveAvgPool2d,
  Conv2d,
  Dropout,
  init,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  type ModelSpec,
  Module,
  ReLU,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { checkImages, IMAGENET, type ModelOptions, variantOf } from "./options.ts";

/** Hidden units of the classifier. */
const HIDDEN = 4096;
/** Half of the features that a unit sees are zero in training. */
const drop = () => new Dropout(0.5);
const pool = () => new MaxPool2d(3, { stride: 2 });

/** Side in pixels of the last maps of the paper's network: 6 for images of 227×227. */
function lastSide(inputSize: number): number {
  const pooled = (side: number) => Math.floor((side - 3) / 2) + 1;
  return pooled(pooled(pooled(Math.floor((inputSize - 11) / 4) + 1)));
}

/**
 * Torchvision's AlexNet, the one column of Krizhevsky 2014: 64 filters in the first layer, no normalization, any image size.
 *
 *     x [N, C, H, W] → logits [N, numClasses]
 *
 * Throws if the images are smaller than 63×63 pixels.
 */
class TorchvisionAlexNet extends Module<Tensor> {
  override readonly spec: ModelSpec;
  readonly features: Sequential;
  readonly avgpool: AdaptiveAvgPool2d;
  readonly classifier: Sequential;

  constructor({ numClasses = 1000, inChannels = 3, inputSize = 224 }: ModelOptions) {
    super();
    this.spec = { inputSize, minInputSize: 64, inChannels, normalization: IMAGENET, training: TRAINING };
    this.features = new Sequential(
      ...[new Conv2d(inChannels, 64, 11, { stride: 4, padding: 2 }), new ReLU(), pool()],
      ...[new Conv2d(64, 192, 5, { padding: 2 }), new ReLU(), pool()],
      ...[new Conv2d(192, 384, 3, { padding: 1 }), new ReLU()],
      ...[new Conv2d(384, 256, 3, { padding: 1 }), new ReLU()],
      ...[new Conv2d(256, 256, 3, { padding: 1 }), new ReLU(), pool()],
    );
    this.avgpool = new AdaptiveAvgPool2d(6);
    this.classifier = new Sequential(
      ...[drop(), new Linear(256 * 6 * 6, HIDDEN), new ReLU()],
      ...[drop(), new Linear(HIDDEN, HIDDEN), new ReLU()],
      new Linear(HIDDEN, numClasses),
    );
  }

  override get type(): string {
    return "AlexNet";
  }

  forward(x: Tensor): Tensor {
    checkImages("AlexNet", x, [63]);
    x = this.features.call(x); //                 [N, 256, 6, 6]
    x = this.avgpool.call(x).flatten(1); //       [N, 9216]
    return this.classifier.call(x); //            [N, numClasses]
  }
}

/**
 * As published (Krizhevsky et al. 2012): two groups, one for each of its GPUs, which meet in the third convolution; responses
 * normalized after the first two; images of 227×227, as its arithmetic needs, not the 224 it states.
 *
 *     x [N, C, 227, 227] → logits [N, numClasses]
 *
 * Throws for images of another size than it was built for.
 */
class PaperAlexNet extends Module<Tensor> {
  override readonly spec: ModelSpec;
  readonly features: Sequential;
  readonly classifier: Sequential;
  /** Smallest and largest side of the images in pixels. */
  readonly #sizes: readonly [number, number];

  constructor({ numClasses = 1000, inChannels = 3, inputSize = 227 }: ModelOptions) {
    super();
    const side = lastSide(inputSize);
    check(side >= 1, () => `AlexNet: ${inputSize}×${inputSize} images are too small; it needs at least 67×67`);
    this.#sizes = [32 * side + 35, 32 * side + 66];
    this.spec = { inputSize, minInputSize: 67, inChannels, training: TRAINING };
    // section 5: weights with deviation 0.01; a bias of 1 where it opens the ReLUs at first
    const weight = init.normal(0, 0.01);
    const conv = (from: number, to: number, kernel: number, { stride = 1, padding = 0, groups = 1, bias = 0 }) =>
      new Conv2d(from, to, kernel, { stride, padding, groups, weight, biasInit: init.constant(bias) });
    const dense = (from: number, to: number, bias: number) =>
      new Linear(from, to, { weight, biasInit: init.constant(bias) });
    // section 3.3: k = 2, n = 5, α = 10⁻⁴ for each channel of the sum, β = 0.75
    const normalize = () => new LocalResponseNorm(5, { alpha: 5e-4, beta: 0.75, k: 2 });
    this.features = new Sequential(
      ...[conv(inChannels, 96, 11, { stride: 4 }), new ReLU(), normalize(), pool()],
      ...[conv(96, 256, 5, { padding: 2, groups: 2, bias: 1 }), new ReLU(), normalize(), pool()],
      ...[conv(256, 384, 3, { padding: 1 }), new ReLU()],
      ...[conv(384, 384, 3, { padding: 1, groups: 2, bias: 1 }), new ReLU()],
      ...[conv(384, 256, 3, { padding: 1, groups: 2, bias: 1 }), new ReLU(), pool()],
    );
    this.classifier = new Sequential(
      ...[dense(256 * side * side, HIDDEN, 1), new ReLU(), drop()],
      ...[dense(HIDDEN, HIDDEN, 1), new ReLU(), drop()],
      dense(HIDDEN, numClasses, 0),
    );
  }

  override get type(): string {
    return "AlexNet";
  }

  forward(x: Tensor): Tensor {
    checkImages("AlexNet", x, this.#sizes, "; set inputSize to build it for other sizes");
    x = this.features.call(x); //                 [N, 256, 6, 6]
    return this.classifier.call(x.flatten(1)); // [N, numClasses]
  }
}

/** As published: 0.01 for batches of 128, the deviation of weights 0.01; gradients limited, as nothing normalizes. */
const TRAINING = { lr: 0.01, clipNorm: 1 } as const;

/**
 * AlexNet (Krizhevsky et al. 2012).
 *
 *     torchvision: x [N, C, H, W] → logits [N, numClasses]
 *     paper:       x [N, C, 227, 227] → logits [N, numClasses]
 *
 * Throws for the study note's variant, and for images that are too small.
 */
export function alexnet(options: ModelOptions = {}): Module<Tensor> {
  const variant = variantOf("alexnet", options, ["torchvision", "paper"]);
  return variant === "paper" ? new PaperAlexNet(options) : new TorchvisionAlexNet(options);
}

export const ALEXNET = {
  alexnet: {
    build: alexnet,
    variants: ["torchvision", "paper"],
    ...FOR_IMAGENET,
    title: "AlexNet: five convolutions, three dense layers",
    paper: {
      title: "ImageNet Classification with Deep Convolutional Neural Networks",
      cite: "Krizhevsky et al. 2012",
      year: 2012,
      url: "https://doi.org/10.1145/3065386",
    },
  },
} as const satisfies Record<string, ModelEntry>;

import { check } from "../graph/index.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  Conv2d,
  Dropout,
  init,
  MaxPool2d,
  type ModelSpec,
  Module,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
} from "../nn/index.ts";
import { FOR_CIFAR, FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { checkImages, type ModelOptions } from "./options.ts";

/**
 * One block of Network in Network (Lin et al. 2014): a convolution, then 1×1 convolutions that act as a small perceptron on
 * each pixel. ReLU follows each of them.
 */
interface MlpConv {
  kernel: number;
  stride?: number;
  padding: number;
  widths: readonly number[];
}

/** For images of 32×32 (section 4, CIFAR-10). */
const NIN_CIFAR = [
  { kernel: 5, padding: 2, widths: [192, 160, 96] },
  { kernel: 5, padding: 2, widths: [192, 192, 192] },
  { kernel: 3, padding: 1, widths: [192, 192] },
] as const satisfies readonly MlpConv[];

/** For ImageNet, as in the authors' published Caffe definition. */
const NIN_IMAGENET = [
  { kernel: 11, stride: 4, padding: 0, widths: [96, 96, 96] },
  { kernel: 5, padding: 2, widths: [256, 256, 256] },
  { kernel: 3, padding: 1, widths: [384, 384, 384] },
  { kernel: 3, padding: 1, widths: [1024, 1024] },
] as const satisfies readonly MlpConv[];

function mlpConv(
  inChannels: number,
  { kernel, stride = 1, padding, widths }: MlpConv,
  published = false,
): Module<Tensor>[] {
  const weight = published ? { weight: init.kaimingNormal({ nonlinearity: "relu" }), biasInit: init.zeros } : {};
  return widths.flatMap((width, i) => [
    i === 0
      ? new Conv2d(inChannels, width, kernel, { stride, padding, ...weight })
      : new Conv2d(widths[i - 1]!, width, 1, weight),
    new ReLU(),
  ]);
}

/** The last block of a table with one more 1×1 convolution, which gives a map for each class. */
function withClasses(block: MlpConv, numClasses: number): MlpConv {
  return { ...block, widths: [...block.widths, numClasses] };
}

/**
 * How to train it. Without normalization, the initial weights decide whether it learns at all; the study note's, which are
 * PyTorch's defaults, do not.
 */
const TRAINING = { lr: 0.05, init: "kaiming_fan_in", weightDecay: 1e-4, clipNorm: 1 } as const;

/** The study note's, for images of 32×32: dropout 0.25, average over 7×7, softmax. */
class NoteNiN extends Module<Tensor> {
  override readonly spec: ModelSpec;
  readonly block1: Sequential;
  readonly block2: Sequential;
  readonly block3: Sequential;

  constructor({ numClasses = 10, inChannels = 3 }: ModelOptions) {
    super();
    this.spec = { inputSize: 32, inChannels, training: TRAINING };
    const [first, second, third] = NIN_CIFAR;
    this.block1 = new Sequential(...mlpConv(inChannels, first), new MaxPool2d(3, { stride: 2 }), new Dropout(0.25));
    this.block2 = new Sequential(...mlpConv(96, second), new MaxPool2d(3, { stride: 2 }), new Dropout(0.25));
    this.block3 = new Sequential(
      ...mlpConv(192, withClasses(third, numClasses)),
      new AvgPool2d(7, { stride: 1 }),
      new Softmax(1),
    );
  }

  override get type(): string {
    return "NiN";
  }

  /** x [N, C, 32, 32] → probabilities [N, numClasses, 1, 1] */
  forward(x: Tensor): Tensor {
    // two pools have to leave the 7×7 that the average is taken over
    checkImages("NiN", x, [31, 34], '; the variant "paper" takes other sizes');
    x = this.block1.call(x); //     [N, 96, 15, 15]
    x = this.block2.call(x); //     [N, 192, 7, 7]
    return this.block3.call(x); //  [N, numClasses, 1, 1]
  }
}

interface PaperOptions extends ModelOptions {
  numClasses: number;
  /** Index of the first block that dropout follows. */
  dropoutFrom: number;
  /** Smallest side of the images in pixels, for the last pool to have a pixel left. */
  smallest: number;
}

/**
 * As published: dropout 0.5 between blocks, an average over what is left of the image, and scores at the end. Pools round up, as
 * in the authors' Caffe.
 */
class PaperNiN extends Module<Tensor> {
  readonly features: Sequential;
  readonly classifier: Sequential;
  override readonly spec: ModelSpec;
  readonly #smallest: number;

  constructor(blocks: readonly MlpConv[], options: PaperOptions) {
    super();
    const { numClasses, inChannels = 3, inputSize = 32, dropoutFrom, smallest } = options;
    this.#smallest = smallest;
    this.spec = { inputSize, inChannels, training: TRAINING };
    let channels = inChannels;
    const features = blocks.slice(0, -1).flatMap((block, i) => {
      const layers = mlpConv(channels, block, true);
      channels = block.widths.at(-1)!;
      return [
        ...layers,
        new MaxPool2d(3, { stride: 2, ceilMode: true }),
        ...(i >= dropoutFrom ? [new Dropout(0.5)] : []),
      ];
    });
    this.features = new Sequential(...features);
    this.classifier = new Sequential(
      ...mlpConv(channels, withClasses(blocks.at(-1)!, numClasses), true),
      new AdaptiveAvgPool2d(1),
    );
  }

  override get type(): string {
    return "NiN";
  }

  /** x [N, C, H, W] → logits [N, numClasses] */
  forward(x: Tensor): Tensor {
    checkImages("NiN", x, [this.#smallest]);
    return this.classifier.call(this.features.call(x)).flatten(1);
  }
}

/**
 * Network in Network (Lin et al. 2014) for images of 32×32, as in CIFAR-10.
 *
 *     note:  x [N, C, 32, 32] → probabilities [N, numClasses, 1, 1]
 *     paper: x [N, C, H, W] → logits [N, numClasses]
 *
 * Throws for torchvision's variant, as torchvision has no such network, and for images that are too small.
 */
export function nin(options: ModelOptions = {}): Module<Tensor> {
  const { variant = "note", numClasses = 10 } = options;
  check(
    variant !== "torchvision",
    () => 'nin: torchvision has no Network in Network; the variants are "note" and "paper"',
  );
  return variant === "note"
    ? new NoteNiN(options)
    : new PaperNiN(NIN_CIFAR, { ...options, numClasses, dropoutFrom: 0, smallest: 4 });
}

/**
 * Network in Network for ImageNet, as published.
 *
 *     x [N, C, H, W] → logits [N, numClasses]
 *
 * Throws for variants other than `"paper"`, and for images smaller than 39×39 pixels.
 */
export function ninImageNet(options: ModelOptions = {}): Module<Tensor> {
  const { variant = "paper", numClasses = 1000 } = options;
  check(variant === "paper", () => 'nin_imagenet: the only variant is "paper"');
  return new PaperNiN(NIN_IMAGENET, { inputSize: 224, ...options, numClasses, dropoutFrom: 2, smallest: 39 });
}

const PAPER = {
  title: "Network In Network",
  cite: "Lin et al. 2014",
  year: 2013,
  url: "https://arxiv.org/abs/1312.4400",
} as const;

export const NIN = {
  nin: {
    build: nin,
    variants: ["note", "paper"],
    ...FOR_CIFAR,
    title: "Network in Network for CIFAR",
    paper: PAPER,
  },
  nin_imagenet: {
    build: ninImageNet,
    variants: ["paper"],
    ...FOR_IMAGENET,
    title: "Network in Network for ImageNet",
    paper: PAPER,
  },
} as const satisfies Record<string, ModelEntry>;

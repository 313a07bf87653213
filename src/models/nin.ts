import { check } from "../graph/index.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  Conv2d,
  Dropout,
  init,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
} from "../nn/index.ts";
import { checkImages, type ModelOptions } from "./options.ts";

/**
 * One block of Network in Network (Lin et al. 2014): a convolution, then 1×1 convolutions that work as a small perceptron at
 * every pixel; each is followed by ReLU.
 */
interface MlpConv {
  kernel: number;
  stride?: number;
  padding: number;
  widths: readonly number[];
}

const NIN_CIFAR = [
  { kernel: 5, padding: 2, widths: [192, 160, 96] },
  { kernel: 5, padding: 2, widths: [192, 192, 192] },
  { kernel: 3, padding: 1, widths: [192, 192] },
] as const satisfies readonly MlpConv[];

/** The authors' network for ImageNet, as in their published Caffe definition. */
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

/** The last block of a table with one more 1×1 convolution, which gives the classes. */
function withClasses(block: MlpConv, numClasses: number): MlpConv {
  return { ...block, widths: [...block.widths, numClasses] };
}

/** The note's NiN for 32×32 images: dropout 0.25, average over 7×7, softmax. */
class NoteNiN extends Module<Tensor> {
  readonly block1: Sequential;
  readonly block2: Sequential;
  readonly block3: Sequential;

  constructor({ numClasses = 10, inChannels = 3 }: ModelOptions) {
    super();
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
    const [H, W] = x.shape.slice(2);
    check(
      // what two pools turn into the 7×7 that the average is taken over
      [H, W].every((size) => Number(size) >= 31 && Number(size) <= 34),
      () => `NiN: takes images of 31 to 34 pixels a side, but got ${H}×${W}; the variant "paper" takes other sizes`,
    );
    return this.block3.call(this.block2.call(this.block1.call(x)));
  }
}

interface PaperOptions extends ModelOptions {
  numClasses: number;
  /** The first block that dropout follows. */
  dropoutFrom: number;
  /** Side in pixels of the smallest images of which the last pool finds something. */
  smallest: number;
}

/**
 * NiN as published: dropout 0.5 between blocks and an average over whatever is left of the image. Pools round up, as in the
 * authors' Caffe; logits, of which the loss takes the softmax.
 */
class PaperNiN extends Module<Tensor> {
  readonly features: Sequential;
  readonly classifier: Sequential;
  readonly #smallest: number;

  constructor(blocks: readonly MlpConv[], options: PaperOptions) {
    super();
    const { numClasses, inChannels = 3, dropoutFrom, smallest } = options;
    this.#smallest = smallest;
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
    checkImages("NiN", x, this.#smallest);
    return this.classifier.call(this.features.call(x)).flatten(1);
  }
}

/** Network in Network for 32×32 images (CIFAR). */
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

/** Network in Network for ImageNet, as published. */
export function ninImageNet(options: ModelOptions = {}): Module<Tensor> {
  const { variant = "paper", numClasses = 1000 } = options;
  check(variant === "paper", () => 'nin_imagenet: the only variant is "paper"');
  return new PaperNiN(NIN_IMAGENET, { ...options, numClasses, dropoutFrom: 2, smallest: 39 });
}

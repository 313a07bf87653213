import { check } from "../graph/index.ts";
import {
  AdaptiveAvgPool2d,
  Dropout,
  Linear,
  MaxPool2d,
  type ModelSpec,
  Module,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { FOR_CIFAR, type ModelEntry } from "./entry.ts";
import { GOING_DEEPER, inceptionChannels } from "./googlenet.ts";
import { BasicConv, Inception, type InceptionWidths } from "./inception.ts";
import { checkImages, type ModelOptions } from "./options.ts";

/** Output channels of each convolution; "M" halves height and width. */
// biome-ignore format: a table
const WIDTHS = [
  // 1×1 3×3r  3×3 5×5r  5×5 pool     out
  "M",
  [  32,  32,  64,  16,  32,  32], // 160
  "M",
  [  48,  48,  96,  16,  32,  48], // 224
  [  80,  80, 160,  24,  48,  48], // 336
] as const satisfies readonly (InceptionWidths | "M")[];

const STEM = 32;

/**
 * The study note's Inception blocks in a network for small images: in GoogLeNet, the first block would see only 4×4 pixels of an
 * image of 32×32. With 0.3 M parameters it learns CIFAR-10 in minutes on two cores.
 *
 *     x [N, C, H, W] → logits [N, numClasses]
 *
 * Throws if the images are smaller than 4×4 pixels.
 */
export class InceptionSmall extends Module<Tensor> {
  static readonly type: string = "InceptionSmall";
  readonly stem: BasicConv;
  readonly blocks: Sequential;
  readonly avgpool: AdaptiveAvgPool2d;
  readonly dropout: Dropout;
  readonly fc: Linear;
  override readonly spec: ModelSpec;

  constructor({ numClasses = 10, inChannels = 3 }: ModelOptions = {}) {
    super();
    this.spec = { inputSize: 32, inChannels, training: { lr: 0.05 } };
    let channels = STEM;
    const blocks = WIDTHS.map((widths) => {
      if (widths === "M") return new MaxPool2d(3, { stride: 2, ceilMode: true });
      const block = new Inception(channels, widths);
      channels = inceptionChannels(widths);
      return block;
    });
    this.stem = new BasicConv(inChannels, STEM, 3, { padding: 1 });
    this.blocks = new Sequential(...blocks);
    this.avgpool = new AdaptiveAvgPool2d(1);
    this.dropout = new Dropout(0.2);
    this.fc = new Linear(channels, numClasses);
  }

  forward(x: Tensor): Tensor {
    checkImages("InceptionSmall", x, [4]);
    x = this.stem.call(x); //                                      [N, 32, 32, 32]
    x = this.blocks.call(x); //                                    [N, 336, 8, 8]
    x = this.avgpool.call(x).flatten(1); //                        [N, 336]
    return this.fc.call(this.dropout.call(x)); //                  [N, numClasses]
  }
}

/** An {@link InceptionSmall}. Throws for a variant other than `"note"`. */
export function inceptionSmall(options: ModelOptions = {}): InceptionSmall {
  check((options.variant ?? "note") === "note", () => 'inception_small: the only variant is "note"');
  return new InceptionSmall(options);
}

export const INCEPTION_SMALL = {
  inception_small: {
    build: inceptionSmall,
    variants: ["note"],
    ...FOR_CIFAR,
    title: "Inception blocks for images of 32×32",
    paper: GOING_DEEPER,
  },
} as const satisfies Record<string, ModelEntry>;

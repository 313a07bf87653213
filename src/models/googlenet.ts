import { check } from "../graph/index.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
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
import { FOR_IMAGENET, type ModelEntry, type Publication } from "./entry.ts";
import { basicConv, basicConv2d, type ConvFactory, convReLU, Inception, type InceptionWidths } from "./inception.ts";
import { checkImages, fromImageNet, IMAGENET, type ModelOptions } from "./options.ts";

/** Output channels of each convolution of the nine Inception blocks (Szegedy et al. 2015, Table 1). */
// biome-ignore format: a table
export const INCEPTION_WIDTHS = {
  //     1×1 3×3r  3×3 5×5r  5×5 pool     out
  "3a": [ 64,  96, 128,  16,  32,  32], // 256
  "3b": [128, 128, 192,  32,  96,  64], // 480
  "4a": [192,  96, 208,  16,  48,  64], // 512
  "4b": [160, 112, 224,  24,  64,  64], // 512
  "4c": [128, 128, 256,  24,  64,  64], // 512
  "4d": [112, 144, 288,  32,  64,  64], // 528
  "4e": [256, 160, 320,  32, 128, 128], // 832
  "5a": [256, 160, 320,  32, 128, 128], // 832
  "5b": [384, 192, 384,  48, 128, 128], // 1024
} as const satisfies Record<string, InceptionWidths>;

type Block = keyof typeof INCEPTION_WIDTHS;

/** Channels of an Inception block's output: those of its four branches together. */
export function inceptionChannels([conv1x1, , conv3x3, , conv5x5, poolProj]: InceptionWidths): number {
  return conv1x1 + conv3x3 + conv5x5 + poolProj;
}

/** Options of `googlenet`. */
export interface GoogLeNetOptions extends ModelOptions {
  /**
   * Whether the network itself turns images normalized as for ImageNet into (pixel − 0.5) / 0.5, which torchvision's published
   * weights expect. For three channels and variant `"torchvision"` only. Default false.
   */
  transformInput?: boolean;
}

/** The scores, and in training those of the auxiliary classifiers `aux2` and `aux1`. */
export type GoogLeNetOutput = Readonly<Record<string, Tensor>> & { readonly logits: Tensor };

/** Side in pixels of block 4's maps: the layers before it halve the image four times. */
const mapSizeFor = (inputSize: number) => Math.floor((inputSize + 1) / 16);
/** Side in pixels of those maps after the auxiliary classifiers' pool, 5×5 with stride 3. */
const auxSizeFor = (mapSize: number) => Math.floor((mapSize - 2) / 3);

/**
 * An auxiliary classifier: it sits on a middle layer and feeds gradient into the lower layers during training (study note and
 * paper).
 *
 *     x [N, inChannels, mapSize, mapSize] → logits [N, numClasses]
 *
 * Throws if `mapSize` is below 5.
 */
export class AuxClf extends Module<Tensor> {
  static readonly type: string = "AuxClf";
  readonly feature_: Sequential;
  readonly clf_: Sequential;

  /** `mapSize` is the side of the incoming maps in pixels, 14 for images of 224×224. */
  constructor(
    inChannels: number,
    numClasses: number,
    { conv = basicConv, mapSize = 14 }: { conv?: ConvFactory; mapSize?: number } = {},
  ) {
    super();
    const side = auxSizeFor(mapSize);
    check(
      side >= 1,
      () =>
        `AuxClf: maps of ${mapSize}×${mapSize} are smaller than its 5×5 pool; use larger images, or auxLogits: false`,
    );
    this.feature_ = new Sequential(new AvgPool2d(5, { stride: 3 }), conv(inChannels, 128, 1));
    this.clf_ = new Sequential(
      new Linear(side * side * 128, 1024),
      new ReLU(),
      new Dropout(0.7),
      new Linear(1024, numClasses),
    );
  }

  forward(x: Tensor): Tensor {
    x = this.feature_.call(x); // [N, 128, 4, 4] of maps [N, inChannels, 14, 14]
    return this.clf_.call(x.flatten(1));
  }
}

/** Linear layers as torchvision initializes them. */
const truncated = { weight: init.truncatedNormal({ std: 0.01 }) };

/** Torchvision's auxiliary classifier: an adaptive pool, so that images may have any size, and other keys. */
class InceptionAux extends Module<Tensor> {
  static readonly type: string = "InceptionAux";
  readonly conv: Module<Tensor>;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly dropout = new Dropout(0.7);

  constructor(inChannels: number, numClasses: number) {
    super();
    this.conv = basicConv2d(inChannels, 128, 1);
    this.fc1 = new Linear(2048, 1024, truncated);
    this.fc2 = new Linear(1024, numClasses, truncated);
  }

  forward(x: Tensor): Tensor {
    x = new AdaptiveAvgPool2d(4).forward(x); // [N, inChannels, 4, 4]
    x = this.conv.call(x).flatten(1); // [N, 2048]
    x = this.fc1.call(x).relu(); // [N, 1024]
    return this.fc2.call(this.dropout.call(x)); // [N, numClasses]
  }
}

/** Where the variants differ, and why. */
const VARIANTS = {
  /** The study note puts batch normalization, which came later, after every convolution. */
  note: {
    conv: basicConv,
    lrn: false,
    widths: { ...INCEPTION_WIDTHS, "4e": [256, 150, 320, 32, 128, 128] }, // 150 as printed there, not 160
    wideKernel: 5,
    lastPool: 3,
    dropout: 0.4,
    fc: {},
    ported: false,
  },
  /** As published: local response normalization around the first convolutions, no batch normalization. */
  paper: {
    conv: convReLU,
    lrn: true,
    widths: INCEPTION_WIDTHS,
    wideKernel: 5,
    lastPool: 3,
    dropout: 0.4,
    fc: {},
    ported: false,
  },
  /** Torchvision ported TensorFlow's weights, with its 3×3 kernels in the branch named 5×5 and its 2×2 last pool. */
  torchvision: {
    conv: basicConv2d,
    lrn: false,
    widths: INCEPTION_WIDTHS,
    wideKernel: 3,
    lastPool: 2,
    dropout: 0.2,
    fc: truncated,
    // its auxiliary classifiers run in training only, adapt to any size, and come before `fc` in its state dict
    ported: true,
  },
} as const;

/**
 * GoogLeNet (Szegedy et al. 2015): nine Inception blocks in three groups, with two auxiliary classifiers for training.
 *
 *     x [N, C, 224, 224] → { logits, aux2, aux1 }, each [N, numClasses]
 *
 * Throws if the images are too small, or of another size than its auxiliary classifiers were built for.
 */
export class GoogLeNet extends Module<GoogLeNetOutput> {
  static readonly type: string = "GoogLeNet";
  readonly conv1: Module<Tensor>;
  readonly maxpool1: MaxPool2d;
  readonly lrn1?: LocalResponseNorm;
  readonly conv2: Module<Tensor>;
  readonly conv3: Module<Tensor>;
  readonly lrn2?: LocalResponseNorm;
  readonly maxpool2: MaxPool2d;
  readonly inception3a: Inception;
  readonly inception3b: Inception;
  readonly maxpool3: MaxPool2d;
  readonly inception4a: Inception;
  readonly inception4b: Inception;
  readonly inception4c: Inception;
  readonly inception4d: Inception;
  readonly inception4e: Inception;
  readonly maxpool4: MaxPool2d;
  readonly inception5a: Inception;
  readonly inception5b: Inception;
  // only declared: the order in which the constructor sets them is the order of the state dict
  declare readonly avgpool: AdaptiveAvgPool2d;
  declare readonly dropout: Dropout;
  declare readonly fc: Linear;
  declare readonly aux1?: Module<Tensor> | undefined;
  declare readonly aux2?: Module<Tensor> | undefined;
  override readonly spec: ModelSpec;
  /** Smallest and largest side of the images in pixels. */
  readonly #sizes: readonly [number, number?];
  readonly #auxInUse: boolean;
  readonly #transformInput: boolean;

  constructor(options: GoogLeNetOptions = {}) {
    super();
    const { variant = "note", numClasses = 1000, inChannels = 3, inputSize = 224 } = options;
    const { auxLogits = true, transformInput = false } = options;
    const { conv, lrn, widths, wideKernel, lastPool, dropout, fc, ported } = VARIANTS[variant];
    const mapSize = mapSizeFor(inputSize);
    const auxSize = auxSizeFor(mapSize);
    const fixedSize = auxLogits && !ported;
    check(
      !transformInput || (ported && inChannels === 3),
      () => "GoogLeNet: transformInput is for torchvision's weights and three channels",
    );
    check(
      !fixedSize || auxSize >= 1,
      () =>
        `GoogLeNet: its auxiliary classifiers need images of at least 79 pixels a side, but inputSize is ${inputSize}; enlarge the images, or leave them out (auxLogits: false; on the command line: --no-aux)`,
    );
    // the images whose maps an auxiliary classifier pools to the same side; without fixed sizes, the last pool needs a pixel
    this.#sizes = fixedSize ? [48 * auxSize + 31, 48 * auxSize + 78] : [16 * lastPool - 17];
    this.#auxInUse = !ported;
    this.#transformInput = transformInput;
    this.spec = {
      inputSize,
      minInputSize: 96,
      inChannels,
      ...(ported && { normalization: IMAGENET }),
      auxiliary: auxLogits ? { aux1: 0.3, aux2: 0.3 } : {}, // section 5
      training: { lr: 0.05, schedule: { name: "polynomial", power: 0.5 }, large: { lr: 0.02 } },
    };

    const pool = () => new MaxPool2d(3, { stride: 2, ceilMode: true });
    const inception = (from: number, block: Block) => new Inception(from, widths[block], { conv, wideKernel });
    const out = (block: Block) => inceptionChannels(widths[block]);
    const aux = (from: number) =>
      ported ? new InceptionAux(from, numClasses) : new AuxClf(from, numClasses, { conv, mapSize });
    const heads = auxLogits ? [aux(out("4a")), aux(out("4d"))] : [];

    this.conv1 = conv(inChannels, 64, 7, { stride: 2, padding: 3 });
    this.maxpool1 = pool();
    if (lrn) this.lrn1 = new LocalResponseNorm(5);
    this.conv2 = conv(64, 64, 1);
    this.conv3 = conv(64, 192, 3, { padding: 1 });
    if (lrn) this.lrn2 = new LocalResponseNorm(5);
    this.maxpool2 = pool();

    this.inception3a = inception(192, "3a");
    this.inception3b = inception(out("3a"), "3b");
    this.maxpool3 = pool();

    this.inception4a = inception(out("3b"), "4a");
    this.inception4b = inception(out("4a"), "4b");
    this.inception4c = inception(out("4b"), "4c");
    this.inception4d = inception(out("4c"), "4d");
    this.inception4e = inception(out("4d"), "4e");
    this.maxpool4 = new MaxPool2d(lastPool, { stride: 2, ceilMode: true });

    this.inception5a = inception(out("4e"), "5a");
    this.inception5b = inception(out("5a"), "5b");
    if (ported) [this.aux1, this.aux2] = heads;
    this.avgpool = new AdaptiveAvgPool2d(1);
    this.dropout = new Dropout(dropout);
    this.fc = new Linear(out("5b"), numClasses, fc);
    if (!ported) [this.aux1, this.aux2] = heads;
  }

  forward(x: Tensor): GoogLeNetOutput {
    checkImages(
      "GoogLeNet",
      x,
      this.#sizes,
      "; its auxiliary classifiers fix the size: set inputSize, or auxLogits: false",
    );
    const withAux = this.#auxInUse || x.tracer.training;
    if (this.#transformInput) x = fromImageNet(x); // [N, 3, 224, 224]

    x = this.conv1.call(x); //                     [N, 64, 112, 112]
    x = this.maxpool1.call(x); //                  [N, 64, 56, 56]
    x = this.lrn1?.call(x) ?? x;
    x = this.conv2.call(x); //                     [N, 64, 56, 56]
    x = this.conv3.call(x); //                     [N, 192, 56, 56]
    x = this.lrn2?.call(x) ?? x;
    x = this.maxpool2.call(x); //                  [N, 192, 28, 28]

    x = this.inception3a.call(x); //               [N, 256, 28, 28]
    x = this.inception3b.call(x); //               [N, 480, 28, 28]
    x = this.maxpool3.call(x); //                  [N, 480, 14, 14]

    x = this.inception4a.call(x); //               [N, 512, 14, 14]
    const aux1 = withAux && this.aux1?.call(x); // [N, numClasses]
    x = this.inception4b.call(x); //               [N, 512, 14, 14]
    x = this.inception4c.call(x); //               [N, 512, 14, 14]
    x = this.inception4d.call(x); //               [N, 528, 14, 14]
    const aux2 = withAux && this.aux2?.call(x); // [N, numClasses]
    x = this.inception4e.call(x); //               [N, 832, 14, 14]
    x = this.maxpool4.call(x); //                  [N, 832, 7, 7]

    x = this.inception5a.call(x); //               [N, 832, 7, 7]
    x = this.inception5b.call(x); //               [N, 1024, 7, 7]
    x = this.avgpool.call(x).flatten(1); //        [N, 1024]
    x = this.dropout.call(x);
    const logits = this.fc.call(x); //             [N, numClasses]
    return { logits, ...(aux2 && { aux2 }), ...(aux1 && { aux1 }) };
  }
}

/** A GoogLeNet; see {@link GoogLeNet}. */
export function googlenet(options: GoogLeNetOptions = {}): GoogLeNet {
  return new GoogLeNet(options);
}

/** The paper of Inception blocks. */
export const GOING_DEEPER = {
  title: "Going Deeper with Convolutions",
  cite: "Szegedy et al. 2015",
  year: 2014,
  url: "https://arxiv.org/abs/1409.4842",
} as const satisfies Publication;

export const GOOGLENET = {
  googlenet: {
    build: googlenet,
    variants: ["note", "paper", "torchvision"],
    ...FOR_IMAGENET,
    title: "GoogLeNet, with two auxiliary classifiers",
    paper: GOING_DEEPER,
  },
} as const satisfies Record<string, ModelEntry>;

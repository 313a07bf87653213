import { check } from "../graph/index.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  cat,
  Dropout,
  init,
  Linear,
  LocalResponseNorm,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  type Tensor,
} from "../nn/index.ts";
import { basicConv, basicConv2d, type ConvFactory, convReLU, Inception, type InceptionWidths } from "./inception.ts";
import { checkImages, type ModelOptions, type Variant } from "./options.ts";

/** Output channels of each convolution (Szegedy et al. 2015, Table 1). */
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

/** Channels of an Inception block's output. */
export function inceptionChannels([conv1x1, , conv3x3, , conv5x5, poolProj]: InceptionWidths): number {
  return conv1x1 + conv3x3 + conv5x5 + poolProj;
}

/** How the variants differ. */
const VARIANTS = {
  /** Batch normalization, which came later, throughout. The 4e block has 150 channels where the table has 160. */
  note: {
    conv: basicConv,
    wideKernel: 5,
    lastPool: 3,
    lrn: false,
    dropout: 0.4,
    widths: { "4e": [256, 150, 320, 32, 128, 128] },
  },
  /** As published: local response normalization, no batch normalization. */
  paper: { conv: convReLU, wideKernel: 5, lastPool: 3, lrn: true, dropout: 0.4, widths: {} },
  /** Torchvision's port: 3×3 in the branch named 5×5, a 2×2 last pool, other dropout. */
  torchvision: { conv: basicConv2d, wideKernel: 3, lastPool: 2, lrn: false, dropout: 0.2, widths: {} },
} as const satisfies Record<Variant, unknown>;

/** Scale and shift per channel that turn torchvision's normalisation into (x − 0.5) / 0.5. */
const TRANSFORM_INPUT = { std: [0.229, 0.224, 0.225], mean: [0.485, 0.456, 0.406] } as const;

export interface GoogLeNetOptions extends ModelOptions {
  /** Whether there are auxiliary classifiers. Default true. */
  auxLogits?: boolean;
  /** Torchvision's pretrained weights want the input scaled anew; only that variant. Default false. */
  transformInput?: boolean;
}

export type GoogLeNetOutput = Readonly<Record<string, Tensor>> & { readonly logits: Tensor };

/** Side of a square after a pool of 3×3 at stride 2 that rounds up. */
const halved = (size: number) => Math.ceil((size - 3) / 2) + 1;

/** Side of block 4's maps for images of this side: a 7×7 convolution at stride 2, then three pools. */
function block4Size(inputSize: number): number {
  return halved(halved(halved(Math.floor((inputSize - 1) / 2) + 1)));
}

/** Side of the smallest images whose maps in block 4 have this side. */
function imageSize(mapSize: number): number {
  let side = 1;
  while (block4Size(side) < mapSize) side++;
  return side;
}

/** Side to which an auxiliary classifier pools maps: windows of 5×5 at stride 3. */
const auxSize = (mapSize: number) => Math.floor((mapSize - 5) / 3) + 1;

/** Sides of the images whose block 4 an auxiliary classifier pools to this side. */
const auxImages = (pooled: number) => [imageSize(3 * pooled + 2), imageSize(3 * pooled + 5) - 1] as const;

/**
 * A classifier on a middle layer, which feeds gradient into the lower layers while training (the note's and the paper's).
 *
 *     x [N, inChannels, H, W] → logits [N, numClasses]
 */
export class AuxClf extends Module<Tensor> {
  static readonly type: string = "AuxClf";
  readonly feature_: Sequential;
  readonly clf_: Sequential;

  /** `mapSize` is the side of the maps that come in, 14 for 224×224 images. */
  constructor(
    inChannels: number,
    numClasses: number,
    { conv = basicConv, mapSize = 14 }: { conv?: ConvFactory; mapSize?: number } = {},
  ) {
    super();
    const pooled = auxSize(mapSize);
    check(
      pooled >= 1,
      () =>
        `AuxClf: maps of ${mapSize}×${mapSize} are smaller than its 5×5 pool; use larger images or no auxiliary classifiers`,
    );
    this.feature_ = new Sequential(new AvgPool2d(5, { stride: 3 }), conv(inChannels, 128, 1));
    this.clf_ = new Sequential(
      new Linear(pooled * pooled * 128, 1024),
      new ReLU(),
      new Dropout(0.7),
      new Linear(1024, numClasses),
    );
  }

  forward(x: Tensor): Tensor {
    return this.clf_.call(this.feature_.call(x).flatten(1));
  }
}

/** Torchvision's auxiliary classifier: the same with an adaptive pool and other keys. */
class InceptionAux extends Module<Tensor> {
  static readonly type: string = "InceptionAux";
  readonly conv: Module<Tensor>;
  readonly fc1: Linear;
  readonly fc2: Linear;
  readonly dropout = new Dropout(0.7);

  constructor(inChannels: number, numClasses: number) {
    super();
    this.conv = basicConv2d(inChannels, 128, 1);
    this.fc1 = new Linear(2048, 1024, { weight: init.truncatedNormal({ std: 0.01 }) });
    this.fc2 = new Linear(1024, numClasses, { weight: init.truncatedNormal({ std: 0.01 }) });
  }

  forward(x: Tensor): Tensor {
    const pooled = new AdaptiveAvgPool2d(4).forward(x);
    const hidden = this.fc1.call(this.conv.call(pooled).flatten(1)).relu();
    return this.fc2.call(this.dropout.call(hidden));
  }
}

/**
 * GoogLeNet: nine Inception blocks in three groups, two auxiliary classifiers.
 *
 *     x [N, C, 224, 224] → { logits, aux2, aux1 }, each [N, numClasses]
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
  // declared alone, these come in the order in which they are set: the variants differ in it, and so do their state dicts
  declare readonly avgpool: AdaptiveAvgPool2d;
  declare readonly dropout: Dropout;
  declare readonly fc: Linear;
  declare readonly aux1?: Module<Tensor>;
  declare readonly aux2?: Module<Tensor>;
  readonly #variant: Variant;
  readonly #transformInput: boolean;
  readonly #mapSize: number;

  constructor(options: GoogLeNetOptions = {}) {
    super();
    const {
      variant = "note",
      numClasses = 1000,
      inChannels = 3,
      inputSize = 224,
      auxLogits = true,
      transformInput = false,
    } = options;
    const { conv, wideKernel, lastPool, lrn, dropout, widths } = VARIANTS[variant];
    check(
      !transformInput || (variant === "torchvision" && inChannels === 3),
      () => "GoogLeNet: transformInput is for torchvision's weights and three channels",
    );
    this.#variant = variant;
    this.#transformInput = transformInput;
    this.#mapSize = block4Size(inputSize);
    check(
      !auxLogits || variant === "torchvision" || auxSize(this.#mapSize) >= 1,
      () =>
        `GoogLeNet: its auxiliary classifiers need images of at least ${auxImages(1)[0]} pixels a side, but inputSize is ${inputSize}; set auxLogits to false for smaller ones`,
    );

    const pool = () => new MaxPool2d(3, { stride: 2, ceilMode: true });
    const inception = (inChannels: number, block: Block) =>
      new Inception(inChannels, { ...INCEPTION_WIDTHS, ...widths }[block], { conv, wideKernel });
    const out = (block: Block) => inceptionChannels(INCEPTION_WIDTHS[block]);

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

    const head = (inChannels: number) =>
      variant === "torchvision"
        ? new InceptionAux(inChannels, numClasses)
        : new AuxClf(inChannels, numClasses, { conv, mapSize: this.#mapSize });
    const heads = () => auxLogits && { aux1: head(out("4a")), aux2: head(out("4d")) };
    const classifier = () => ({
      avgpool: new AdaptiveAvgPool2d(1),
      dropout: new Dropout(dropout),
      fc: new Linear(
        out("5b"),
        numClasses,
        variant === "torchvision" ? { weight: init.truncatedNormal({ std: 0.01 }) } : {},
      ),
    });
    if (variant === "torchvision") Object.assign(this, heads(), classifier());
    else Object.assign(this, classifier(), heads());
  }

  forward(input: Tensor): GoogLeNetOutput {
    this.#checkSize(input);
    let x = this.#transformInput ? transformed(input) : input;
    x = this.maxpool1.call(this.conv1.call(x));
    x = this.lrn1?.call(x) ?? x;
    x = this.conv3.call(this.conv2.call(x));
    x = this.lrn2?.call(x) ?? x;
    x = this.maxpool2.call(x);

    x = this.inception3b.call(this.inception3a.call(x));
    x = this.maxpool3.call(x);

    x = this.inception4a.call(x);
    const aux1 = this.#aux(this.aux1, x);
    x = this.inception4d.call(this.inception4c.call(this.inception4b.call(x)));
    const aux2 = this.#aux(this.aux2, x);
    x = this.maxpool4.call(this.inception4e.call(x));

    x = this.inception5b.call(this.inception5a.call(x));
    x = this.dropout.call(this.avgpool.call(x).flatten(1));
    const logits = this.fc.call(x);
    return { logits, ...(aux2 && { aux2 }), ...(aux1 && { aux1 }) };
  }

  /** The classifiers on the middle layers decide which sizes fit, where their pooling does not adapt; else the last pool does. */
  #checkSize(x: Tensor): void {
    const [H, W] = x.shape.slice(2);
    if (!this.aux1 || this.#variant === "torchvision") {
      checkImages("GoogLeNet", x, imageSize(VARIANTS[this.#variant].lastPool - 1));
      return;
    }
    const [low, high] = auxImages(auxSize(this.#mapSize));
    check(
      [H, W].every((size) => Number(size) >= low && Number(size) <= high),
      () =>
        `GoogLeNet: its auxiliary classifiers were built for ${low} to ${high} pixels a side, but the image has ${H}×${W}; set inputSize to build them for others, or auxLogits to false`,
    );
  }

  /** An auxiliary classifier's logits; torchvision's run in training only. */
  #aux(head: Module<Tensor> | undefined, x: Tensor): Tensor | undefined {
    return this.#variant === "torchvision" && !x.tracer.training ? undefined : head?.call(x);
  }
}

function transformed(x: Tensor): Tensor {
  const channels = TRANSFORM_INPUT.std.map((std, channel) =>
    x
      .narrow(1, channel, 1)
      .mul(std / 0.5)
      .add((TRANSFORM_INPUT.mean[channel]! - 0.5) / 0.5),
  );
  return cat(channels, 1);
}

export function googlenet(options: GoogLeNetOptions = {}): GoogLeNet {
  return new GoogLeNet(options);
}

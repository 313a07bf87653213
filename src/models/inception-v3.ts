import { check } from "../graph/index.ts";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  type Conv2dOptions,
  cat,
  Dropout,
  init,
  Linear,
  MaxPool2d,
  type ModelSpec,
  Module,
  type Size,
  type Tensor,
} from "../nn/index.ts";
import { FOR_IMAGENET, type ModelEntry } from "./entry.ts";
import { BasicConv2d } from "./inception.ts";
import { checkImages, fromImageNet, type ModelOptions, photographs } from "./options.ts";

/** Output channels of a convolution, and its kernel; where there are two kernels, both see the input and are concatenated. */
type Step = readonly [outChannels: number, kernel: Size, second?: Size];
/** The convolutions of each branch, one after the other; before those of `branch_pool`, 3×3 pixels are averaged. */
type Branches = Readonly<Record<string, readonly Step[]>>;

/**
 * The blocks, by torchvision's letters; kernels are height × width (Szegedy et al. 2016). B and D, without `branch_pool`, halve
 * height and width: the last convolution of each branch has stride 2, and a max pool is the last branch.
 */
// biome-ignore format: a table
const BLOCKS = {
  /** 5×5 as two 3×3 (Figure 5). */
  A: (pooled) => ({
    branch1x1:    [[64, 1]],
    branch5x5:    [[48, 1], [64, 5]],
    branch3x3dbl: [[64, 1], [96, 3], [96, 3]],
    branch_pool:  [[pooled, 1]],
  }),
  /** Halves (Figure 10). */
  B: () => ({
    branch3x3:    [[384, 3]],
    branch3x3dbl: [[64, 1], [96, 3], [96, 3]],
  }),
  /** 7×7 as 1×7 and 7×1 (Figure 6). */
  C: (inner) => ({
    branch1x1:    [[192, 1]],
    branch7x7:    [[inner, 1], [inner, [1, 7]], [192, [7, 1]]],
    branch7x7dbl: [[inner, 1], [inner, [7, 1]], [inner, [1, 7]], [inner, [7, 1]], [192, [1, 7]]],
    branch_pool:  [[192, 1]],
  }),
  /** Halves. */
  D: () => ({
    branch3x3:    [[192, 1], [320, 3]],
    branch7x7x3:  [[192, 1], [192, [1, 7]], [192, [7, 1]], [192, 3]],
  }),
  /** 3×3 as 1×3 beside 3×1 (Figure 7). */
  E: () => ({
    branch1x1:    [[320, 1]],
    branch3x3:    [[384, 1], [384, [1, 3], [3, 1]]],
    branch3x3dbl: [[448, 1], [384, 3], [384, [1, 3], [3, 1]]],
    branch_pool:  [[192, 1]],
  }),
} as const satisfies Record<string, (channels: number) => Branches>;

type Letter = keyof typeof BLOCKS;

/** Torchvision's unit with this network's initial weights. */
const conv = (from: number, to: number, kernel: Size, options: Conv2dOptions = {}) =>
  new BasicConv2d(from, to, kernel, { weight: init.truncatedNormal({ std: 0.1 }), ...options });

/** Padding that keeps the size. */
const around = (kernel: Size) => {
  const [kH, kW] = [kernel, kernel].flat() as [number, number];
  return [(kH - 1) / 2, (kW - 1) / 2] as const;
};

/**
 * Branches over one input, concatenated along channels.
 *
 *     x [N, inChannels, H, W] → y [N, outChannels, H, W]; B and D: [N, outChannels, ⌊(H − 1)/2⌋, ⌊(W − 1)/2⌋]
 */
class Mixed extends Module<Tensor> {
  readonly #letter: Letter;
  /** The units side by side in each step of each branch. */
  readonly #branches: BasicConv2d[][][];
  readonly #halves: boolean;
  readonly #outChannels: number;

  /** `width` is the number of channels that blocks A and C leave open. */
  constructor(letter: Letter, inChannels: number, width = 0) {
    super();
    const branches: Branches = BLOCKS[letter](width);
    const halves = !branches.branch_pool;
    let outChannels = halves ? inChannels : 0;
    this.#branches = Object.entries(branches).map(([name, steps]) => {
      let from = inChannels;
      const units = steps.map(([to, ...kernels], i) => {
        const last = i === steps.length - 1;
        const key = steps.length > 1 ? `${name}_${i + 1}` : name;
        const beside = kernels.map((kernel) =>
          conv(from, to, kernel!, halves && last ? { stride: 2 } : { padding: around(kernel!) }),
        );
        for (const [k, unit] of beside.entries()) Object.assign(this, { [beside[1] ? key + "ab"[k] : key]: unit });
        from = to * beside.length;
        return beside;
      });
      outChannels += from;
      return units;
    });
    this.#letter = letter;
    this.#halves = halves;
    this.#outChannels = outChannels;
  }

  override get type(): string {
    return `Inception${this.#letter}`;
  }

  get outChannels(): number {
    return this.#outChannels;
  }

  forward(x: Tensor): Tensor {
    const side = (units: BasicConv2d[], y: Tensor) => {
      const outputs = units.map((unit) => unit.call(y));
      return outputs[1] ? cat(outputs, 1) : outputs[0]!;
    };
    const outputs = this.#branches.map((steps, i) => {
      const pooled = !this.#halves && i === this.#branches.length - 1;
      const start = pooled ? new AvgPool2d(3, { stride: 1, padding: 1 }).forward(x) : x;
      return steps.reduce((y, units) => side(units, y), start);
    });
    if (this.#halves) outputs.push(new MaxPool2d(3, { stride: 2 }).forward(x));
    return cat(outputs, 1);
  }
}

/** The auxiliary classifier: x [N, inChannels, 17, 17] → logits [N, numClasses] */
export class InceptionAux extends Module<Tensor> {
  static readonly type: string = "InceptionAux";
  readonly conv0: BasicConv2d;
  readonly conv1: BasicConv2d;
  readonly fc: Linear;

  constructor(inChannels: number, numClasses: number) {
    super();
    this.conv0 = conv(inChannels, 128, 1);
    this.conv1 = conv(128, 768, 5);
    this.fc = new Linear(768, numClasses, { weight: init.truncatedNormal({ std: 0.001 }) });
  }

  forward(x: Tensor): Tensor {
    x = new AvgPool2d(5, { stride: 3 }).forward(x); //             [N, inChannels, 5, 5]
    x = this.conv0.call(x); //                                     [N, 128, 5, 5]
    x = this.conv1.call(x); //                                     [N, 768, 1, 1]
    x = new AdaptiveAvgPool2d(1).forward(x).flatten(1); //         [N, 768]
    return this.fc.call(x); //                                     [N, numClasses]
  }
}

/** Options of `Inception3`. */
export interface Inception3Options extends ModelOptions {
  /**
   * Whether the network itself turns images normalized as for ImageNet into (pixel − 0.5) / 0.5, which torchvision's published
   * weights expect. For three channels only. Default false.
   */
  transformInput?: boolean;
}

/** The scores, and in training those of the auxiliary classifier `aux`. */
export type Inception3Output = Readonly<Record<string, Tensor>> & { readonly logits: Tensor };

/** Smallest side in pixels of the images, and of those for which the auxiliary classifier's maps reach 17×17. */
const [SMALLEST, SMALLEST_AUX] = [75, 299];

/**
 * Inception V3 (Szegedy et al. 2016): Inception blocks whose large kernels are split into smaller and one-dimensional ones.
 *
 *     x [N, C, 299, 299] → { logits, aux }, each [N, numClasses]; aux in training only
 *
 * Throws if the images are smaller than 75×75 pixels, or in training than the 299×299 that its auxiliary classifier needs.
 */
export class Inception3 extends Module<Inception3Output> {
  static readonly type: string = "Inception3";
  readonly Conv2d_1a_3x3: BasicConv2d;
  readonly Conv2d_2a_3x3: BasicConv2d;
  readonly Conv2d_2b_3x3: BasicConv2d;
  readonly maxpool1: MaxPool2d;
  readonly Conv2d_3b_1x1: BasicConv2d;
  readonly Conv2d_4a_3x3: BasicConv2d;
  readonly maxpool2: MaxPool2d;
  readonly Mixed_5b: Mixed;
  readonly Mixed_5c: Mixed;
  readonly Mixed_5d: Mixed;
  readonly Mixed_6a: Mixed;
  readonly Mixed_6b: Mixed;
  readonly Mixed_6c: Mixed;
  readonly Mixed_6d: Mixed;
  readonly Mixed_6e: Mixed;
  readonly AuxLogits?: InceptionAux;
  readonly Mixed_7a: Mixed;
  readonly Mixed_7b: Mixed;
  readonly Mixed_7c: Mixed;
  readonly avgpool: AdaptiveAvgPool2d;
  readonly dropout: Dropout;
  readonly fc: Linear;
  override readonly spec: ModelSpec;
  readonly #transformInput: boolean;

  constructor(options: Inception3Options = {}) {
    super();
    const { numClasses = 1000, inChannels = 3, auxLogits = true, transformInput = false } = options;
    check(!transformInput || inChannels === 3, () => "Inception3: transformInput is for three channels");
    this.#transformInput = transformInput;
    this.spec = {
      ...photographs({ inputSize: 299, ...options }, { lr: 0.05, large: { lr: 0.02 } }),
      minInputSize: auxLogits ? SMALLEST_AUX : 128,
      auxiliary: auxLogits ? { aux: 0.4 } : {}, // torchvision's reference
    };
    let channels = 192;
    const mixed = (letter: Letter, width?: number) => {
      const block = new Mixed(letter, channels, width);
      channels = block.outChannels;
      return block;
    };

    this.Conv2d_1a_3x3 = conv(inChannels, 32, 3, { stride: 2 });
    this.Conv2d_2a_3x3 = conv(32, 32, 3);
    this.Conv2d_2b_3x3 = conv(32, 64, 3, { padding: 1 });
    this.maxpool1 = new MaxPool2d(3, { stride: 2 });
    this.Conv2d_3b_1x1 = conv(64, 80, 1);
    this.Conv2d_4a_3x3 = conv(80, channels, 3);
    this.maxpool2 = new MaxPool2d(3, { stride: 2 });

    this.Mixed_5b = mixed("A", 32);
    this.Mixed_5c = mixed("A", 64);
    this.Mixed_5d = mixed("A", 64);

    this.Mixed_6a = mixed("B");
    this.Mixed_6b = mixed("C", 128);
    this.Mixed_6c = mixed("C", 160);
    this.Mixed_6d = mixed("C", 160);
    this.Mixed_6e = mixed("C", 192);
    if (auxLogits) this.AuxLogits = new InceptionAux(channels, numClasses);

    this.Mixed_7a = mixed("D");
    this.Mixed_7b = mixed("E");
    this.Mixed_7c = mixed("E");
    this.avgpool = new AdaptiveAvgPool2d(1);
    this.dropout = new Dropout(0.5);
    this.fc = new Linear(channels, numClasses, { weight: init.truncatedNormal({ std: 0.1 }) });
  }

  forward(x: Tensor): Inception3Output {
    const withAux = this.AuxLogits && x.tracer.training;
    const [H, W] = x.shape.slice(2) as [number, number];
    check(
      !withAux || Math.min(H, W) >= SMALLEST_AUX,
      () =>
        `Inception3: its auxiliary classifier is trained on images of at least 299×299 pixels, but got ${H}×${W}; enlarge the images, or leave it out (auxLogits: false)`,
    );
    checkImages("Inception3", x, [SMALLEST]);
    if (this.#transformInput) x = fromImageNet(x); //    [N, 3, 299, 299]

    x = this.Conv2d_1a_3x3.call(x); //                   [N, 32, 149, 149]
    x = this.Conv2d_2a_3x3.call(x); //                   [N, 32, 147, 147]
    x = this.Conv2d_2b_3x3.call(x); //                   [N, 64, 147, 147]
    x = this.maxpool1.call(x); //                        [N, 64, 73, 73]
    x = this.Conv2d_3b_1x1.call(x); //                   [N, 80, 73, 73]
    x = this.Conv2d_4a_3x3.call(x); //                   [N, 192, 71, 71]
    x = this.maxpool2.call(x); //                        [N, 192, 35, 35]

    x = this.Mixed_5b.call(x); //                        [N, 256, 35, 35]
    x = this.Mixed_5c.call(x); //                        [N, 288, 35, 35]
    x = this.Mixed_5d.call(x); //                        [N, 288, 35, 35]

    x = this.Mixed_6a.call(x); //                        [N, 768, 17, 17]
    x = this.Mixed_6b.call(x); //                        [N, 768, 17, 17]
    x = this.Mixed_6c.call(x); //                        [N, 768, 17, 17]
    x = this.Mixed_6d.call(x); //                        [N, 768, 17, 17]
    x = this.Mixed_6e.call(x); //                        [N, 768, 17, 17]
    const aux = withAux && this.AuxLogits?.call(x); //   [N, numClasses]

    x = this.Mixed_7a.call(x); //                        [N, 1280, 8, 8]
    x = this.Mixed_7b.call(x); //                        [N, 2048, 8, 8]
    x = this.Mixed_7c.call(x); //                        [N, 2048, 8, 8]
    x = this.dropout.call(this.avgpool.call(x)); //      [N, 2048, 1, 1]
    const logits = this.fc.call(x.flatten(1)); //        [N, numClasses]
    return { logits, ...(aux && { aux }) };
  }
}

export const INCEPTION_V3 = {
  inception_v3: {
    build: (options) => new Inception3(options),
    variants: ["torchvision"],
    ...FOR_IMAGENET,
    inputSize: 299,
    title: "Inception V3, of split kernels, with an auxiliary classifier",
    paper: {
      title: "Rethinking the Inception Architecture for Computer Vision",
      cite: "Szegedy et al. 2016",
      year: 2015,
      url: "https://arxiv.org/abs/1512.00567",
    },
  },
} as const satisfies Record<string, ModelEntry>;

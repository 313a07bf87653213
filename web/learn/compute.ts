/** The experiments, computed by the library: no number of a page comes from elsewhere. */
import {
  Conv2d,
  cat,
  createModel,
  Linear,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  summarize,
  type Tensor,
} from "convnets";
import { Inception, type InceptionWidths, NaiveInception } from "convnets/models";
import type { Summary } from "convnets/summary";

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

/** Parameters, MACs and outputs in bytes of modules, of which `type` is one. */
function totalOf({ rows }: Summary, type: string, inside = "") {
  const found = rows.filter((row) => row.type === type && !row.recursive && row.path.startsWith(inside));
  return { params: sum(found.map(({ params }) => params)), macs: sum(found.map(({ macs }) => macs)) };
}

/** Side of the maps that the small filters slide over, as in the third block of VGG16. */
export const STACK_SIDE = 56;

/** `count` 3×3 convolutions one after the other, and the one convolution that sees as much, on `channels` channels. */
export function stacks(count: number, channels: number) {
  const input = [1, channels, STACK_SIDE, STACK_SIDE];
  const conv = (kernel: number) => new Conv2d(channels, channels, kernel, { padding: (kernel - 1) / 2, bias: false });
  const measure = (convs: readonly Module<Tensor>[]) => {
    const { params, macs, receptiveField, activationBytes } = summarize(new Sequential(...convs), { input }).totals;
    return { params, macs, field: receptiveField[0], bytes: activationBytes };
  };
  const layers = Array.from({ length: count }, () => conv(3));
  const small = measure(layers);
  /** What one pixel sees after each of them. */
  const fields = layers.map((_, i) => measure(layers.slice(0, i + 1)).field);
  return { count, channels, small, large: measure([conv(small.field)]), fields };
}

/** VGG16's convolutions, followed by linear layers of which the first is as wide as asked. */
class WideVgg extends Module<Tensor> {
  readonly features: Module<Tensor>;
  readonly classifier: Sequential;
  constructor(side: number, width: number) {
    super();
    const vgg = createModel("vgg16", { variant: "paper", inputSize: side }) as Module<Tensor> & {
      features: Module<Tensor>;
    };
    this.features = vgg.features;
    const [, maps, height, across] = summarize(this.features, { input: [1, 3, side, side] }).rows[0]!.outputSize!;
    const flat = Number(maps) * Number(height) * Number(across);
    this.classifier = new Sequential(
      new Linear(flat, width),
      new ReLU(),
      new Linear(width, 4096),
      new ReLU(),
      new Linear(4096, 1000),
    );
  }
  forward(x: Tensor): Tensor {
    return this.classifier.call(this.features.call(x).flatten(1));
  }
}

/** Where the parameters and the MACs of VGG16 are, for images of `side` pixels and a first linear layer of `width` units. */
export function vggCosts(side: number, width: number) {
  const summary = summarize(new WideVgg(side, width), { input: [1, 3, side, side] });
  const layers = summary.rows
    .filter(({ leaf, params }) => leaf && params > 0)
    .map(({ type, params, macs, inputSize, outputSize }) => ({
      kind: type === "Linear" ? ("linear" as const) : ("conv" as const),
      params,
      macs,
      inputs: Number(inputSize![1]),
      outputs: Number(outputSize![1]),
      maps: Number(outputSize![2] ?? 1),
    }));
  const { params, macs } = summary.totals;
  return {
    side,
    width,
    params,
    macs,
    layers,
    linear: totalOf(summary, "Linear"),
    conv: totalOf(summary, "Conv2d"),
  };
}

/** Input of GoogLeNet's first Inception block, 3a. */
export const INCEPTION_INPUT = [192, 28] as const;

const BRANCHES = ["branch1", "branch2", "branch3", "branch4"] as const;
export type InceptionCosts = ReturnType<typeof inceptionCosts>;

/** An Inception block on GoogLeNet's maps before 3a: all of it and each branch, whose convolutions are counted apart. */
export function inceptionCosts(widths: InceptionWidths, form: "naive" | "reduced") {
  const [channels, side] = INCEPTION_INPUT;
  const block = form === "naive" ? new NaiveInception(channels, widths) : new Inception(channels, widths);
  const summary = summarize(block, { input: [1, channels, side, side] });
  const branches = BRANCHES.map((name) => {
    const row = summary.rows.find(({ path }) => path === name)!;
    const steps = summary.rows
      .filter(({ type, path }) => /^(Conv2d|MaxPool2d)$/.test(type) && (path === name || path.startsWith(`${name}.`)))
      .map(({ kernelSize, type, inputSize, outputSize, params }) => ({
        kind: kindOf(type, kernelSize),
        kernel: Number([kernelSize].flat()[0]),
        from: Number(inputSize![1]),
        to: Number(outputSize![1]),
        params,
      }));
    return {
      name,
      steps,
      channels: Number(row.outputSize![1]),
      weights: sum(steps.map(({ params }) => params)),
      params: row.params,
      macs: row.macs,
      field: row.receptiveField![0],
    };
  });
  const { params, macs } = summary.totals;
  return {
    params,
    macs,
    branches,
    channels: Number(summary.rows[0]!.outputSize![1]),
    norms: totalOf(summary, "BatchNorm2d").params,
  };
}

function kindOf(type: string, kernel: unknown): "pool" | "pointwise" | "conv" {
  if (type === "MaxPool2d") return "pool";
  return [kernel].flat()[0] === 1 ? "pointwise" : "conv";
}

/** Scores for `classes` from maps: a 1×1 convolution whose maps are averaged, or one linear layer on all numbers. */
export function heads(channels: number, side: number, classes: number) {
  const conv = summarize(new Conv2d(channels, classes, 1), { input: [1, channels, side, side] }).totals;
  const flat = channels * side * side;
  const linear = summarize(new Linear(flat, classes), { input: [1, flat] }).totals;
  return { channels, side, classes, flat, conv, linear };
}

/** A window that slides over a line of pixels, as `MaxPool2d` or `Conv2d` have it. */
export interface Sliding {
  readonly size: number;
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  readonly ceil: boolean;
  readonly pool: boolean;
}

/** How many pixels come out, or why none do, in the library's words. */
export function slide({ size, kernel, stride, padding, ceil, pool }: Sliding): { out: number } | { error: string } {
  try {
    const layer = pool
      ? new MaxPool2d(kernel, { stride, padding, ceilMode: ceil })
      : new Conv2d(1, 1, kernel, { stride, padding });
    return { out: Number(summarize(layer, { input: [1, 1, size, size] }).rows[0]!.outputSize![2]) };
  } catch (error) {
    return { error: (error as Error).message };
  }
}

/** Some branches of an Inception block, concatenated. */
class Branches extends Module<Tensor> {
  readonly branches: readonly Module<Tensor>[];
  constructor(branches: readonly Module<Tensor>[]) {
    super();
    this.branches = branches;
    branches.forEach((branch, i) => {
      Object.assign(this, { [`branch${i + 1}`]: branch });
    });
  }
  forward(x: Tensor): Tensor {
    return cat(
      this.branches.map((branch) => branch.call(x)),
      1,
    );
  }
}

/** GoogLeNet's block 3a with some of its branches: all of them, and what those that are on give together. */
export function wideBlock(widths: InceptionWidths, on: readonly boolean[]) {
  const [channels, side] = INCEPTION_INPUT;
  const { branch1, branch2, branch3, branch4 } = new Inception(channels, widths);
  const chosen = [branch1, branch2, branch3, branch4].filter((_, i) => on[i]);
  const costs = inceptionCosts(widths, "reduced");
  if (chosen.length === 0) return { costs, on, channels: 0, params: 0, macs: 0 };
  const { rows, totals } = summarize(new Branches(chosen), { input: [1, channels, side, side] });
  return { costs, on, channels: Number(rows[0]!.outputSize![1]), params: totals.params, macs: totals.macs };
}

/** A 1×1 convolution from RGB to one map, without a bias. */
export function pointwise(side: number) {
  const { params, macs, receptiveField } = summarize(new Conv2d(3, 1, 1, { bias: false }), {
    input: [1, 3, side, side],
  }).totals;
  return { params, macs, field: receptiveField[0] };
}

/** Parameters and MACs of any network. */
export function costsOf(model: Module, input: readonly number[], training = false) {
  const { params, macs } = summarize(model, { input, training }).totals;
  return { params, macs };
}

/** Networks that a user might write: random ones, and small models of known families. */
import fc from "fast-check";
import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  cat,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  Module,
  ReLU,
  Sequential,
  Softmax,
  type Tensor,
} from "../../src/nn/index.ts";

const CHANNELS = 8;

/** A part of a random network; all parts keep the size and the number of channels, so that any of them fit together. */
export type Plan =
  | { readonly kind: "conv"; readonly kernel: 1 | 3 | 5; readonly folded: boolean }
  | { readonly kind: "pool" | "norm" | "relu" | "dropout" }
  | { readonly kind: "series"; readonly parts: readonly Plan[] }
  | {
      readonly kind: "parallel";
      readonly join: "cat" | "add";
      readonly around: boolean;
      readonly parts: readonly Plan[];
    };

const leaf: fc.Arbitrary<Plan> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("conv" as const),
      kernel: fc.constantFrom(1, 3, 5),
      folded: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom("pool", "norm", "relu", "dropout") }) },
);

/** Plans of series-parallel networks. */
export const plans: fc.Arbitrary<Plan> = fc.letrec<{ plan: Plan }>((tie) => ({
  plan: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    leaf,
    fc.record({
      kind: fc.constant("series" as const),
      parts: fc.array(tie("plan"), { minLength: 1, maxLength: 5 }),
    }),
    fc.record({
      kind: fc.constant("parallel" as const),
      join: fc.constantFrom("cat", "add"),
      around: fc.boolean(),
      parts: fc.array(tie("plan"), { minLength: 1, maxLength: 4 }),
    }),
  ),
})).plan;

/** Branches over one input; what is joined along channels is brought back to their number. */
class Parallel extends Module<Tensor> {
  readonly branches: readonly Module<Tensor>[];
  readonly squeeze?: Conv2d;
  readonly #around: boolean;

  constructor(join: "cat" | "add", around: boolean, branches: readonly Module<Tensor>[]) {
    super();
    this.branches = branches;
    this.#around = around;
    Object.assign(this, Object.fromEntries(branches.map((branch, i) => [`branch${i}`, branch])));
    if (join === "cat") this.squeeze = new Conv2d(CHANNELS * (branches.length + Number(around)), CHANNELS, 1);
  }

  forward(x: Tensor): Tensor {
    const ways = [...this.branches.map((branch) => branch.call(x)), ...(this.#around ? [x] : [])];
    if (this.squeeze) return this.squeeze.call(cat(ways, 1));
    return ways.reduce((sum, way) => sum.add(way));
  }
}

function build(plan: Plan): Module<Tensor> {
  switch (plan.kind) {
    case "conv": {
      const { kernel, folded } = plan;
      const conv = new Conv2d(CHANNELS, CHANNELS, kernel, { padding: (kernel - 1) / 2 });
      return folded ? new Sequential(conv, new BatchNorm2d(CHANNELS), new ReLU()) : conv;
    }
    case "pool":
      return new MaxPool2d(3, { stride: 1, padding: 1 });
    case "norm":
      return new BatchNorm2d(CHANNELS);
    case "relu":
      return new ReLU();
    case "dropout":
      return new Dropout(0.5);
    case "series":
      return new Sequential(...plan.parts.map(build));
    case "parallel":
      return new Parallel(plan.join, plan.around, plan.parts.map(build));
    default:
      return plan satisfies never;
  }
}

/** A network of a random body between a first convolution and a classifier, with classifiers that branch off on the way. */
class RandomNet extends Module {
  readonly stem = new Conv2d(3, CHANNELS, 3, { padding: 1 });
  readonly head: Sequential;
  readonly #bodies: readonly Module<Tensor>[];
  readonly #side: readonly Sequential[];

  constructor(parts: readonly Plan[], side: boolean) {
    super();
    this.#bodies = parts.map(build);
    this.head = classifier();
    this.#side = side ? this.#bodies.slice(0, -1).map(classifier) : [];
    Object.assign(this, Object.fromEntries(this.#bodies.map((body, i) => [`body${i}`, body])));
    Object.assign(this, Object.fromEntries(this.#side.map((aux, i) => [`aux${i}`, aux])));
  }

  forward(image: Tensor): Record<string, Tensor> {
    const outputs: Record<string, Tensor> = {};
    let x = this.stem.call(image);
    this.#bodies.forEach((body, i) => {
      x = body.call(x);
      const aux = this.#side[i]?.call(x);
      if (aux) outputs[`aux${i}`] = aux;
    });
    return { logits: this.head.call(x), ...outputs };
  }
}

function classifier(): Sequential {
  return new Sequential(new AdaptiveAvgPool2d(1), new Flatten(), new Linear(CHANNELS, 10), new Softmax(1));
}

/** Random networks with up to six parts in series, some with auxiliary classifiers; counterexamples show the plan. */
export const networks = fc.record({ parts: fc.array(plans, { minLength: 1, maxLength: 6 }), side: fc.boolean() });

export const networkOfPlan = ({ parts, side }: { parts: readonly Plan[]; side: boolean }): Module =>
  new RandomNet(parts, side);

/** Random networks that are not series-parallel: every layer reads some of the layers before it. */
class Tangle extends Module<Tensor> {
  readonly #reads: readonly (readonly number[])[];
  readonly #convs: readonly Conv2d[];

  constructor(reads: readonly (readonly number[])[]) {
    super();
    this.#reads = reads;
    this.#convs = reads.map((from, i) => new Conv2d(i === 0 ? 3 : CHANNELS * from.length, CHANNELS, 3, { padding: 1 }));
    Object.assign(this, Object.fromEntries(this.#convs.map((conv, i) => [`conv${i}`, conv])));
  }

  forward(image: Tensor): Tensor {
    const made: Tensor[] = [];
    this.#convs.forEach((conv, i) => {
      const from = this.#reads[i]!.map((j) => made[j]!);
      made.push(conv.call(i === 0 ? image : from.length === 1 ? from[0]! : cat(from, 1)));
    });
    return made.reduce((sum, x) => sum.add(x));
  }
}

/** For each layer the earlier ones that it reads. */
export const tangles = fc
  .array(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), { minLength: 2, maxLength: 8 })
  .map((wishes) => wishes.map((wish, i) => [...new Set(wish.map((n) => (i === 0 ? 0 : n % i)))]));

export const tangleOf = (reads: readonly (readonly number[])[]): Module => new Tangle(reads);

/** He et al. 2016, Figure 2: two convolutions and a way around them. */
class Residual extends Module<Tensor> {
  readonly conv1: Conv2d;
  readonly bn1: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly bn2: BatchNorm2d;
  readonly shortcut?: Sequential;

  constructor(inChannels: number, channels: number, stride: number) {
    super();
    this.conv1 = new Conv2d(inChannels, channels, 3, { stride, padding: 1, bias: false });
    this.bn1 = new BatchNorm2d(channels);
    this.conv2 = new Conv2d(channels, channels, 3, { padding: 1, bias: false });
    this.bn2 = new BatchNorm2d(channels);
    if (stride === 1 && inChannels === channels) return;
    const project = new Conv2d(inChannels, channels, 1, { stride, bias: false });
    this.shortcut = new Sequential(project, new BatchNorm2d(channels));
  }

  forward(x: Tensor): Tensor {
    const y = this.bn2.call(this.conv2.call(this.bn1.call(this.conv1.call(x)).relu()));
    return y.add(this.shortcut?.call(x) ?? x).relu();
  }
}

/** A small residual network. */
export class ResNet extends Module<Tensor> {
  readonly conv = new Conv2d(3, 16, 3, { padding: 1, bias: false });
  readonly bn = new BatchNorm2d(16);
  readonly layer1 = new Sequential(new Residual(16, 16, 1), new Residual(16, 16, 1));
  readonly layer2 = new Sequential(new Residual(16, 32, 2), new Residual(32, 32, 1));
  readonly layer3 = new Sequential(new Residual(32, 64, 2), new Residual(64, 64, 1));
  readonly pool = new AdaptiveAvgPool2d(1);
  readonly fc = new Linear(64, 10);

  forward(x: Tensor): Tensor {
    const stem = this.bn.call(this.conv.call(x)).relu();
    const y = this.layer3.call(this.layer2.call(this.layer1.call(stem)));
    return this.fc.call(this.pool.call(y).flatten(1));
  }
}

/** Two images that are seen apart and together, with an output for each way. */
export class TwoInputs extends Module {
  readonly colour = new Sequential(
    new Conv2d(3, 8, 3, { padding: 1 }),
    new ReLU(),
    new Conv2d(8, 8, 1),
    new MaxPool2d(2),
  );
  readonly depth = new Conv2d(1, 8, 5, { padding: 2, stride: 2 });
  readonly head = new Conv2d(16, 21, 1);

  forward(image: Tensor, depth: Tensor): Record<string, Tensor> {
    const [x, y] = [this.colour.call(image), this.depth.call(depth)];
    return { segmentation: this.head.call(cat([x, y], 1)), features: x.add(y).relu() };
  }
}

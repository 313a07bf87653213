/** Random networks, described so that PyTorch can build the same (networks.py). */
import fc from "fast-check";
import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  cat,
  Dropout,
  Flatten,
  Identity,
  init,
  Linear,
  MaxPool2d,
  Module,
  Parameter,
  ReLU,
  Sequential,
  type Tensor,
} from "../../src/nn/index.ts";

export type Part =
  | { kind: "conv"; out: number; kernel: number; stride: number; bias: boolean; frozen: boolean }
  | { kind: "maxpool" | "avgpool"; kernel: number; stride: number }
  | { kind: "norm" | "relu" | "dropout" | "identity" | "scale" }
  | { kind: "sequential" | "branches" | "loose"; parts: readonly Part[] }
  | { kind: "twice"; part: Part }
  | { kind: "spare"; part: Part; spare: Part };

export interface Network {
  readonly parts: readonly Part[];
  /** Whether a classifier with so many classes follows. */
  readonly classes: number | null;
  readonly input: readonly [number, number, number, number];
}

/** A parameter under a name that torchinfo's rules do not count. */
class Scale extends Module<Tensor> {
  readonly factor = new Parameter([1], init.ones);
  forward(x: Tensor) {
    return x.mul(x.tracer.weight(this.factor));
  }
}

/** Joins what its parts give along the channels, and scales it by a parameter of its own. */
class Branches extends Module<Tensor> {
  readonly weight = new Parameter([1], init.ones);
  constructor(parts: readonly Module<Tensor>[]) {
    super();
    Object.assign(this, Object.fromEntries(parts.map((part, i) => [`branch${i}`, part])));
  }
  forward(x: Tensor) {
    const outputs = [...this.children()].map(([, part]) => (part as Module<Tensor>).call(x));
    return cat(outputs, 1).mul(x.tracer.weight(this.weight));
  }
}

/** Calls its part twice. */
class Twice extends Module<Tensor> {
  readonly part: Module<Tensor>;
  constructor(part: Module<Tensor>) {
    super();
    this.part = part;
  }
  forward(x: Tensor) {
    return this.part.call(this.part.call(x));
  }
}

/** Calls what its Sequential holds, but not the Sequential. */
class Loose extends Module<Tensor> {
  readonly layers: Sequential;
  constructor(parts: readonly Module<Tensor>[]) {
    super();
    this.layers = new Sequential(...parts);
  }
  forward(x: Tensor) {
    return [...this.layers.children()].reduce((y, [, part]) => (part as Module<Tensor>).call(y), x);
  }
}

/** Has a part that it never calls. */
class Spare extends Module<Tensor> {
  readonly part: Module<Tensor>;
  readonly spare: Module<Tensor>;
  constructor(part: Module<Tensor>, spare: Module<Tensor>) {
    super();
    this.part = part;
    this.spare = spare;
  }
  forward(x: Tensor) {
    return this.part.call(x);
  }
}

/** The module, and how many channels come out where so many come in. */
function build(part: Part, channels: number): [module: Module<Tensor>, channels: number] {
  const chain = (parts: readonly Part[]): [Module<Tensor>[], number] => {
    let width = channels;
    const modules = parts.map((each) => {
      const [module, out] = build(each, width);
      width = out;
      return module;
    });
    return [modules, width];
  };
  switch (part.kind) {
    case "conv": {
      const { out, kernel, stride, bias, frozen } = part;
      const conv = new Conv2d(channels, out, kernel, { stride, padding: Math.floor(kernel / 2), bias });
      return [conv.requiresGrad(!frozen), out];
    }
    case "maxpool":
      return [new MaxPool2d(part.kernel, { stride: part.stride, padding: Math.floor(part.kernel / 2) }), channels];
    case "avgpool":
      return [new AvgPool2d(part.kernel, { stride: part.stride, padding: Math.floor(part.kernel / 2) }), channels];
    case "norm":
      return [new BatchNorm2d(channels), channels];
    case "relu":
      return [new ReLU(), channels];
    case "dropout":
      return [new Dropout(0.5), channels];
    case "identity":
      return [new Identity(), channels];
    case "scale":
      return [new Scale(), channels];
    case "sequential": {
      const [modules, width] = chain(part.parts);
      return [new Sequential(...modules), width];
    }
    case "loose": {
      const [modules, width] = chain(part.parts);
      return [new Loose(modules), width];
    }
    case "branches": {
      const built = part.parts.map((each) => build(each, channels));
      return [new Branches(built.map(([module]) => module)), built.reduce((sum, [, width]) => sum + width, 0)];
    }
    case "twice":
      return [new Twice(build(part.part, channels)[0]), channels];
    case "spare": {
      const [module, width] = build(part.part, channels);
      return [new Spare(module, build(part.spare, channels)[0]), width];
    }
    default:
      return part satisfies never;
  }
}

export function network({ parts, classes, input }: Network): Module {
  const [features, width] = build({ kind: "sequential", parts }, input[1]);
  if (classes === null) return features;
  return new Sequential(features, new AdaptiveAvgPool2d(1), new Flatten(), new Linear(width, classes));
}

export function has(kind: Part["kind"], parts: readonly Part[]): boolean {
  return parts.some(
    (part) =>
      part.kind === kind ||
      ("parts" in part && has(kind, part.parts)) ||
      ("part" in part && has(kind, [part.part])) ||
      ("spare" in part && has(kind, [part.spare])),
  );
}

const record = <T>(shape: { [K in keyof T]: fc.Arbitrary<T[K]> }) => fc.record(shape) as fc.Arbitrary<T>;
type Of<K extends Part["kind"], P = Part> = P extends { kind: infer T } ? (K extends T ? P : never) : never;

const odd = fc.constantFrom(1, 3, 5);
const conv = (stride: fc.Arbitrary<number>) =>
  record<Of<"conv">>({
    kind: fc.constant("conv"),
    out: fc.integer({ min: 1, max: 12 }),
    kernel: odd,
    stride,
    bias: fc.boolean(),
    frozen: fc.boolean(),
  });
const pool = record<Of<"maxpool">>({
  kind: fc.constantFrom("maxpool", "avgpool"),
  kernel: fc.constantFrom(2, 3),
  stride: fc.constantFrom(1, 2),
});
/** Keeps size and channels. */
const plain = fc.record({
  kind: fc.constantFrom("norm", "relu", "dropout", "identity", "scale"),
}) as fc.Arbitrary<Part>;
/** Keeps the size. */
const steady = fc.oneof(plain, conv(fc.constant(1)));

const { part } = fc.letrec<{ part: Part; same: Part; any: Part }>((tie) => ({
  same: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    steady,
    record<Of<"sequential">>({ kind: fc.constantFrom("sequential", "loose"), parts: some(tie("same")) }),
    record<Of<"branches">>({ kind: fc.constant("branches"), parts: some(tie("same")) }),
    record<Of<"twice">>({ kind: fc.constant("twice"), part: fc.oneof(plain, chain(plain)) }),
  ),
  any: fc.oneof(steady, pool, conv(fc.constantFrom(1, 2))),
  part: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    tie("any"),
    tie("same"),
    record<Of<"sequential">>({ kind: fc.constantFrom("sequential", "loose"), parts: some(tie("part")) }),
    record<Of<"spare">>({ kind: fc.constant("spare"), part: tie("part"), spare: tie("part") }),
  ),
}));

function some(parts: fc.Arbitrary<Part>): fc.Arbitrary<Part[]> {
  return fc.array(parts, { minLength: 1, maxLength: 3 });
}

function chain(parts: fc.Arbitrary<Part>): fc.Arbitrary<Part> {
  return record<Of<"sequential">>({ kind: fc.constant("sequential"), parts: some(parts) });
}

export const networks: fc.Arbitrary<Network> = record<Network>({
  parts: fc.array(part, { minLength: 1, maxLength: 4 }),
  classes: fc.option(fc.integer({ min: 1, max: 9 })),
  input: fc.tuple(
    fc.integer({ min: 1, max: 3 }),
    fc.constantFrom(1, 3),
    fc.integer({ min: 8, max: 33 }),
    fc.integer({ min: 8, max: 33 }),
  ),
});

import { check, type Dim, Graph, numel, type TensorData, type Value } from "../graph/index.ts";
import { type Mask, type Module, mainOutput, type Tensor, trace } from "../nn/index.ts";
import { Ops, type Target } from "../operators/index.ts";
import type { Optimizer } from "../optim/index.ts";
import {
  differentiate,
  foldConstants,
  logSoftmax,
  normalizesBatches,
  poolFirst,
  synchronize,
} from "../passes/index.ts";
import { FixedNetworks } from "./fixed-networks.ts";
import { scalar, targetOf, totalLoss } from "./loss.ts";
import { crossEntropyLoss, type Loss } from "./losses.ts";
import { defaultMetrics, type Metrics, totalsMetric } from "./metrics.ts";
import type { TrainingStepOptions } from "./options.ts";

/** As for `TrainingStep`; of the engine, only what it is fast at matters. */
export interface TrainingGraphOptions extends Omit<TrainingStepOptions, "engine"> {
  /** Default: an engine on the processor. */
  readonly engine?: { readonly target: Target };
}

/** Where the initial numbers of a state tensor come from. */
export type StateStart = "weight" | "zeros";

/** What is computed from a batch. The next value of the state tensor `x` is the output `next(x)`. */
export interface BatchGraphs {
  /** (state, batch, masks, scalars) → (next state, loss, metrics), all at once. */
  readonly step: Graph;
  /** The first half, for several batches to one update: (state, batch, masks, sums) → (next sums, loss, metrics). */
  readonly accumulate: Graph;
  /**
   * For a shard of a batch: (state, shard, masks, share) → (share × gradients as next sums, running statistics, loss, metrics). With
   * `syncBatchNorm`, both of these exchange vectors with the other shards; see `synchronize`.
   */
  readonly gradients: Graph;
}

/** Graphs of one training step: those of batches in the size that it was traced with, which may be open ("N"), and the update. */
export interface TrainingGraphs extends BatchGraphs {
  /** The same for batches of a size: engines are faster where they know it. */
  readonly forBatch: (size: number) => BatchGraphs;
  /** The second half: (state, sums, scalars) → next state. */
  readonly update: Graph;
  /** The tensors that a step replaces, with their shapes and where they start from. */
  readonly state: ReadonlyMap<
    string,
    { readonly shape: readonly number[]; readonly start: StateStart; readonly key: string }
  >;
  /** Names of the sums of gradients, with their shapes. */
  readonly sums: ReadonlyMap<string, readonly number[]>;
  readonly masks: readonly Mask[];
  /** Buffers that count batches, once for each time that a batch passes them. */
  readonly counters: readonly string[];
  /** Factors on the learning rate. Each has scalar inputs of its own, named `scalarName(name, factor)`. */
  readonly lrScales: readonly number[];
  /** Weights of other networks in the graph, which no step changes. */
  readonly fixed: ReadonlyMap<string, TensorData>;
  readonly loss: Loss;
  readonly metrics: Metrics;
  /** Sizes of a target, without the batch. */
  readonly targetSize: readonly number[];
}

/** Output that holds the next value of a state tensor. */
export const next = (name: string): string => `next:${name}`;

/** Output that holds the totals of a metric. */
export const metricOutput = (name: string): string => `metric:${name}`;

/** Input of an optimizer's scalar for parameters with this factor on the learning rate. */
export const scalarName = (name: string, lrScale: number): string => (lrScale === 1 ? name : `${name}*${lrScale}`);

interface Trained {
  readonly key: string;
  readonly shape: readonly number[];
  readonly value: Value;
  /** Factor on the learning rate. */
  readonly lrScale: number;
}

/**
 * Traces a network in training form and adds loss, gradients and the optimizer's update. Throws if the loss does not fit the
 * network's outputs, and if nothing is left to train.
 */
export function trainingGraphs(model: Module, options: TrainingGraphOptions): TrainingGraphs {
  const { input, optimizer, dropout = true, lossWeights, ema, loss = crossEntropyLoss() } = options;
  const { metrics = defaultMetrics(loss), lrScale = () => 1 } = options;
  const engine = options.engine?.target ?? "cpu";
  checkMode(model);
  const traced = trace(model, input, { training: true, dropout, target: engine });
  const { tracer, outputs } = traced;
  const [images] = traced.inputs as [(typeof traced.inputs)[0]];
  const [, ...targetSize] = targetOf(outputs, loss, options.target);
  const target = tracer.input("target", [input[0]!, ...targetSize]);
  const fixed = new FixedNetworks();
  const context = { outputs, input: images, fixed: (network: Module) => fixed.outputs(network, images) };
  const total = totalLoss(outputs, target, loss, { ...(lossWeights && { lossWeights }), context, spec: model.spec });
  tracer.graph.outputs.clear();
  tracer.graph.output("loss", total.value);
  const main = mainOutput(outputs);
  for (const [name, metric] of Object.entries(metrics)) {
    const checked =
      typeof metric === "function" ? (y: Tensor, t: Tensor) => scalar(`metrics: ${name}`, metric(y, t)) : metric;
    tracer.graph.output(metricOutput(name), totalsMetric(checked).totals(main, target).value);
  }
  for (const [key, { value }] of tracer.updates) tracer.graph.output(next(key), value);

  const stable = poolFirst(logSoftmax(tracer.graph));
  check(
    !options.syncBatchNorm || normalizesBatches(stable),
    () => "syncBatchNorm has no effect: the network has no batch normalization in training form; leave it out",
  );
  const values = new Map(stable.parameters.map((value) => [value.name, value]));
  const trained = [...model.parameters()].flatMap(([key, { requiresGrad, shape }]): Trained[] => {
    const value = values.get(key);
    return requiresGrad && value ? [{ key, shape, value, lrScale: lrScale(key) }] : [];
  });
  for (const { key, lrScale } of trained)
    check(lrScale >= 0, () => `lrScale has to give numbers ≥ 0, but gives ${lrScale} for "${key}"`);
  check(trained.length > 0, () => "there is nothing to train: every parameter is frozen or unused");

  const graphs = batchGraphs(stable, trained, options);

  const keys = trained.map(({ key, shape }) => [key, { shape, start: "weight", key }] as const);
  const buffers = new Map(model.buffers());
  const statistics = [...tracer.updates.keys()].map(
    (key) => [key, { shape: buffers.get(key)!.shape, start: "weight", key }] as const,
  );
  const kept = (name: string, start: StateStart) =>
    trained.map(({ key, shape }) => [`${name}:${key}`, { shape, start, key }] as const);
  return {
    get step() {
      return graphs.step;
    },
    get accumulate() {
      return graphs.accumulate;
    },
    get gradients() {
      return graphs.gradients;
    },
    forBatch: (size) => batchGraphs(withBatch(stable, input[0]!, size), trained, options),
    update: updateOf(trained, options),
    state: new Map([
      ...keys,
      ...statistics,
      ...optimizer.state.flatMap((name) => kept(name, "zeros")),
      ...(ema === undefined ? [] : kept("ema", "weight")),
    ]),
    sums: new Map(trained.map(({ key, shape }) => [`sum:${key}`, shape])),
    masks: tracer.masks,
    counters: tracer.counters,
    lrScales: [...new Set(trained.map(({ lrScale }) => lrScale))],
    fixed: fixed.weights,
    loss,
    metrics,
    targetSize: targetSize.map((dim) => {
      check(typeof dim === "number", () => `the size of the targets, [N, ${targetSize.join(", ")}], has to be known`);
      return dim;
    }),
  };
}

const shardsOf = ({ shards, collective }: TrainingGraphOptions): number => shards ?? collective?.size ?? 1;

/** A graph whose batches had the size `open`, with one that is known. */
function withBatch(graph: Graph, open: Dim, size: number): Graph {
  if (open === size) return graph;
  const known = ({ name, shape }: Value) => [name, shape.map((dim) => (dim === open ? size : dim))] as const;
  return foldConstants(graph, { inputs: Object.fromEntries(graph.inputs.map(known)) });
}

/** Gradients of a graph's loss and what becomes of them. */
function batchGraphs(forward: Graph, trained: readonly Trained[], options: TrainingGraphOptions): BatchGraphs {
  const target = options.engine?.target ?? "cpu";
  const parameters = trained.map(({ value }) => value);
  const shards = shardsOf(options);
  const lossOf = (graph: Graph) => graph.outputs.get("loss")!;
  /** The gradients of the loss times the share of a batch, with outputs for the sums that they are added to. */
  const withSums = (added: (g: Ops, one: Trained, gradient: Value) => Value) => {
    const synchronized = options.syncBatchNorm && shards > 1 ? synchronize(forward, { shards, target }) : undefined;
    const shared = (synchronized?.graph ?? forward).copy();
    const loss = new Ops(shared, { target }).mul(lossOf(shared), shared.input("share", "float32", []));
    const { graph, gradients } = differentiate(shared, loss, parameters, { target, ...synchronized?.differentiation });
    const g = new Ops(graph, { target });
    for (const one of trained) graph.output(next(`sum:${one.key}`), added(g, one, gradients.get(one.value)!));
    return graph;
  };
  return {
    get step() {
      const { graph, gradients } = differentiate(forward, lossOf(forward), parameters, { target });
      addUpdate(graph, trained, gradients, options);
      return graph;
    },
    get accumulate() {
      return withSums((g, { key, shape }, gradient) => g.add(g.graph.input(`sum:${key}`, "float32", shape), gradient));
    },
    get gradients() {
      return withSums((_g, _one, gradient) => gradient);
    },
  };
}

/** The update by itself, from sums of gradients. */
function updateOf(trained: readonly Trained[], options: TrainingGraphOptions): Graph {
  const update = new Graph("update");
  const parameters = trained.map((one) => ({ ...one, value: update.parameter(one.key, "float32", one.shape) }));
  const given = new Map(
    parameters.map(({ key, shape, value }) => [value, update.input(`sum:${key}`, "float32", shape)]),
  );
  addUpdate(update, parameters, given, options);
  return update;
}

/** A network that is in evaluation form as a whole was put there for something else than training. */
function checkMode(model: Module): void {
  const modules = [...model.modules()].map(([, module]) => module);
  check(
    modules.some(({ training }) => training),
    () =>
      "the network is in evaluation form, after model.eval(): it would be trained without dropout and without batch statistics; call model.train() first",
  );
}

/** Adds the update of every parameter from its gradient, and the outputs that hold the next state. */
function addUpdate(
  graph: Graph,
  trained: readonly Trained[],
  gradients: ReadonlyMap<Value, Value>,
  { optimizer, decays = () => true, clipNorm, gradientNorms = false, ema, engine }: TrainingGraphOptions,
): void {
  const g = new Ops(graph, { target: engine?.target ?? "cpu", share: true });
  g.scope = "update";
  const scalarsOf = scalarInputs(graph, optimizer);
  const factor = clipNorm === undefined ? undefined : clipFactor(g, [...gradients.values()], clipNorm);
  if (gradientNorms) {
    const squares = trained.map(({ value }) => g.reshape(squaresOf(g, gradients.get(value)!), [1]));
    graph.output("gradient_norms", g.sqrt(g.concat(squares, 0)));
  }
  for (const unit of unitsOf(largestFirst(trained), { optimizer, decays, target: g.target })) {
    const [first] = unit as [Trained];
    const joined = joinedOf(g, unit);
    const kept = (name: string) => joined.from(({ key, shape }) => graph.input(`${name}:${key}`, "float32", shape));
    const gradient = joined.from(({ value }) => gradients.get(value)!);
    const { parameter, state } = optimizer.update(g, {
      parameter: joined.from(({ value }) => value),
      gradient: factor ? g.mul(gradient, factor) : gradient,
      shape: first.shape,
      state: Object.fromEntries(optimizer.state.map((name) => [name, kept(name)])),
      scalars: scalarsOf(first.lrScale),
      weightDecay: decays(first.key, first.shape) ? optimizer.weightDecay : 0,
    });
    const put = (name: (key: string) => string, value: Value) => {
      for (const [key, part] of joined.apart(value)) graph.output(next(name(key)), part);
    };
    put((key) => key, parameter);
    for (const [name, changed] of Object.entries(state)) put((key) => `${name}:${key}`, changed);
    if (ema !== undefined) put((key) => `ema:${key}`, g.add(g.scale(kept("ema"), ema), g.scale(parameter, 1 - ema)));
  }
}

/** Numbers from which a gradient takes more memory than what it is computed from: those of a classifier's linear layers. */
const LARGE = 2 ** 22;

/**
 * The largest parameters before the others. ONNX Runtime begins with what was added last, so that their gradients are computed at the
 * end, when the images of the other layers are not needed any more.
 */
const largestFirst = (trained: readonly Trained[]): readonly Trained[] => {
  const isLarge = ({ shape }: Trained) => numel(shape) >= LARGE;
  return [...trained.filter(isLarge), ...trained.filter((one) => !isLarge(one))];
};

/** On a GPU, parameters of up to this many numbers are updated together, as many as a kernel there can always put apart again. */
const SMALL = 2 ** 18;
const TOGETHER = 7;

/** Parameters by what is updated together: each by itself, but on a GPU, where every operator takes its time, several small ones. */
function unitsOf(
  trained: readonly Trained[],
  {
    optimizer,
    decays,
    target,
  }: { optimizer: Optimizer; decays: (key: string, shape: readonly number[]) => boolean; target: Target },
): readonly (readonly Trained[])[] {
  if (target !== "webgpu" || !optimizer.isElementwise) return trained.map((one) => [one]);
  const units: Trained[][] = [];
  const open = new Map<string, Trained[]>();
  for (const one of trained) {
    const kind = `${one.lrScale} ${decays(one.key, one.shape)}`;
    const known = numel(one.shape) <= SMALL ? open.get(kind) : undefined;
    if (known && known.length < TOGETHER) {
      known.push(one);
      continue;
    }
    units.push([one]);
    if (numel(one.shape) <= SMALL) open.set(kind, units.at(-1)!);
  }
  return units;
}

/** Tensors of several parameters as one vector, and the way back; that of one alone stays what it is. */
function joinedOf(g: Ops, unit: readonly Trained[]) {
  const [first, ...others] = unit as [Trained, ...Trained[]];
  // ONNX Runtime computes element by element where the last axes are of size 1, as those of 1×1 kernels are
  const isFlat = others.length > 0 || first.shape.at(-1) === 1;
  const sizes = unit.map(({ shape }) => numel(shape));
  return {
    from: (tensor: (one: Trained) => Value): Value =>
      g.concat(
        unit.map((one, i) => (isFlat ? g.reshape(tensor(one), [sizes[i]!]) : tensor(one))),
        0,
      ),
    apart(joined: Value): (readonly [key: string, Value])[] {
      const parts = others.length > 0 ? g.split(joined, sizes, 0) : [joined];
      return unit.map(({ key, shape }, i) => [key, g.reshape(parts[i]!, shape)] as const);
    },
  };
}

/** The optimizer's scalars as inputs of the graph, a set for each factor on the learning rate. */
function scalarInputs(graph: Graph, optimizer: Optimizer): (lrScale: number) => Readonly<Record<string, Value>> {
  const made = new Map<number, Readonly<Record<string, Value>>>();
  return (lrScale) => {
    const known = made.get(lrScale);
    if (known) return known;
    const names = Object.keys(optimizer.scalars(1, 1));
    const inputs = names.map((name) => [name, graph.input(scalarName(name, lrScale), "float32", [])] as const);
    made.set(lrScale, Object.fromEntries(inputs));
    return made.get(lrScale)!;
  };
}

/** min(1, maxNorm / norm), the norm being that of all gradients together, as in torch.nn.utils.clip_grad_norm_. */
function clipFactor(g: Ops, gradients: readonly Value[], maxNorm: number): Value {
  const squares = gradients.map((gradient) => squaresOf(g, gradient));
  const norm = g.sqrt(g.sum(squares));
  g.graph.output("gradient_norm", norm);
  const ratio = g.div(g.scalar(maxNorm), g.add(norm, g.scalar(1e-6)));
  return g.where(g.less(ratio, g.scalar(1)), ratio, g.scalar(1));
}

const squaresOf = (g: Ops, gradient: Value): Value => g.one("ReduceSumSquare", [gradient], { keepdims: 0 });

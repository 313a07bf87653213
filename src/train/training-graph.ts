import { check, Graph, numel, type Shape, type Value } from "../graph/index.ts";
import { type Mask, type Module, trace } from "../nn/index.ts";
import { Ops, type Target } from "../operators/index.ts";
import type { Optimizer } from "../optim/index.ts";
import { differentiate, logSoftmax } from "../passes/index.ts";
import { correctCount, mainScores, totalLoss } from "./loss.ts";

export interface TrainingGraphOptions {
  /** Shape of a batch of images, such as ["N", 3, 32, 32]. */
  input: Shape;
  optimizer: Optimizer;
  /** Whether Dropout drops. Default true. */
  dropout?: boolean;
  /** Weight of each output in the loss. Default: what the network's `spec` says of its auxiliary outputs, else 1. */
  lossWeights?: Readonly<Record<string, number>>;
  /** Whether the decay of the optimizer applies to a parameter. Default: to all. */
  decays?: (key: string, shape: readonly number[]) => boolean;
  /** Scale the gradients down where the norm of all together is larger. */
  clipNorm?: number;
  /** Keep a moving average of the parameters with this decay, such as 0.999. */
  ema?: number;
  target?: Target;
}

/** Where the first numbers of a state tensor come from. */
export type StateStart = "weight" | "zeros";

/** Graphs of one training step. The next value of the state tensor `x` is the output `next(x)`. */
export interface TrainingGraphs {
  /** (state, batch, masks, scalars) → (next state, loss, correct), all at once. */
  readonly step: Graph;
  /** The first half, for several batches to one update: (state, batch, masks, sums) → (next sums, loss, correct). */
  readonly accumulate: Graph;
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
  /** Buffers that count steps. */
  readonly counters: readonly string[];
  /** Names of the scalar inputs of an update. */
  readonly scalars: readonly string[];
  readonly numClasses: number;
}

/** Output that holds the next value of a state tensor. */
export const next = (name: string): string => `next:${name}`;

interface Trained {
  readonly key: string;
  readonly shape: readonly number[];
  readonly value: Value;
}

/** Traces a network in training form and adds loss, gradients and the optimizer's update. */
export function trainingGraphs(model: Module, options: TrainingGraphOptions): TrainingGraphs {
  const { input, optimizer, dropout = true, lossWeights, ema, target: engine = "cpu" } = options;
  const traced = trace(model, input, { training: true, dropout, target: engine });
  const { tracer } = traced;
  const scores = mainScores(traced.outputs);
  const numClasses = scores.shape[1] as number;
  const target = tracer.input("target", [input[0]!, numClasses]);
  const loss = totalLoss(traced.outputs, target, lossWeights, model.spec);
  const correct = correctCount(scores, target);
  tracer.graph.outputs.clear();
  tracer.graph.output("loss", loss.value);
  tracer.graph.output("correct", correct.value);
  for (const [key, { value }] of tracer.updates) tracer.graph.output(next(key), value);

  const stable = logSoftmax(tracer.graph);
  const values = new Map(stable.parameters.map((value) => [value.name, value]));
  const trained = [...model.parameters()].flatMap(([key, { requiresGrad, shape }]): Trained[] => {
    const value = values.get(key);
    return requiresGrad && value ? [{ key, shape, value }] : [];
  });
  check(trained.length > 0, () => "there is nothing to train: every parameter is frozen or unused");

  const { graph: backward, gradients } = differentiate(
    stable,
    stable.outputs.get("loss")!,
    trained.map(({ value }) => value),
    engine,
  );
  const step = backward.copy();
  addUpdate(step, trained, gradients, options);

  const sums = new Map(trained.map(({ key, shape }) => [`sum:${key}`, shape]));
  const accumulate = backward.copy();
  const g = new Ops(accumulate, { target: engine });
  const share = accumulate.input("share", "float32", []);
  for (const { key, shape, value } of trained) {
    const sum = accumulate.input(`sum:${key}`, "float32", shape);
    accumulate.output(next(`sum:${key}`), g.add(sum, g.mul(gradients.get(value)!, share)));
  }

  const update = new Graph("update");
  const parameters = trained.map(({ key, shape }) => ({ key, shape, value: update.parameter(key, "float32", shape) }));
  const given = new Map(
    parameters.map(({ key, shape, value }) => [value, update.input(`sum:${key}`, "float32", shape)]),
  );
  addUpdate(update, parameters, given, options);

  const keys = trained.map(({ key, shape }) => [key, { shape, start: "weight", key }] as const);
  const buffers = new Map(model.buffers());
  const statistics = [...tracer.updates.keys()].map(
    (key) => [key, { shape: buffers.get(key)!.shape, start: "weight", key }] as const,
  );
  const kept = (name: string, start: StateStart) =>
    trained.map(({ key, shape }) => [`${name}:${key}`, { shape, start, key }] as const);
  return {
    step,
    accumulate,
    update,
    state: new Map([
      ...keys,
      ...statistics,
      ...optimizer.state.flatMap((name) => kept(name, "zeros")),
      ...(ema === undefined ? [] : kept("ema", "weight")),
    ]),
    sums,
    masks: tracer.masks,
    counters: tracer.counters,
    scalars: Object.keys(optimizer.scalars(1, 1)),
    numClasses,
  };
}

/** Adds the update of every parameter from its gradient, and the outputs that hold the next state. */
function addUpdate(
  graph: Graph,
  trained: readonly Trained[],
  gradients: ReadonlyMap<Value, Value>,
  { optimizer, decays = () => true, clipNorm, ema, target = "cpu" }: TrainingGraphOptions,
): void {
  const g = new Ops(graph, { target, share: true });
  g.scope = "update";
  const names = Object.keys(optimizer.scalars(1, 1));
  const scalars = Object.fromEntries(names.map((name) => [name, graph.input(name, "float32", [])]));
  const factor = clipNorm === undefined ? undefined : clipFactor(g, [...gradients.values()], clipNorm);
  for (const { key, shape, value } of trained) {
    const kept = (name: string) => graph.input(`${name}:${key}`, "float32", shape);
    // ONNX Runtime computes element by element where the last axes are of size 1, as those of 1×1 kernels are
    const flat = (tensor: Value) => (shape.at(-1) === 1 ? g.reshape(tensor, [numel(shape)]) : tensor);
    const gradient = flat(gradients.get(value)!);
    const { parameter, state } = optimizer.update(g, {
      parameter: flat(value),
      gradient: factor ? g.mul(gradient, factor) : gradient,
      state: Object.fromEntries(optimizer.state.map((name) => [name, flat(kept(name))])),
      scalars,
      weightDecay: decays(key, shape) ? optimizer.weightDecay : 0,
    });
    graph.output(next(key), g.reshape(parameter, shape));
    for (const [name, changed] of Object.entries(state))
      graph.output(next(`${name}:${key}`), g.reshape(changed, shape));
    if (ema === undefined) continue;
    const average = g.add(g.scale(flat(kept("ema")), ema), g.scale(parameter, 1 - ema));
    graph.output(next(`ema:${key}`), g.reshape(average, shape));
  }
}

/** min(1, maxNorm / norm), the norm being that of all gradients together, as in torch.nn.utils.clip_grad_norm_. */
function clipFactor(g: Ops, gradients: readonly Value[], maxNorm: number): Value {
  const squares = gradients.map((gradient) => g.one("ReduceSumSquare", [gradient], { keepdims: 0 }));
  const norm = g.sqrt(g.sum(squares));
  g.graph.output("gradient_norm", norm);
  const ratio = g.div(g.scalar(maxNorm), g.add(norm, g.scalar(1e-6)));
  return g.where(g.less(ratio, g.scalar(1)), ratio, g.scalar(1));
}

import { check, type Graph, numel, type Shape, type Value } from "../graph/index.ts";
import { classScores, crossEntropy, type Mask, type Module, type Tensor, type Trace, trace } from "../nn/index.ts";
import { Ops, type Target } from "../operators/index.ts";
import type { Optimizer } from "../optim/index.ts";
import { differentiate, logSoftmax } from "../passes/index.ts";

export interface TrainingGraphOptions {
  /** Shape of a batch of images, such as ["N", 3, 32, 32]. */
  input: Shape;
  optimizer: Optimizer;
  /** Whether Dropout drops. Default true. */
  dropout?: boolean;
  /** Share of each output in the loss; default 1, and 0.3 for outputs named aux… (Szegedy et al. 2015, 5). */
  lossWeights?: Readonly<Record<string, number>>;
  /** Whether the decay of the optimizer applies to a parameter. Default: to all. */
  decays?: (key: string, shape: readonly number[]) => boolean;
  target?: Target;
}

/** One training step as a graph: (state, batch, masks, scalars) → (next state, loss, correct). */
export interface TrainingGraph {
  readonly graph: Graph;
  /** Names of the tensors that a step replaces; the next value of `x` is the output `next(x)`. */
  readonly state: readonly string[];
  /** Those of them that the optimizer adds to the network's own. */
  readonly optimizerState: ReadonlyMap<string, readonly number[]>;
  readonly masks: readonly Mask[];
  /** Buffers that count steps. */
  readonly counters: readonly string[];
  /** Names of the scalar inputs. */
  readonly scalars: readonly string[];
  readonly numClasses: number;
}

/** Output that holds the next value of a state tensor. */
export const next = (name: string): string => `next:${name}`;

/** Weights of the losses of a network's outputs. */
export function lossWeight(name: string, given: Readonly<Record<string, number>> = {}): number {
  return given[name] ?? (name.startsWith("aux") ? 0.3 : 1);
}

/** The loss of all outputs of a trace against `target` [N, K]. */
export function totalLoss({ outputs }: Trace, target: Tensor, weights?: Readonly<Record<string, number>>): Tensor {
  const losses = Object.entries(outputs)
    .map(([name, output]) => [lossWeight(name, weights), output] as const)
    .filter(([weight]) => weight !== 0)
    .map(([weight, output]) =>
      weight === 1 ? crossEntropy(output, target) : crossEntropy(output, target).mul(weight),
    );
  check(losses[0], () => "the loss weighs all outputs of the network with 0");
  return losses.reduce((sum, loss) => sum.add(loss));
}

/** The output that predictions are read from: the one that counts fully. */
export function mainOutput(outputs: Readonly<Record<string, Tensor>>): Tensor {
  const main = outputs.logits ?? outputs.output ?? Object.values(outputs)[0];
  check(main, () => "the network has no output");
  return main;
}

/** Number of images whose most likely class is that of the target. */
export function correctCount(scores: Tensor, target: Tensor): Tensor {
  const { ops } = scores.tracer;
  const hit = ops.equal(ops.argMax(classScores(scores).value, 1), ops.argMax(target.value, 1));
  return scores.wrap(ops.reduceSum(ops.indicator(hit), [0], false));
}

/** Traces a network in training form and adds loss, gradients and the optimizer's update. */
export function trainingGraph(model: Module, options: TrainingGraphOptions): TrainingGraph {
  const { input, optimizer, dropout = true, lossWeights, decays = () => true, target: engine = "cpu" } = options;
  const traced = trace(model, input, { training: true, dropout, target: engine });
  const { tracer } = traced;
  const scores = classScores(mainOutput(traced.outputs));
  const numClasses = scores.shape[1] as number;
  const target = tracer.input("target", [input[0]!, numClasses]);
  const loss = totalLoss(traced, target, lossWeights);
  const correct = correctCount(scores, target);
  tracer.graph.outputs.clear();
  tracer.graph.output("loss", loss.value);
  tracer.graph.output("correct", correct.value);
  for (const [key, value] of tracer.updates) tracer.graph.output(next(key), value.value);

  const stable = logSoftmax(tracer.graph);
  const trained = [...model.parameters()].filter(([, { requiresGrad }]) => requiresGrad);
  const values = new Map(stable.parameters.map((value) => [value.name, value]));
  const used = trained.flatMap(([key, { shape }]) => {
    const value = values.get(key);
    return value ? [{ key, shape, value }] : [];
  });
  check(used.length > 0, () => "there is nothing to train: every parameter is frozen or unused");

  const { graph, gradients } = differentiate(
    stable,
    stable.outputs.get("loss")!,
    used.map(({ value }) => value),
    engine,
  );
  const g = new Ops(graph, { target: engine, share: true });
  g.scope = "update";
  const scalarNames = Object.keys(optimizer.scalars(1, 1));
  const scalars = Object.fromEntries(scalarNames.map((name) => [name, graph.input(name, "float32", [])]));
  const optimizerState = new Map<string, readonly number[]>();
  for (const { key, shape, value } of used) {
    const state: Record<string, Value> = {};
    for (const name of optimizer.state) {
      state[name] = graph.input(`${name}:${key}`, "float32", shape);
      optimizerState.set(`${name}:${key}`, shape);
    }
    const weightDecay = decays(key, shape) ? optimizer.weightDecay : 0;
    // ONNX Runtime computes element by element where the last axes are of size 1, as those of 1×1 kernels are
    const flat = (tensor: Value) => (shape.at(-1) === 1 ? g.reshape(tensor, [numel(shape)]) : tensor);
    const update = optimizer.update(g, {
      parameter: flat(value),
      gradient: flat(gradients.get(value)!),
      state: Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, flat(tensor)])),
      scalars,
      weightDecay,
    });
    graph.output(next(key), g.reshape(update.parameter, shape));
    for (const [name, changed] of Object.entries(update.state)) {
      graph.output(next(`${name}:${key}`), g.reshape(changed, shape));
    }
  }
  return {
    graph,
    state: [...used.map(({ key }) => key), ...tracer.updates.keys(), ...optimizerState.keys()],
    optimizerState,
    masks: tracer.masks,
    counters: tracer.counters,
    scalars: scalarNames,
    numClasses,
  };
}

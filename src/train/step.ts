import { check, isStatic, numel, type TensorData, zeros } from "../graph/index.ts";
import type { Mask, Module } from "../nn/index.ts";
import type { Optimizer } from "../optim/index.ts";
import { Random } from "../random.ts";
import type { DeviceTensor, Engine, Executable } from "../runtime/engine.ts";
import { next, type TrainingGraph, type TrainingGraphOptions, trainingGraph } from "./training-graph.ts";

export interface TrainingStepOptions extends Omit<TrainingGraphOptions, "target"> {
  engine: Engine;
  /** Seed of dropout. Default 0. */
  seed?: number;
}

export interface StepInput {
  /** Images [N, C, H, W]. */
  readonly input: TensorData;
  /** Probabilities of the classes wanted [N, K]; see `oneHot`. */
  readonly target: TensorData;
  readonly lr: number;
}

export interface StepResult {
  /** Mean loss of the batch, before the update. */
  readonly loss: number;
  /** Images of the batch that were classified rightly, before the update. */
  readonly correct: number;
}

/**
 * A network in training: one compiled graph, and its state in two sets of buffers that swap roles, so that a step allocates
 * none.
 */
export class TrainingStep {
  readonly #model: Module;
  readonly #training: TrainingGraph;
  readonly #executable: Executable;
  readonly #optimizer: Optimizer;
  readonly #seed: number;
  /** Frozen parameters, and buffers that no step changes. */
  readonly #fixed: Record<string, TensorData>;
  #current: Record<string, TensorData | DeviceTensor>;
  #spare: Record<string, DeviceTensor> = {};
  #steps = 0;

  private constructor(model: Module, training: TrainingGraph, executable: Executable, options: TrainingStepOptions) {
    this.#model = model;
    this.#training = training;
    this.#executable = executable;
    this.#optimizer = options.optimizer;
    this.#seed = options.seed ?? 0;
    const weights = model.stateDict();
    const fed = new Set(executable.inputs);
    const changing = new Set(training.state);
    this.#fixed = Object.fromEntries([...weights].filter(([key]) => fed.has(key) && !changing.has(key)));
    this.#current = Object.fromEntries(
      training.state.map((name) => {
        const shape = training.optimizerState.get(name);
        return [name, shape ? zeros("float32", shape) : weights.get(name)!];
      }),
    );
  }

  /** Compiles the step of a network. Its weights are drawn with seed 0 where they were never set. */
  static async create(model: Module, options: TrainingStepOptions): Promise<TrainingStep> {
    const { engine } = options;
    const training = trainingGraph(model, { ...options, target: engine.target });
    const executable = await engine.compile(training.graph, { keepOnDevice: true });
    return new TrainingStep(model, training, executable, options);
  }

  /** Steps done. */
  get steps(): number {
    return this.#steps;
  }

  get numClasses(): number {
    return this.#training.numClasses;
  }

  /** Learns from one batch. */
  async run({ input, target, lr }: StepInput): Promise<StepResult> {
    const { masks, state } = this.#training;
    const step = this.#steps + 1;
    const scalars = Object.entries(this.#optimizer.scalars(lr, step));
    const feeds: Record<string, TensorData | DeviceTensor> = { ...this.#fixed, ...this.#current, input, target };
    for (const mask of masks) feeds[mask.input] = drawMask(mask, input.shape[0]!, this.#seed, step);
    for (const [name, value] of scalars) feeds[name] = { dtype: "float32", shape: [], data: Float32Array.of(value) };
    const results = await this.#executable.run(feeds, { into: this.#spare });

    const former = this.#current;
    this.#current = {};
    this.#spare = {};
    for (const name of state) {
      this.#current[name] = results[next(name)]!;
      const old = former[name]!;
      // the first state is the caller's own memory
      if ("read" in old) this.#spare[next(name)] = old;
    }
    this.#steps = step;
    const [loss, correct] = await Promise.all([scalar(results.loss!), scalar(results.correct!)]);
    return { loss, correct };
  }

  /** All weights, and the optimizer's tensors under `name:key`, copied. */
  async state(): Promise<Map<string, TensorData>> {
    const entries = Object.entries(this.#current).map(
      async ([name, tensor]) => [name, copied(await read(tensor))] as const,
    );
    return new Map(await Promise.all(entries));
  }

  /** Writes the weights back into the network. */
  async sync(): Promise<Module> {
    const state = await this.state();
    const weights = this.#model.stateDict();
    for (const key of weights.keys()) {
      const value = state.get(key);
      if (value) weights.set(key, value);
    }
    for (const key of this.#training.counters) {
      weights.set(key, { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(this.#steps)) });
    }
    return this.#model.loadStateDict(weights);
  }

  async dispose(): Promise<void> {
    for (const tensor of [...Object.values(this.#current), ...Object.values(this.#spare)])
      if ("read" in tensor) tensor.dispose();
    await this.#executable.dispose();
  }
}

/** A dropout mask: a function of (seed, step, layer) alone. */
export function drawMask({ input, shape, p }: Mask, batch: number, seed: number, step: number): TensorData<"float32"> {
  const sizes = shape.map((dim) => (typeof dim === "number" ? dim : batch));
  check(isStatic(sizes), () => `the dropout mask ${input} has no known shape`);
  const random = new Random(seed, step, input);
  const data = new Float32Array(numel(sizes));
  const kept = 1 / (1 - p);
  const threshold = Math.round(p * 2 ** 32);
  for (let i = 0; i < data.length; i++) data[i] = random.bits() < threshold ? 0 : kept;
  return { dtype: "float32", shape: sizes, data };
}

/** Labels [N] as probabilities [N, K]: 1 at the label, 0 elsewhere; `smoothing` of it is spread over all classes alike. */
export function oneHot(labels: ArrayLike<number>, numClasses: number, smoothing = 0): TensorData<"float32"> {
  const data = new Float32Array(labels.length * numClasses).fill(smoothing / numClasses);
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    check(label >= 0 && label < numClasses, () => `oneHot: label ${label} is not one of ${numClasses} classes`);
    data[i * numClasses + label]! += 1 - smoothing;
  }
  return { dtype: "float32", shape: [labels.length, numClasses], data };
}

async function read(tensor: TensorData | DeviceTensor): Promise<TensorData> {
  return "read" in tensor ? tensor.read() : tensor;
}

function copied(tensor: TensorData): TensorData {
  return { ...tensor, data: tensor.data.slice() } as TensorData;
}

async function scalar(tensor: DeviceTensor): Promise<number> {
  const { data } = await tensor.read();
  return Number(data[0]);
}

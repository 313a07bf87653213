import { check, isStatic, listed, numel, type TensorData, type TensorType, zeros } from "../graph/index.ts";
import type { Mask, Module } from "../nn/index.ts";
import { Random } from "../random.ts";
import type { DeviceTensor, Engine, Executable, Feeds } from "../runtime/index.ts";
import { next, type TrainingGraphOptions, type TrainingGraphs, trainingGraphs } from "./training-graph.ts";

export interface TrainingStepOptions extends Omit<TrainingGraphOptions, "target"> {
  engine: Engine;
  /** Seed of dropout. Default 0. */
  seed?: number;
}

/** Images and what they should be classified as. */
export interface TrainingBatch {
  /** [N, C, H, W] */
  readonly input: TensorData;
  /** Probabilities of the classes wanted [N, K]; see `oneHot`. */
  readonly target: TensorData;
}

export interface StepResult {
  /** Mean loss over the images, before the update. */
  readonly loss: number;
  /** Images that were classified rightly, before the update. */
  readonly correct: number;
}

/**
 * A network in training: its compiled step, and its state in two sets of buffers that swap roles, so that no step but the first
 * two allocates any.
 */
export class TrainingStep {
  readonly #model: Module;
  readonly #graphs: TrainingGraphs;
  readonly #options: TrainingStepOptions;
  /** Frozen parameters, and buffers that no step changes. */
  #fixed: Readonly<Record<string, TensorData>>;
  readonly #state: SwappedBuffers;
  /** Gradients summed up over the batches of an update. */
  readonly #sums: SwappedBuffers;
  readonly #executables = new Map<Half, Promise<Executable>>();
  #steps = 0;

  private constructor(model: Module, graphs: TrainingGraphs, options: TrainingStepOptions) {
    this.#model = model;
    this.#graphs = graphs;
    this.#options = options;
    const weights = model.stateDict();
    const changes = new Set([...graphs.state.keys(), ...graphs.counters]);
    this.#fixed = Object.fromEntries([...weights].filter(([key]) => !changes.has(key)));
    const start = new Map<string, TensorData>();
    for (const [name, { shape, start: from, key }] of graphs.state) {
      start.set(name, from === "zeros" ? zeros("float32", shape) : weights.get(key)!);
    }
    this.#state = new SwappedBuffers(start);
    this.#sums = new SwappedBuffers(new Map());
  }

  /** Compiles the step of a network. Its weights are drawn with seed 0 where they were never set. */
  static async create(model: Module, options: TrainingStepOptions): Promise<TrainingStep> {
    const graphs = trainingGraphs(model, { ...options, target: options.engine.target });
    const step = new TrainingStep(model, graphs, options);
    await step.#executable("step");
    return step;
  }

  /** Updates done. */
  get steps(): number {
    return this.#steps;
  }

  get numClasses(): number {
    return this.#graphs.numClasses;
  }

  /** The state as it is now, by name: weights, running statistics, the optimizer's tensors. Not copied. */
  get feeds(): Feeds {
    return { ...this.#fixed, ...this.#state.current };
  }

  /** One update from one batch, or from several that count together as one: gradients are then summed up first. */
  async run(batches: TrainingBatch | readonly TrainingBatch[], lr: number): Promise<StepResult> {
    const list = "input" in batches ? [batches] : batches;
    const step = this.#steps + 1;
    const scalars = Object.entries(this.#options.optimizer.scalars(lr, step));
    const rates: Feeds = Object.fromEntries(scalars.map(([name, value]) => [name, scalar(value)]));
    const result = list.length === 1 ? await this.#whole(list[0]!, step, rates) : await this.#halves(list, step, rates);
    this.#steps = step;
    return result;
  }

  async #whole(batch: TrainingBatch, step: number, rates: Feeds): Promise<StepResult> {
    const executable = await this.#executable("step");
    const feeds = { ...this.feeds, ...rates, ...this.#batch(batch, step, 0) };
    return measured(await this.#state.advance(executable, feeds));
  }

  async #halves(batches: readonly TrainingBatch[], step: number, rates: Feeds): Promise<StepResult> {
    const total = batches.reduce((sum, { input }) => sum + input.shape[0]!, 0);
    const sums = this.#sums;
    sums.restart(new Map([...this.#graphs.sums].map(([name, shape]) => [name, zeros("float32", shape)])));
    const accumulate = await this.#executable("accumulate");
    let loss = 0;
    let correct = 0;
    for (const [i, batch] of batches.entries()) {
      const share = batch.input.shape[0]! / total;
      const feeds = { ...this.feeds, ...sums.current, ...this.#batch(batch, step, i), share: scalar(share) };
      const results = await accumulate.run(feeds, { into: { ...sums.spare, ...this.#state.spare } });
      sums.take(results);
      this.#state.take(results);
      const part = await measured(results);
      loss += part.loss * share;
      correct += part.correct;
    }
    const results = await this.#state.advance(await this.#executable("update"), {
      ...this.feeds,
      ...sums.current,
      ...rates,
    });
    disposeOthers(results);
    return { loss, correct };
  }

  #batch({ input, target }: TrainingBatch, step: number, part: number): Feeds {
    const seed = this.#options.seed ?? 0;
    const masks = this.#graphs.masks.map(
      (mask) => [mask.input, drawMask(mask, input.shape[0]!, seed, step, part)] as const,
    );
    return { input, target, ...Object.fromEntries(masks) };
  }

  /** The whole state: copies of weights and running statistics by key and of the optimizer's tensors as `name:key`, and what is frozen. */
  async state(): Promise<Map<string, TensorData>> {
    return new Map([...(await this.#state.read()), ...Object.entries(this.#fixed)]);
  }

  /**
   * Goes on from a state that `state()` gave after this many steps. Throws, listing all that is wrong together, where its tensors
   * are not those of this step; `file` is where it was read, for the message.
   */
  restore(state: ReadonlyMap<string, TensorData>, steps: number, file = "the training state"): void {
    const fixed = Object.entries(this.#fixed);
    const expected = new Map<string, TensorType>([
      ...[...this.#graphs.state].map(([name, { shape }]) => [name, { dtype: "float32", shape }] as const),
      ...fixed,
    ]);
    const missing = [...expected.keys()].filter((name) => !state.has(name));
    const unexpected = [...state.keys()].filter((name) => !expected.has(name));
    const misshapen = [...expected].flatMap(([name, { dtype, shape }]) => {
      const given = state.get(name);
      if (!given || (given.dtype === dtype && given.shape.join() === shape.join())) return [];
      return [`${name} (${given.dtype}[${given.shape}] instead of ${dtype}[${shape}])`];
    });
    const problems = [
      ...(missing.length > 0 ? [`missing: ${listed(missing)}`] : []),
      ...(unexpected.length > 0 ? [`unexpected: ${listed(unexpected)}`] : []),
      ...(misshapen.length > 0 ? [`of another shape or type: ${listed(misshapen)}`] : []),
    ];
    check(
      problems.length === 0,
      () => `${file} is of another network or optimizer than is to be trained\n  ${problems.join("\n  ")}`,
    );
    this.#state.restart(new Map([...this.#graphs.state.keys()].map((name) => [name, state.get(name)!])));
    this.#fixed = Object.fromEntries(fixed.map(([name]) => [name, state.get(name)!]));
    this.#steps = steps;
  }

  /** The network's weights by key, in its order, copied; with `ema`, the moving averages in place of the parameters. */
  async weights({ ema = false }: { ema?: boolean } = {}): Promise<Map<string, TensorData>> {
    const state = await this.state();
    const weights = this.#model.stateDict();
    for (const key of weights.keys()) {
      const value = (ema ? state.get(`ema:${key}`) : undefined) ?? state.get(key);
      if (value) weights.set(key, value);
    }
    for (const key of this.#graphs.counters) {
      weights.set(key, { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(this.#steps)) });
    }
    return weights;
  }

  /** Writes the weights back into the network. */
  async sync(options: { ema?: boolean } = {}): Promise<Module> {
    return this.#model.loadStateDict(await this.weights(options));
  }

  async dispose(): Promise<void> {
    this.#state.dispose();
    this.#sums.dispose();
    for (const executable of this.#executables.values()) await (await executable).dispose();
    this.#executables.clear();
  }

  #executable(half: Half): Promise<Executable> {
    let executable = this.#executables.get(half);
    if (!executable) {
      executable = this.#options.engine.compile(this.#graphs[half], { keepOnDevice: true });
      this.#executables.set(half, executable);
    }
    return executable;
  }
}

type Half = "step" | "accumulate" | "update";

/** Named tensors that runs replace: what a run reads is `current`, what it may write into is `spare`. */
class SwappedBuffers {
  current: Record<string, TensorData | DeviceTensor>;
  /** Tensors out of use, by the name of the output that fits. */
  readonly #unused = new Map<string, DeviceTensor[]>();

  constructor(start: ReadonlyMap<string, TensorData>) {
    this.current = Object.fromEntries(start);
  }

  get spare(): Record<string, DeviceTensor> {
    return Object.fromEntries([...this.#unused].flatMap(([name, [tensor]]) => (tensor ? [[name, tensor]] : [])));
  }

  async advance(executable: Executable, feeds: Feeds): Promise<Record<string, DeviceTensor>> {
    const results = await executable.run(feeds, { into: this.spare });
    this.take(results);
    return results;
  }

  /** Makes the results current; the tensors they replace are written into next. */
  take(results: Readonly<Record<string, DeviceTensor>>): void {
    for (const name of Object.keys(this.current)) {
      const result = results[next(name)];
      if (!result) continue;
      this.#unused.get(next(name))?.shift();
      this.#putAside(name);
      this.current[name] = result;
    }
  }

  /** Begins anew from these numbers, in the same buffers. */
  restart(start: ReadonlyMap<string, TensorData>): void {
    for (const name of Object.keys(this.current)) this.#putAside(name);
    this.current = Object.fromEntries(start);
  }

  #putAside(name: string): void {
    const old = this.current[name]!;
    // a first state is the caller's own memory
    if (!onDevice(old)) return;
    const unused = this.#unused.get(next(name));
    if (unused) unused.push(old);
    else this.#unused.set(next(name), [old]);
  }

  async read(): Promise<Map<string, TensorData>> {
    const entries = Object.entries(this.current).map(async ([name, tensor]) => {
      const data = onDevice(tensor) ? await tensor.read() : tensor;
      return [name, { ...data, data: data.data.slice() } as TensorData] as const;
    });
    return new Map(await Promise.all(entries));
  }

  dispose(): void {
    for (const tensor of [...Object.values(this.current), ...[...this.#unused.values()].flat()])
      if (onDevice(tensor)) tensor.dispose();
    this.#unused.clear();
  }
}

const onDevice = (tensor: TensorData | DeviceTensor): tensor is DeviceTensor => "read" in tensor;

const scalar = (value: number): TensorData => ({ dtype: "float32", shape: [], data: Float32Array.of(value) });

async function measured(results: Readonly<Record<string, DeviceTensor>>): Promise<StepResult> {
  const [loss, correct] = await Promise.all([results.loss!.read(), results.correct!.read()]);
  disposeOthers(results);
  return { loss: Number(loss.data[0]), correct: Number(correct.data[0]) };
}

/** Gives back the memory of all results that are no part of the state. */
function disposeOthers(results: Readonly<Record<string, DeviceTensor>>): void {
  for (const [name, tensor] of Object.entries(results)) if (!name.startsWith(next(""))) tensor.dispose();
}

/** A dropout mask: a function of (seed, step, part of the step, layer) alone. */
export function drawMask(
  { input, shape, p }: Mask,
  batch: number,
  seed: number,
  step: number,
  part = 0,
): TensorData<"float32"> {
  const sizes = shape.map((dim) => (typeof dim === "number" ? dim : batch));
  check(isStatic(sizes), () => `the dropout mask ${input} has no known shape`);
  const random = new Random(seed, step, part, input);
  const data = new Float32Array(numel(sizes));
  const kept = 1 / (1 - p);
  const threshold = Math.round(p * 2 ** 32);
  for (let i = 0; i < data.length; i++) data[i] = random.bits() < threshold ? 0 : kept;
  return { dtype: "float32", shape: sizes, data };
}

/** Probabilities [N, K'] of the first K' of K classes, `smoothing` of them spread over all K alike: [N, K] */
export function smoothed({ shape, data }: TensorData, numClasses: number, smoothing: number): TensorData<"float32"> {
  const [N, given] = shape as [number, number];
  const all = new Float32Array(N * numClasses).fill(smoothing / numClasses);
  for (let n = 0; n < N; n++)
    for (let k = 0; k < given; k++) all[n * numClasses + k]! += (1 - smoothing) * Number(data[n * given + k]);
  return { dtype: "float32", shape: [N, numClasses], data: all };
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

import { oneProcess } from "../cluster/index.ts";
import { check, checkStateDict, type TensorData, type TensorType, zeros } from "../graph/index.ts";
import type { Module, ModuleBuffer, Parameter } from "../nn/index.ts";
import { inRounds } from "../passes/index.ts";
import type { DeviceTensor, Feeds } from "../runtime/index.ts";
import { SwappedBuffers } from "./buffers.ts";
import { runTogether } from "./chain.ts";
import { CompiledGraphs } from "./compiled.ts";
import type { TargetLoss } from "./losses.ts";
import { drawMask } from "./masks.ts";
import { addTotals, metricValues, type Totals } from "./metrics.ts";
import { type Norms, normsOf } from "./norms.ts";
import { checkTraining, type TrainingStepOptions } from "./options.ts";
import { added, Shards } from "./shards.ts";
import {
  countOf,
  disposeOthers,
  type PreparedBatch,
  preparedBatch,
  readNumber,
  type StepResult,
  scalar,
  type TrainingBatch,
  weightOf,
} from "./step-batch.ts";
import { metricOutput, scalarName, type TrainingGraphs, trainingGraphs } from "./training-graph.ts";

/**
 * A network in training: its compiled step, and its state. Engines write the next state over the last, or into a second set of buffers
 * that swaps roles with the first, so that only the first two steps allocate any.
 *
 *     const step = await TrainingStep.create(model, { engine, input: ["N", 3, 32, 32], optimizer: sgd() });
 *     const { loss } = await step.run({ input: images, target: labels }, 0.1);
 *     await step.sync(); // the weights as they are now, for the network to keep
 *
 * The network's weights are the step's from then on. Where the engine computes in JavaScript's memory, the network has the new ones after
 * every step, in arrays that the next step writes over; on a GPU, it has them after `sync`.
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
  /** What they start from. */
  #zeros: ReadonlyMap<string, TensorData> | undefined;
  /** The network's tensors that steps change. */
  readonly #weights: readonly (readonly [key: string, stored: Parameter | ModuleBuffer])[];
  readonly #shards: Shards | undefined;
  /** Batches that each counter has counted. */
  readonly #counts: Map<string, bigint>;
  readonly #compiled: CompiledGraphs;
  #steps = 0;

  private constructor(model: Module, graphs: TrainingGraphs, options: TrainingStepOptions) {
    this.#model = model;
    this.#graphs = graphs;
    this.#options = options;
    this.#compiled = new CompiledGraphs(graphs, options);
    const weights = model.stateDict();
    const changes = new Set([...graphs.state.keys(), ...graphs.counters]);
    this.#fixed = Object.fromEntries([...weights].filter(([key]) => !changes.has(key)));
    this.#counts = new Map([...new Set(graphs.counters)].map((key) => [key, countOf(weights.get(key))]));
    const start = new Map<string, TensorData | DeviceTensor>();
    const { hold } = options.engine;
    for (const [name, { shape, start: from, key }] of graphs.state) {
      const given = from === "zeros" ? zeros("float32", shape) : weights.get(key)!;
      // arrays that the caller has are not written over
      const own = name === key && hold ? ({ ...given, data: given.data.slice() } as TensorData) : given;
      start.set(name, hold && (name === key || from === "zeros") ? hold(own) : own);
    }
    this.#state = new SwappedBuffers(start);
    this.#weights = [...model.parameters(), ...model.buffers()].filter(([key]) => graphs.state.has(key));
    this.#state.show(this.#weights);
    this.#sums = new SwappedBuffers(new Map());
    const { collective = oneProcess(), shards = collective.size, reduce = "exact" } = options;
    const statistics = [...graphs.state].flatMap(([name, { shape, key, start: from }]) =>
      from === "weight" && name === key && !graphs.sums.has(`sum:${key}`) ? [[name, shape] as const] : [],
    );
    if (shards > 1)
      this.#shards = new Shards(graphs.sums, new Map(statistics), {
        ...{ shards, collective, fast: reduce === "fast" },
        compress: options.compress,
      });
  }

  /**
   * The step of a network. Weights that were never set are initialized with seed 0. With an open batch size, it is compiled at the first
   * batch of each size, or by `prepare`. Throws if the loss does not fit the network, and if the network as a whole is in
   * evaluation form.
   */
  static async create(model: Module, options: TrainingStepOptions): Promise<TrainingStep> {
    checkTraining("TrainingStep", options, ["input", "target"]);
    const step = new TrainingStep(model, trainingGraphs(model, options), options);
    const [size] = options.input;
    if (typeof size === "number") await step.prepare(size);
    return step;
  }

  /** Compiles the step for batches of this many images now, so that the first of them does not wait for it. */
  async prepare(batchSize: number): Promise<void> {
    await this.#compiled.of(this.#shards ? "gradients" : "step", batchSize);
  }

  /** Updates done. */
  get steps(): number {
    return this.#steps;
  }

  /** Sizes of a target without the batch: [K] for a classifier. */
  get targetSize(): readonly number[] {
    return this.#graphs.targetSize;
  }

  /** Outputs of a classifier. */
  get numClasses(): number {
    return this.#graphs.targetSize[0]!;
  }

  /** The state as it is now, by name: weights, running statistics, the optimizer's tensors. Not copied. */
  get feeds(): Feeds {
    return { ...this.#fixed, ...this.#state.current };
  }

  /**
   * One update, from one batch or from several that count together as one: then their gradients are summed up first. If batches are cut
   * into shards, from this rank's shards of them; all ranks have to call it together.
   */
  async run(batches: TrainingBatch | readonly TrainingBatch[], lr: number): Promise<StepResult> {
    const list = "input" in batches ? [batches] : batches;
    check(list.length > 0, () => "TrainingStep.run: needs at least one batch");
    check(Number.isFinite(lr), () => `TrainingStep.run: the learning rate has to be a number, but is ${lr}`);
    const prepared = list.map((batch) => preparedBatch(batch, this.#graphs));
    const step = this.#steps + 1;
    const { optimizer } = this.#options;
    const rates: Feeds = Object.fromEntries(
      this.#graphs.lrScales.flatMap((scale) =>
        Object.entries(optimizer.scalars(lr * scale, step)).map(([name, value]) => [
          scalarName(name, scale),
          scalar(value),
        ]),
      ),
    );
    const run = this.#shards
      ? this.#sharded(this.#shards, prepared, step, rates)
      : prepared.length === 1
        ? this.#one(prepared[0]!, step, rates)
        : this.#halves(prepared, step, rates);
    const result = await run;
    this.#steps = step;
    this.#state.show(this.#weights);
    const own = this.#shards ? this.#shards.own : 1;
    for (const key of this.#graphs.counters) this.#counts.set(key, this.#counts.get(key)! + BigInt(list.length / own));
    return result;
  }

  async #one(batch: PreparedBatch, step: number, rates: Feeds): Promise<StepResult> {
    const executable = await this.#compiled.of("step", batch.input.shape[0]!);
    const feeds = { ...this.feeds, ...rates, ...this.#batch(batch, step, 0) };
    const { loss, totals, norms } = await this.#measured(await this.#state.advance(executable, feeds));
    return this.#result(loss, totals, batch.input.shape[0]!, norms);
  }

  /** The second half of a step; the norms of the gradients, if they are measured. */
  async #update(given: Feeds): Promise<Norms> {
    const executable = await this.#compiled.of("update");
    const feeds = { ...this.feeds, ...given };
    const results = await this.#state.advance(executable, feeds);
    const norms = await normsOf(results, this.#graphs.sums.keys());
    disposeOthers(results);
    return norms;
  }

  async #halves(batches: readonly PreparedBatch[], step: number, rates: Feeds): Promise<StepResult> {
    const { loss: minimized, sums: shapes } = this.#graphs;
    const weights = batches.map((batch) => weightOf(batch, minimized as Partial<TargetLoss>));
    const total = weights.reduce((sum, weight) => sum + weight);
    const sums = this.#sums;
    this.#zeros ??= new Map([...shapes].map(([name, shape]) => [name, zeros("float32", shape)]));
    sums.restart(this.#zeros);
    let loss = 0;
    let totals: Totals = {};
    let images = 0;
    for (const [i, batch] of batches.entries()) {
      const share = weights[i]! / total;
      const feeds = { ...this.feeds, ...sums.current, ...this.#batch(batch, step, i), share: scalar(share) };
      const accumulate = await this.#compiled.of("accumulate", batch.input.shape[0]!);
      const results = await accumulate.run(feeds, { into: { ...sums.spare, ...this.#state.spare } });
      sums.take(results);
      this.#state.take(results);
      const part = await this.#measured(results);
      loss += part.loss * share;
      totals = addTotals(totals, part.totals);
      images += batch.input.shape[0]!;
    }
    const norms = await this.#update({ ...sums.current, ...rates });
    return this.#result(loss, totals, images, norms);
  }

  async #sharded(shards: Shards, batches: readonly PreparedBatch[], step: number, rates: Feeds): Promise<StepResult> {
    const { from } = shards.part;
    const turns = shards.turns(batches, { together: this.#isSynchronized });
    const measured = shards.nothingMeasured();
    const statistics = new Map<number, Feeds>();
    const minimized = this.#graphs.loss as Partial<TargetLoss>;
    const weights = new Map(batches.map((batch) => [batch, weightOf(batch, minimized)]));
    const total = await shards.totalWeight(weights);
    for (const turn of turns) {
      // shards without images in the last batch do not know its statistics
      if (this.#isSynchronized) shards.forgetStatistics();
      const full = turn.filter(({ batch }) => batch.input.shape[0]! > 0);
      const jobs = full.map(({ batch, shard, part }) => {
        const images = batch.input.shape[0]!;
        const weight = weights.get(batch)!;
        const isFirst = measured.get(shard)!.images === 0;
        const state = { ...this.feeds, ...statistics.get(shard), ...(!isFirst && shards.gradients(shard)) };
        return {
          ...{ shard, weight, images },
          chain: this.#compiled.of(isFirst ? "gradients" : "accumulate", images),
          feeds: { ...state, ...this.#batch(batch, step, part), share: scalar(weight / total) },
          into: isFirst ? shards.memory(shard) : {},
        };
      });
      if (jobs.length === 0 && this.#isSynchronized) await shards.attend(this.#rounds);
      const results = await runTogether(jobs, (own) => shards.exchange(jobs, own));
      for (const [i, { shard, weight, images }] of jobs.entries()) {
        const sum = measured.get(shard)!;
        statistics.set(shard, await shards.take(shard, results[i]!, sum.weight + weight));
        const { loss, totals } = await this.#measured(results[i]!);
        measured.set(shard, added(sum, { weight, images, loss: loss * weight, totals }));
      }
    }
    for (const [shard, { images }] of measured) if (images === 0) shards.clear(shard);
    const [{ images, loss, totals }, communication] = await shards.sum([...measured.values()]);
    this.#state.put(shards.statistics());
    const norms = await this.#update({ ...shards.gradients(from), ...rates });
    return { ...this.#result(loss / total, totals, images, norms), communication };
  }

  get #isSynchronized(): boolean {
    return this.#compiled.isSynchronized;
  }

  /** Exchanges between the shards of a batch. */
  get #rounds(): number {
    return inRounds(this.#graphs.forBatch(1).gradients).length - 1;
  }

  #batch({ input, target }: PreparedBatch, step: number, part: number): Feeds {
    const seed = this.#options.seed ?? 0;
    const masks = this.#graphs.masks.map(
      (mask) => [mask.input, drawMask(mask, input.shape[0]!, seed, step, part)] as const,
    );
    return { input, target, ...Object.fromEntries(this.#graphs.fixed), ...Object.fromEntries(masks) };
  }

  async #measured(results: Readonly<Record<string, DeviceTensor>>) {
    const totals = Object.keys(this.#graphs.metrics).map(async (name) => {
      const { data } = await results[metricOutput(name)]!.read();
      return [name, Array.from(data as Float32Array, Number)] as const;
    });
    // at once, as every answer of a GPU takes its time
    const [loss, norms, ...read] = await Promise.all([
      readNumber(results.loss),
      normsOf(results, this.#graphs.sums.keys()),
      ...totals,
    ]);
    disposeOthers(results);
    return { loss: loss!, totals: Object.fromEntries(read) as Totals, norms };
  }

  #result(loss: number, totals: Totals, images: number, norms: Norms): StepResult {
    const { loss: minimized, metrics } = this.#graphs;
    const isClasses = typeof minimized !== "function" && minimized.task === "classes";
    return {
      loss,
      metrics: metricValues(metrics, totals, images),
      correct: (isClasses ? totals.accuracy?.[0] : undefined) ?? Number.NaN,
      ...norms,
      totals,
      images,
    };
  }

  /** The whole state: copies of weights and running statistics by key and of the optimizer's tensors as `name:key`, and what is frozen. */
  async state(): Promise<Map<string, TensorData>> {
    return new Map([...(await this.#state.read()), ...Object.entries(this.#fixed), ...this.#counters()]);
  }

  /** What rounding the gradients has left out so far: part of the state too, complete on rank 0. All ranks have to call it together. */
  async errors(): Promise<Map<string, TensorData>> {
    return (await this.#shards?.errors()) ?? new Map();
  }

  #counters(): [string, TensorData][] {
    return [...this.#counts].map(([key, count]) => [
      key,
      { dtype: "int64", shape: [], data: BigInt64Array.of(count) } as TensorData,
    ]);
  }

  /**
   * Continues from a state that `state()` gave after this many steps. Throws, listing all that is wrong together, if its tensors
   * are not those of this step; `file` is where it was read, for the message.
   */
  restore(state: ReadonlyMap<string, TensorData>, steps: number, file = "the training state"): void {
    const fixed = Object.entries(this.#fixed);
    const expected = new Map<string, TensorType>([
      ...[...this.#graphs.state].map(([name, { shape }]) => [name, { dtype: "float32", shape }] as const),
      ...fixed,
      ...this.#errorTypes(state),
    ]);
    const counters = [...this.#counts.keys()];
    const given = new Map([...state].filter(([name]) => !counters.includes(name)));
    checkStateDict(given, expected, `${file} is of another network or optimizer than is to be trained`);
    this.#state.restart(new Map([...this.#graphs.state.keys()].map((name) => [name, state.get(name)!])));
    this.#fixed = Object.fromEntries(fixed.map(([name]) => [name, state.get(name)!]));
    this.#state.show(this.#weights);
    this.#shards?.restoreErrors(state);
    // a state of version 0.1.0 has no counts: they were the steps
    for (const key of counters) this.#counts.set(key, state.has(key) ? countOf(state.get(key)) : BigInt(steps));
    this.#steps = steps;
  }

  /** What rounding has left out, unless the state is from before the first step. */
  #errorTypes(state: ReadonlyMap<string, TensorData>): [string, TensorType][] {
    const shapes = [...(this.#shards?.errorShapes ?? [])];
    if (!shapes.some(([name]) => state.has(name))) return [];
    return shapes.map(([name, shape]) => [name, { dtype: "float32", shape }]);
  }

  /** The network's weights by key, in its order, copied; with `ema`, the moving averages in place of the parameters. */
  async weights({ ema = false }: { ema?: boolean } = {}): Promise<Map<string, TensorData>> {
    const state = await this.state();
    const weights = this.#model.stateDict();
    for (const key of weights.keys()) {
      const value = (ema ? state.get(`ema:${key}`) : undefined) ?? state.get(key);
      if (value) weights.set(key, value);
    }
    return weights;
  }

  /** Writes the weights back into the network. */
  async sync(options: { ema?: boolean } = {}): Promise<Module> {
    return this.#model.loadStateDict(await this.weights(options));
  }

  /** Gives back the memory of graphs that were compiled for batches of other sizes than these. They are compiled again if needed. */
  async release(sizes: readonly number[] = []): Promise<void> {
    await this.#compiled.release(sizes);
  }

  /** Gives the engine's memory back. */
  async dispose(): Promise<void> {
    this.#state.dispose();
    this.#sums.dispose();
    await this.#compiled.dispose();
  }
}

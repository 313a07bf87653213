import { type Collective, type Compression, type Part, partOf, slicesOf, type WireType } from "../cluster/index.ts";
import { check, numel, type TensorData } from "../graph/index.ts";
import type { DeviceTensor } from "../runtime/index.ts";
import { addTotals, type Totals } from "./metrics.ts";
import type { PreparedBatch } from "./step-batch.ts";
import { next } from "./training-graph.ts";

/** What was measured of one shard. */
export interface Measured {
  /** How much the shard counts among the others. */
  readonly weight: number;
  readonly images: number;
  /** Sum over its parts, each times its weight. */
  readonly loss: number;
  readonly totals: Totals;
}

/** What was measured of both. */
export function added(a: Measured, b: Measured): Measured {
  return {
    weight: a.weight + b.weight,
    images: a.images + b.images,
    loss: a.loss + b.loss,
    totals: addTotals(a.totals, b.totals),
  };
}

/** Parts of batches that are computed at the same time; `part` numbers those of an update. */
export type Turn = readonly { readonly batch: PreparedBatch; readonly shard: number; readonly part: number }[];

/** Options of `Shards`. */
export interface ShardsOptions {
  readonly shards: number;
  readonly collective: Collective;
  readonly fast: boolean;
  readonly compress?: WireType | undefined;
}

const memory = (floats: number) => new Float32Array(new ArrayBuffer(4 * floats));

type Results = Readonly<Record<string, DeviceTensor>>;

/** The numbers of a tensor, which goes. */
async function taken(tensor: DeviceTensor): Promise<TensorData> {
  const value = await tensor.read();
  tensor.dispose();
  return value;
}

/** Where a tensor begins in an array. */
type Place = { readonly at: number; readonly shape: readonly number[] };

/** Gradients and running statistics of a rank's shards, each shard's in one array, so that they can be summed over all shards. */
export class Shards {
  readonly part: Part;
  readonly #collective: Collective;
  readonly #fast: boolean;
  readonly #gradients: ReadonlyMap<string, Place>;
  readonly #statistics: ReadonlyMap<string, Place>;
  readonly #arrays: readonly Float32Array[];
  readonly #rounding: Compression | undefined;
  /** How much the running statistics of each own shard count, and in the end those of all shards together. */
  readonly #counts: Float64Array;
  #counted = 0;
  /** ms of waiting in exchanges. */
  #waited = 0;

  /** `gradients` and `statistics` are shapes by name. */
  constructor(
    gradients: ReadonlyMap<string, readonly number[]>,
    statistics: ReadonlyMap<string, readonly number[]>,
    { shards, collective, fast, compress }: ShardsOptions,
  ) {
    let floats = 0;
    const placed = (shapes: ReadonlyMap<string, readonly number[]>) =>
      new Map(
        [...shapes].map(([name, shape]) => {
          const place = { at: floats, shape };
          floats += numel(shape);
          return [name, place] as const;
        }),
      );
    this.#gradients = placed(gradients);
    const compressed = floats;
    this.#statistics = placed(statistics);
    this.part = partOf(shards, collective.size, collective.rank);
    this.#collective = collective;
    this.#fast = fast;
    const { from, to } = this.part;
    const arrays = (length: number) => Array.from({ length: to - from }, () => memory(length));
    this.#arrays = arrays(floats);
    this.#counts = new Float64Array(to - from);
    this.#rounding = compress && {
      ...{ to: compress, floats: compressed },
      errors: arrays(compressed),
      sumErrors: memory(compressed),
    };
  }

  /** Memory for the gradients of a shard, by the name of the output that may be written there. */
  memory(shard: number): Record<string, TensorData> {
    return this.#views(shard, this.#gradients, next);
  }

  /** Gradients of a shard, by the name of their sum. */
  gradients(shard: number): Record<string, TensorData> {
    return this.#views(shard, this.#gradients, (name) => name);
  }

  #views(shard: number, places: ReadonlyMap<string, Place>, named: (name: string) => string) {
    const array = this.#arrays[shard - this.part.from]!;
    return Object.fromEntries(
      [...places].map(([name, { at, shape }]) => [
        named(name),
        { dtype: "float32", shape, data: array.subarray(at, at + numel(shape)) } satisfies TensorData,
      ]),
    );
  }

  /**
   * Takes what a shard gave, wherever the engine has put it; running statistics count by the shard's weight. Returns those as they
   * are.
   */
  async take(shard: number, results: Results, weight: number): Promise<Record<string, TensorData>> {
    const array = this.#arrays[shard - this.part.from]!;
    for (const [name, { at }] of this.#gradients) {
      const { data } = await taken(results[next(name)]!);
      const isThere = data.buffer === array.buffer && data.byteOffset === array.byteOffset + 4 * at;
      if (!isThere) array.set(data as Float32Array, at);
    }
    const statistics: Record<string, TensorData> = {};
    for (const [name, { at }] of this.#statistics) {
      const value = await taken(results[next(name)]!);
      statistics[name] = value;
      for (const [i, number] of (value.data as Float32Array).entries()) array[at + i] = number * weight;
    }
    this.#counts[shard - this.part.from] = weight;
    return statistics;
  }

  /** A shard without images adds nothing. */
  clear(shard: number): void {
    this.#arrays[shard - this.part.from]!.fill(0);
    this.#counts[shard - this.part.from] = 0;
  }

  /** Running statistics do not count until they are taken again. */
  forgetStatistics(): void {
    for (const array of this.#arrays)
      for (const { at, shape } of this.#statistics.values()) array.fill(0, at, at + numel(shape));
    this.#counts.fill(0);
  }

  /** Shards of this rank. */
  get own(): number {
    return this.part.to - this.part.from;
  }

  /** The parts of batches in the order in which they are computed; `together`, those of a batch at the same time. Throws where some lack. */
  turns(batches: readonly PreparedBatch[], { together }: { readonly together: boolean }): Turn[] {
    const { from, to, shards } = this.part;
    const strange = batches.find(({ shard = -1 }) => shard < from || shard >= to);
    const lists = Array.from({ length: to - from }, (_, i) => batches.filter(({ shard }) => shard === from + i));
    const [{ length } = { length: 0 }] = lists;
    check(
      !strange && lists.every((list) => list.length === length),
      () =>
        `TrainingStep: this rank computes the shards ${from} to ${to - 1} of each batch, but got ${strange ? `shard ${strange.shard}` : `${batches.length} in all`}; give its loader part: partOf(shards, size, rank)`,
    );
    const turns = Array.from({ length }, (_, i) =>
      lists.map((list, j) => ({ batch: list[i]!, shard: from + j, part: i * shards + from + j })),
    );
    return together ? turns : turns.flatMap((turn) => turn.map((one) => [one]));
  }

  nothingMeasured(): Map<number, Measured> {
    const nothing = { weight: 0, images: 0, loss: 0, totals: {} };
    return new Map(Array.from({ length: this.own }, (_, i) => [this.part.from + i, nothing]));
  }

  /** The vectors of all shards, in their order, for those of this rank; a shard without images has zeros. */
  async exchange(
    shards: readonly { readonly shard: number }[],
    vectors: readonly Float32Array[],
  ): Promise<Float32Array[]> {
    const start = performance.now();
    const own = new Map(shards.map(({ shard }, i) => [shard, vectors[i]!]));
    const all = new Map((await this.#collective.gather(own)).flatMap((part) => [...part]));
    this.#waited += performance.now() - start;
    const [{ length } = { length: 0 }] = all.values();
    return Array.from({ length: this.part.shards }, (_, shard) => all.get(shard) ?? new Float32Array(length));
  }

  /** Takes part in so many exchanges without anything to send. */
  async attend(exchanges: number): Promise<void> {
    for (let i = 0; i < exchanges; i++) await this.exchange([], []);
  }

  /** How much all shards count together, from the weights of this rank's batches. Throws if that is nothing. */
  async totalWeight(weights: ReadonlyMap<PreparedBatch, number>): Promise<number> {
    const start = performance.now();
    const own: number[] = Array(this.own).fill(0);
    for (const [{ shard = this.part.from }, weight] of weights) own[shard - this.part.from]! += weight;
    // shard by shard, so that the sum is the same for any number of ranks
    const total = (await this.#collective.gather(own)).flat().reduce((sum, one) => sum + one);
    this.#waited += performance.now() - start;
    check(total > 0, () => "TrainingStep: a batch has no images, or only such whose classes have no weight");
    return total;
  }

  /**
   * Sums everything over all shards; the sums are then those of this rank's first shard. Returns what was measured of all, and the
   * seconds in which this rank waited for the others since the last sum.
   */
  async sum(own: readonly Measured[]): Promise<[measured: Measured, seconds: number]> {
    const start = performance.now();
    const compression = this.#rounding;
    const [all] = await Promise.all([
      this.#collective.gather({ own, counts: [...this.#counts] }),
      this.#collective.allReduce(this.#arrays, { fast: this.#fast, ...(compression && { compression }) }),
    ]);
    const seconds = (this.#waited + performance.now() - start) / 1000;
    this.#waited = 0;
    this.#counted = all.flatMap(({ counts }) => counts).reduce((sum, one) => sum + one);
    return [all.flatMap(({ own }) => own).reduce(added), seconds];
  }

  /** The running statistics after `sum`, averaged over the shards. */
  statistics(): Map<string, TensorData> {
    const views = Object.entries(this.#views(this.part.from, this.#statistics, (name) => name));
    return new Map(
      views.map(([name, { data, ...type }]) => [
        name,
        { ...type, data: (data as Float32Array).map((sum) => sum / this.#counted) } as TensorData,
      ]),
    );
  }

  /**
   * What rounding to 16 bits has left out so far, of all shards [shards, …] and of the sums, by `error:NAME` and `sum_error:NAME`.
   * All ranks have to call it together; only rank 0 gets the numbers.
   */
  async errors(): Promise<Map<string, TensorData>> {
    const { rank, size } = this.#collective;
    const errors = new Map<string, TensorData>();
    if (!this.#rounding) return errors;
    const { floats, errors: own, sumErrors } = this.#rounding;
    const { shards, from, to } = this.part;
    const gathered = memory(floats);
    // one rank has the numbers, or each its slices, and the others add zeros
    const gather = async (given: Float32Array | undefined, slices = [{ from: 0, to: floats }]) => {
      gathered.fill(0);
      if (given) for (const { from, to } of slices) gathered.set(given.subarray(from, to), from);
      await this.#collective.allReduce([gathered]);
    };
    const placed = [...this.#gradients].map(([name, { at, shape }]) => ({ name, at, shape, length: numel(shape) }));
    const all = placed.map(({ length }) => new Float32Array(rank === 0 ? shards * length : 0));
    for (let shard = 0; shard < shards; shard++) {
      await gather(shard >= from && shard < to ? own[shard - from] : undefined);
      if (rank > 0) continue;
      for (const [i, { at, length }] of placed.entries())
        all[i]!.set(gathered.subarray(at, at + length), shard * length);
    }
    await gather(sumErrors, slicesOf(floats, size, rank));
    if (rank > 0) return errors;
    for (const [i, { name, at, shape, length }] of placed.entries()) {
      errors.set(`error:${name}`, { dtype: "float32", shape: [shards, ...shape], data: all[i]! });
      errors.set(`sum_error:${name}`, { dtype: "float32", shape, data: gathered.slice(at, at + length) });
    }
    return errors;
  }

  /** Shapes of `errors`, by name. */
  get errorShapes(): Map<string, readonly number[]> {
    if (!this.#rounding) return new Map();
    return new Map(
      [...this.#gradients].flatMap(([name, { shape }]) => [
        [`error:${name}`, [this.part.shards, ...shape]] as const,
        [`sum_error:${name}`, shape] as const,
      ]),
    );
  }

  /** Continues from what `errors` gave; where a state has none, from zeros. */
  restoreErrors(state: ReadonlyMap<string, TensorData>): void {
    if (!this.#rounding) return;
    const { errors, sumErrors } = this.#rounding;
    for (const [name, { at, shape }] of this.#gradients) {
      const length = numel(shape);
      const given = state.get(`error:${name}`)?.data as Float32Array | undefined;
      for (const [i, own] of errors.entries()) {
        const start = (this.part.from + i) * length;
        if (given) own.set(given.subarray(start, start + length), at);
        else own.fill(0);
      }
      const sums = state.get(`sum_error:${name}`)?.data as Float32Array | undefined;
      if (sums) sumErrors.set(sums, at);
      else sumErrors.fill(0);
    }
  }
}

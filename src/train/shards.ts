import { type Collective, type Part, partOf } from "../cluster/index.ts";
import { numel, type TensorData } from "../graph/index.ts";
import type { DeviceTensor } from "../runtime/index.ts";
import { addTotals, type Totals } from "./metrics.ts";
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

  /** `gradients` and `statistics` are shapes by name. */
  constructor(
    gradients: ReadonlyMap<string, readonly number[]>,
    statistics: ReadonlyMap<string, readonly number[]>,
    { shards, collective, fast }: { shards: number; collective: Collective; fast: boolean },
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
    this.#statistics = placed(statistics);
    this.part = partOf(shards, collective.size, collective.rank);
    this.#collective = collective;
    this.#fast = fast;
    const { from, to } = this.part;
    this.#arrays = Array.from({ length: to - from }, () => new Float32Array(new ArrayBuffer(4 * floats)));
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
    return statistics;
  }

  /** A shard without images adds nothing. */
  clear(shard: number): void {
    this.#arrays[shard - this.part.from]!.fill(0);
  }

  /** Sums everything over all shards; the sums are then those of this rank's first shard. */
  async sum(): Promise<void> {
    await this.#collective.allReduce(this.#arrays, { fast: this.#fast });
  }

  /** The running statistics after `sum`, divided by the weight of all shards. */
  statistics(weight: number): Map<string, TensorData> {
    const views = Object.entries(this.#views(this.part.from, this.#statistics, (name) => name));
    return new Map(
      views.map(([name, { data, ...type }]) => [
        name,
        { ...type, data: (data as Float32Array).map((sum) => sum / weight) } as TensorData,
      ]),
    );
  }

  /** What was measured of the whole batch. */
  async measured(own: readonly Measured[]): Promise<Measured> {
    const all = (await this.#collective.gather(own)).flat();
    return all.reduce((sum, one) => ({
      weight: sum.weight + one.weight,
      images: sum.images + one.images,
      loss: sum.loss + one.loss,
      totals: addTotals(sum.totals, one.totals),
    }));
  }
}

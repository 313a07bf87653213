/** Batches in a seeded order, prepared ahead of the consumer. Runs inline here; workers are a `BatchMaker` of their own. */
import { check, checkOptions, type TensorData, tensor } from "../graph/index.ts";
import { Random } from "../random.ts";
import { type BatchRequest, type Failure, type MadeBatch, makeBatch } from "./batch.ts";
import type { Dataset } from "./dataset.ts";
import { type Corrupt, DataError } from "./errors.ts";
import type { MixOptions } from "./mix.ts";
import { compileTransforms, type Transform } from "./transforms.ts";

/** Options of `dataLoader`. */
export interface LoaderOptions {
  readonly batchSize: number;
  /** Default: only the scaling to [0, 1]. */
  readonly transforms?: readonly Transform[] | undefined;
  /** Mixing of whole batches; batches then carry `targets`. */
  readonly mix?: MixOptions | undefined;
  /** A new random order for each epoch, from (seed, epoch). Default: the order of the set. */
  readonly shuffle?: boolean | undefined;
  readonly seed?: number | undefined;
  /** Leaves out a last batch that is not full. */
  readonly dropLast?: boolean | undefined;
  /** Leaves corrupt samples out of their batches and lists them in `skipped`; without it, they are errors. */
  readonly skipCorrupt?: boolean | undefined;
  /** The part of each epoch that this loader makes, where several ranks train together. Default: all of it. */
  readonly part?: LoaderPart | undefined;
}

/**
 * What one of several ranks loads: of every batch the shards `from` … `to`, of `shards` equal parts, each as a batch of its own; or
 * whole batches, each `size`-th from number `rank` on.
 */
export type LoaderPart =
  | { readonly shards: number; readonly from: number; readonly to: number }
  | { readonly rank: number; readonly size: number };

/** One batch of a loader. */
export interface Batch {
  readonly epoch: number;
  /** Position in the epoch. */
  readonly index: number;
  /** Which part of the batch it is, for a loader that makes shards; it may be without images. */
  readonly shard?: number;
  /** [N, C, H, W] */
  readonly images: TensorData<"float32">;
  /** [N]; −1 for samples that have a target and no label */
  readonly labels: TensorData<"int32">;
  /** [N, K]: the samples' targets, or the probability of each class if batches are mixed. */
  readonly targets?: TensorData<"float32">;
  /** Position of each row in the data set. */
  readonly samples: Uint32Array;
}

/** Statistics of the current epoch, or of the last one. */
export interface LoaderStats {
  readonly batches: number;
  readonly samples: number;
  /** ms from the start of the epoch to its latest batch, and at its end to its end */
  readonly elapsed: number;
  /** ms of it in which the consumer waited for a batch, the first one included */
  readonly waited: number;
  /** ms it waited for the first batch */
  readonly firstWait: number;
  /** Share of the time that was not spent waiting, 0 … 1. */
  readonly utilisation: number;
  /** How many workers made the batches; 0 is inline. */
  readonly workers: number;
}

/**
 * Batches of a data set. As an iterable it is one epoch after the other, each time in an order of its own if it shuffles:
 *
 *     for await (const { images, labels } of loader) …
 */
export interface Loader extends AsyncIterable<Batch> {
  readonly dataset: Dataset;
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  /** The batches of an epoch; `from` leaves out the earlier ones, so that a run can resume within an epoch. */
  epoch(epoch: number, options?: { readonly from?: number }): AsyncGenerator<Batch, void, undefined>;
  /** The first batch of epoch 0, for its shapes. It is kept: an epoch 0 that follows does not make it again. */
  first(): Promise<Batch>;
  /** Corrupt samples so far, each once, and what the reader of the set left out. */
  readonly skipped: readonly Corrupt[];
  readonly stats: LoaderStats;
  /** Ends workers; batches that are still being made are dropped. */
  close(): Promise<void>;
}

/** What makes batches: this thread, or a pool of workers. */
export interface BatchMaker {
  readonly workers: number;
  /** How many batches, beyond the one that the consumer has or waits for, may be made or in the making. */
  readonly ahead: number;
  make(request: BatchRequest): Promise<MadeBatch>;
  close(): Promise<void>;
}

/** Options of loaders, those of workers included. */
const LOADER_OPTIONS = [
  ...["batchSize", "transforms", "mix", "shuffle", "seed", "dropLast", "skipCorrupt"],
  ...["workers", "prefetch", "part"],
];

/** A loader that works in this thread, one batch ahead of the consumer. Runs everywhere. */
export function dataLoader(dataset: Dataset, options: LoaderOptions): Loader {
  return createLoader(dataset, options, inlineMaker(dataset, options));
}

function inlineMaker(dataset: Dataset, { transforms = [], seed = 0, mix }: LoaderOptions): BatchMaker {
  const pipeline = compileTransforms(transforms);
  return {
    workers: 0,
    ahead: 1,
    // As a task of its own: the consumer first gets the batch before, and an engine's threads work on it meanwhile.
    make: (request) =>
      new Promise((resolve, reject) =>
        setTimeout(() => makeBatch(dataset, pipeline, request, { seed, mix }).then(resolve, reject)),
      ),
    close: async () => {},
  };
}

/** Orders, keeps ahead, reports: everything about loading that does not depend on where batches are made. */
export function createLoader(dataset: Dataset, options: LoaderOptions, maker: BatchMaker): Loader {
  checkOptions("loader", options, LOADER_OPTIONS);
  const { batchSize, shuffle = false, seed = 0, dropLast = false, skipCorrupt = false, part } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1) throw new Error(`loader: batchSize must be ≥ 1, got ${batchSize}`);
  const batchesPerEpoch = Math[dropLast ? "floor" : "ceil"](dataset.length / batchSize);
  if (batchesPerEpoch === 0) {
    throw new DataError(
      `${dataset.length} samples make no batch of ${batchSize}; take a smaller batch or keep the last one`,
      {
        file: dataset.name,
      },
    );
  }
  const jobs = jobsOf(part, batchSize, batchesPerEpoch);
  const orders = new Map<number, Uint32Array>();
  const pending = new Map<number, Promise<MadeBatch>>();
  const skipped = new Map<number, Corrupt>();
  let epochs = 0;
  let stats = { batches: 0, samples: 0, elapsed: 0, waited: 0, firstWait: 0 };

  const order = (epoch: number): Uint32Array => {
    let samples = orders.get(epoch);
    if (!samples) {
      samples = shuffle
        ? new Random(seed, "shuffle", epoch).permutation(dataset.length)
        : Uint32Array.from({ length: dataset.length }, (_, i) => i);
      for (const old of orders.keys()) if (old < epoch - 1 || old > epoch) orders.delete(old);
      orders.set(epoch, samples);
    }
    return samples;
  };

  /** A batch by its running number, or the shard of one. */
  const request = (number: number): BatchRequest => {
    const { index, shard } = jobs.at(number % jobs.perEpoch);
    const epoch = Math.floor(number / jobs.perEpoch);
    const samples = order(epoch).slice(index * batchSize, (index + 1) * batchSize);
    if (shard === undefined) return { epoch, index, samples };
    const start = (shard: number) => Math.floor((shard * samples.length) / jobs.shards);
    return { epoch, index, shard, samples: samples.slice(start(shard), start(shard + 1)) };
  };

  /** Starts batches by their running number from `first` to `last`; forgets all others. */
  const keepAhead = (first: number, last: number): void => {
    for (const number of pending.keys()) if (number < first || number > last) pending.delete(number);
    for (let number = first; number <= last; number++) {
      if (pending.has(number)) continue;
      const made = maker.make(request(number));
      made.catch(() => {}); // it is reported where the batch is consumed, or never where nobody consumes it
      pending.set(number, made);
    }
  };

  const report = (failures: readonly Failure[]): void => {
    for (const { sample, reason, file, corrupt } of failures) {
      const error = new DataError(reason, {
        file: file ?? dataset.describe?.(sample) ?? `${dataset.name}, sample ${sample}`,
        skippable: corrupt,
      });
      if (!corrupt || !skipCorrupt) throw error;
      skipped.set(sample, { file: error.file!, reason });
    }
  };

  return {
    dataset,
    batchSize,
    batchesPerEpoch,
    [Symbol.asyncIterator]() {
      return this.epoch(epochs++);
    },
    async first() {
      if (pending.size === 0 && jobs.perEpoch > 0) keepAhead(0, 0);
      const whole = { epoch: 0, index: 0, samples: order(0).slice(0, batchSize) };
      const made = await (pending.get(0) ?? maker.make(jobs.perEpoch > 0 ? request(0) : whole));
      report(made.failures);
      if (made.samples.length > 0) return batchOf(made, 0, jobs.at(0));
      for await (const batch of this.epoch(0)) if (batch.samples.length > 0) return batch;
      throw new DataError("there is no batch", { file: dataset.name });
    },
    get skipped() {
      return [...(dataset.skipped ?? []), ...skipped.values()];
    },
    get stats() {
      const utilisation = stats.elapsed > 0 ? 1 - stats.waited / stats.elapsed : 1;
      return { ...stats, utilisation, workers: maker.workers };
    },
    close: () => maker.close(),
    async *epoch(epoch, { from = 0 } = {}) {
      const start = performance.now();
      stats = { batches: 0, samples: 0, elapsed: 0, waited: 0, firstWait: 0 };
      // A loader that shuffles trains: its next epoch will come, and is begun while this one is evaluated.
      const end = shuffle ? Number.POSITIVE_INFINITY : (epoch + 1) * jobs.perEpoch - 1;
      const begin = jobs.before(from);
      for (let job = begin; job < jobs.perEpoch; job++) {
        const number = epoch * jobs.perEpoch + job;
        const asked = performance.now();
        keepAhead(number, Math.min(end, number + maker.ahead * jobs.perBatch));
        const made = await pending.get(number)!;
        pending.delete(number);
        const now = performance.now();
        stats.waited += now - asked;
        if (job === begin) stats.firstWait = now - asked;
        stats.elapsed = now - start;
        report(made.failures);
        const at = jobs.at(job);
        // where every rank waits for the others, each has to have every batch
        if (made.samples.length === 0 && at.shard === undefined) continue;
        stats.batches++;
        stats.samples += made.samples.length;
        yield batchOf(made, epoch, at);
      }
      stats.elapsed = performance.now() - start;
      if (stats.samples === 0 && from === 0 && skipped.size > 0) {
        const [first] = skipped.values();
        throw new DataError(`every sample was skipped; the first: ${first?.file}: ${first?.reason}`, {
          file: dataset.name,
        });
      }
    },
  };
}

/** What a loader makes in an epoch, in its order: batches, or shards of batches. */
interface Jobs {
  readonly perEpoch: number;
  readonly perBatch: number;
  readonly shards: number;
  at(job: number): { readonly index: number; readonly shard?: number };
  /** How many jobs there are before a batch. */
  before(index: number): number;
}

function jobsOf(part: LoaderPart | undefined, batchSize: number, batches: number): Jobs {
  if (!part) return { perEpoch: batches, perBatch: 1, shards: 1, at: (index) => ({ index }), before: (index) => index };
  if ("size" in part) {
    const { rank, size } = part;
    const before = (index: number) => Math.max(0, Math.ceil((index - rank) / size));
    return { perEpoch: before(batches), perBatch: 1, shards: 1, at: (job) => ({ index: rank + job * size }), before };
  }
  const { shards, from, to } = part;
  checkBatchSize(batchSize, shards);
  const own = to - from;
  return {
    perEpoch: own * batches,
    perBatch: own,
    shards,
    at: (job) => ({ index: Math.floor(job / own), shard: from + (job % own) }),
    before: (index) => index * own,
  };
}

/** Throws if batches cannot be cut into equal shards. */
export function checkBatchSize(batchSize: number, shards: number): void {
  const below = Math.floor(batchSize / shards) * shards;
  check(
    batchSize % shards === 0,
    () =>
      `a batch of ${batchSize} images cannot be cut into ${shards} equal shards; set the batch size to ${below > 0 ? `${below} or ` : ""}${below + shards}`,
  );
}

function batchOf(
  { shape, images, labels, targets, samples }: MadeBatch,
  epoch: number,
  at: { readonly index: number; readonly shard?: number },
): Batch {
  const N = shape[0];
  return {
    epoch,
    ...at,
    images: tensor("float32", shape, images),
    labels: tensor("int32", [N], labels),
    ...(targets && { targets: tensor("float32", [N, targets.length / N], targets) }),
    samples,
  };
}

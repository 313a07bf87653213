/** Loading in worker threads. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import { PACKAGE } from "../../package.ts";
import type { BatchRequest, MadeBatch } from "../batch.ts";
import type { Dataset } from "../dataset.ts";
import { type BatchMaker, createLoader, dataLoader, type Loader, type LoaderOptions } from "../loader.ts";
import { parseTransforms } from "../transforms.ts";
import { shared } from "./source.ts";
import type { WorkerRequest, WorkerSettings } from "./worker.ts";

/** Options of `workerLoader`. */
export interface WorkerLoaderOptions extends LoaderOptions {
  /** Threads that decode and transform; 0 works in the calling thread. Default: half of the cores, 1 … 8. */
  readonly workers?: number | undefined;
  /** Batches that each worker may have ready or in the making. */
  readonly prefetch?: number | undefined;
}

/**
 * A loader whose batches are made by worker threads, ahead of the consumer. The batches are the same for any number of
 * workers. Call `close` when done; a process that forgets it still ends.
 */
export function workerLoader(dataset: Dataset, options: WorkerLoaderOptions): Loader {
  const { workers = Math.max(1, Math.min(8, availableParallelism() >> 1)), prefetch = 2 } = options;
  if (!Number.isInteger(workers) || workers < 0) throw new Error(`workerLoader: workers must be ≥ 0, got ${workers}`);
  if (!Number.isInteger(prefetch) || prefetch < 1)
    throw new Error(`workerLoader: prefetch must be ≥ 1, got ${prefetch}`);
  if (workers === 0) return dataLoader(dataset, options);
  return createLoader(dataset, options, workerMaker(dataset, options, workers, prefetch));
}

interface Waiting {
  resolve(made: MadeBatch): void;
  reject(error: Error): void;
}

interface Thread {
  readonly worker: Worker;
  readonly exited: Promise<void>;
  /** Requests sent and not answered. */
  load: number;
}

function workerMaker(
  dataset: Dataset,
  { transforms = [], seed = 0, mix }: LoaderOptions,
  workers: number,
  prefetch: number,
): BatchMaker {
  const { source, name, classes } = dataset;
  if (!source) {
    throw new Error(
      `${name}: workers cannot read this data set, because it has no \`source\`; give it one ` +
        '({ kind: "module", url, options } for a set of your own), or load with workers: 0',
    );
  }
  const settings: Omit<WorkerSettings, "source"> = {
    name,
    classes,
    transforms: parseTransforms(transforms),
    seed,
    mix,
  };
  const waiting = new Map<number, Waiting>();
  let failure: Error | undefined;
  let nextId = 0;

  const fail = (error: Error) => {
    failure ??= error;
    for (const { reject } of waiting.values()) reject(failure);
    waiting.clear();
  };

  const start = (workerData: WorkerSettings): Thread => {
    const worker = new Worker(workerUrl(), { workerData });
    const exited = new Promise<void>((resolve) => worker.once("exit", () => resolve()));
    const thread = { worker, exited, load: 0 };
    worker.on("message", ({ id, made, error }: { id: number; made?: MadeBatch; error?: string }) => {
      if (--thread.load === 0) worker.unref();
      const waiter = waiting.get(id);
      waiting.delete(id);
      if (made) waiter?.resolve(made);
      else waiter?.reject(new Error(error));
    });
    worker.on("error", (cause) => fail(new Error(`${name}: a loading worker failed: ${cause.message}`, { cause })));
    worker.on("exit", (code) => fail(new Error(`${name}: a loading worker ended with code ${code}`)));
    // only unanswered requests keep the process alive; listening would, so this comes after it
    worker.unref();
    return thread;
  };

  // sharp must be loaded in the main thread before any worker loads it (its documentation, "Worker threads").
  const decoder = source.kind === "memory" ? Promise.resolve() : import("sharp");
  const threads = decoder
    .then(() => shared(source))
    .then((source) => Array.from({ length: workers }, () => start({ ...settings, source })));
  threads.catch((error: Error) => fail(error));

  return {
    workers,
    ahead: workers * prefetch,
    async make(request: BatchRequest) {
      const all = await threads;
      if (failure) throw failure;
      const thread = all.reduce((least, other) => (other.load < least.load ? other : least));
      return new Promise((resolve, reject) => {
        const id = nextId++;
        waiting.set(id, { resolve, reject });
        if (thread.load++ === 0) thread.worker.ref();
        thread.worker.postMessage({ id, request } satisfies WorkerRequest);
      });
    },
    async close() {
      fail(new Error(`${name}: the loader is closed`));
      const all = await threads.catch(() => []);
      await Promise.all(all.map(end));
    },
  };
}

/** Milliseconds a worker may take to finish the batch at hand. */
const PATIENCE = 3000;

/** A worker in the midst of native decoding is better not terminated, so it is asked first. */
async function end({ worker, exited }: Thread): Promise<void> {
  worker.ref();
  worker.postMessage(null satisfies WorkerRequest);
  let timer: NodeJS.Timeout | undefined;
  const impatience = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, PATIENCE);
  });
  await Promise.race([exited, impatience]);
  clearTimeout(timer);
  await worker.terminate();
}

/**
 * Workers always run built JavaScript, also when this module is the TypeScript source itself, as under vitest: a worker thread does not
 * go through vitest's transforms, and Node 20 cannot run TypeScript. `npm test` builds first; after a change of what workers do,
 * `npm run build` brings dist/ up to date.
 */
function workerUrl(): URL {
  const built = new URL("dist/bundle/data/node/worker.js", PACKAGE);
  if (!existsSync(built)) throw new Error("loading with workers from the sources needs dist/: run npm run build");
  return built;
}

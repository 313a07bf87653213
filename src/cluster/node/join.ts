import { existsSync } from "node:fs";
import { deserialize, serialize } from "node:v8";
import { Worker } from "node:worker_threads";
import { PACKAGE } from "../../package.ts";
import type { Collective } from "../collective.ts";
import { ClusterError } from "./error.ts";
import { type Launch, launchOf } from "./launcher.ts";
import { loadKoffi } from "./library.ts";
import type { Answer, Joined, Question, Task } from "./worker.ts";

/** ms until a process that was to be aborted ends itself. */
const PATIENCE = 5000;

/**
 * Joins the ranks that MPI's launcher started: `mpirun -n 4 node train.js`. Open MPI and MPICH are found at run time and called through
 * koffi. Undefined if no launcher started this process, or only one rank.
 *
 *     const collective = await joinRanks();
 *     await fit(model, { …, ...(collective && { collective }) });
 *     await collective?.close();
 *
 * Throws a ClusterError that says what to install if koffi or the library of MPI is missing.
 */
export async function joinRanks(): Promise<Collective | undefined> {
  const launch = launchOf();
  return launch && join(launch);
}

async function join(launch: Launch): Promise<Collective> {
  const koffi = await loadKoffi();
  // UCX, below MPICH and Open MPI, patches munmap and brk of a process whose other threads are using them: one run in twenty crashed
  process.env.UCX_MEM_EVENTS ??= "n";
  const worker = new Worker(workerUrl(), { workerData: launch });
  /** `memory` is what the other thread reads and writes by address until it answers. */
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void; memory: unknown }>();
  let nextId = 0;
  let failure: Error | undefined;
  const { rank, size, hosts } = await new Promise<Joined>((resolve, reject) => {
    const fail = (error: Error) => {
      failure ??= error;
      reject(failure);
      for (const { reject } of waiting.values()) reject(failure);
      waiting.clear();
    };
    worker.once("message", (joined: Joined) => {
      resolve(joined);
      worker.on("message", ({ id, value, error }: Answer) => {
        const waiter = waiting.get(id);
        waiting.delete(id);
        if (error === undefined) waiter?.resolve(value);
        else waiter?.reject(new ClusterError(error));
      });
    });
    worker.on("error", (error) => fail(new ClusterError(error.message, { cause: error })));
    worker.on("exit", () => fail(new ClusterError("this rank has left the others")));
  });
  const ask = <T>(task: Task, memory?: unknown): Promise<T> =>
    new Promise((resolve, reject) => {
      if (failure) return reject(failure);
      const id = nextId++;
      waiting.set(id, { resolve: resolve as (value: unknown) => void, reject, memory });
      worker.postMessage({ ...task, id } satisfies Question);
    });

  return {
    rank,
    size,
    hosts,
    local: hosts.filter((host) => host === hosts[rank]).length,
    async allReduce(parts, { fast = false, compression } = {}) {
      const [{ length: floats } = { length: 0 }] = parts;
      // an array of a few numbers lies in JavaScript's heap until its buffer is asked for
      const at = (array: Float32Array) => (array.buffer.byteLength > 0 ? koffi.address(array) : 0n);
      const compressed = compression && {
        ...{ to: compression.to, floats: compression.floats },
        errors: compression.errors.map(at),
        sumErrors: at(compression.sumErrors),
      };
      if (floats === 0) return;
      const task = {
        do: "sum",
        parts: parts.map(at),
        floats,
        fast,
        ...(compressed && { compression: compressed }),
      } as const;
      await ask(task, [parts, compression]);
    },
    async gather<T>(value: T) {
      const all = await ask<Uint8Array[]>({ do: "gather", bytes: serialize(value) });
      return all.map((bytes) => deserialize(bytes) as T);
    },
    async broadcast<T>(value: T) {
      const bytes = rank === 0 ? serialize(value) : new Uint8Array();
      const sent = await ask<Uint8Array>({ do: "broadcast", bytes });
      return rank === 0 ? value : (deserialize(sent) as T);
    },
    barrier: () => ask({ do: "barrier" }),
    async abort(code) {
      setTimeout(() => process.exit(code), PATIENCE);
      worker.postMessage({ do: "abort", code, id: nextId++ } satisfies Question);
      return new Promise<never>(() => {});
    },
    close: () => ask({ do: "close" }),
  };
}

/** The worker runs built JavaScript, from the sources as well: Node 20 cannot run TypeScript. */
function workerUrl(): URL {
  const built = new URL("dist/bundle/cluster/node/worker.js", PACKAGE);
  if (!existsSync(built)) throw new ClusterError("ranks from the sources need dist/: run npm run build");
  return built;
}

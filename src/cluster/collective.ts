import { addInto, type Compression, compress, expand } from "./compress.ts";
import { additions } from "./plan.ts";

/** Options of `allReduce`. */
export interface AllReduceOptions {
  /** Leaves the order of the sums between ranks to MPI_Allreduce: other numbers of ranks then give other last bits. */
  readonly fast?: boolean;
  /** Sends numbers in 16 bits; not together with `fast`. */
  readonly compression?: Compression;
}

/** Processes that train together, as MPI starts them. Every rank has to make the same calls in the same order. */
export interface Collective {
  /** Which of the ranks this process is, from 0. */
  readonly rank: number;
  readonly size: number;
  /** Host of each rank. */
  readonly hosts: readonly string[];
  /** Ranks on this host, this one included. */
  readonly local: number;
  /**
   * Sums arrays over all shards of all ranks: `parts` are those of this rank's shards, and the first of them gets the result, the same
   * on every rank. It is added up in one order for any number of ranks (see `Subtree`). All parts may be written over.
   */
  allReduce(parts: readonly Float32Array[], options?: AllReduceOptions): Promise<void>;
  /** The values of all ranks, in their order; anything that `structuredClone` copies. */
  gather<T>(value: T): Promise<T[]>;
  /** The value of rank 0, on every rank. */
  broadcast<T>(value: T): Promise<T>;
  /** Waits for all ranks. */
  barrier(): Promise<void>;
  /** Ends all ranks with this exit code. */
  abort(code: number): Promise<never>;
  /** Waits for all ranks and leaves. */
  close(): Promise<void>;
}

/** The collective of a process that trains by itself. */
export function oneProcess({ host = "localhost" }: { host?: string } = {}): Collective {
  return {
    rank: 0,
    size: 1,
    hosts: [host],
    local: 1,
    async allReduce(parts, { compression } = {}) {
      if (compression) {
        const { to, floats, errors } = compression;
        const half = new Uint16Array(floats);
        for (const [i, part] of parts.entries()) roundedIn(to, part.subarray(0, floats), errors[i]!, half);
      }
      const shards = parts.map((_, i) => ({ from: i, to: i + 1 }));
      for (const { into, other } of additions({ from: 0, to: parts.length }, shards))
        addInto(parts[into]!, parts[other]!);
      if (compression) {
        const { to, floats, sumErrors } = compression;
        roundedIn(to, parts[0]!.subarray(0, floats), sumErrors, new Uint16Array(floats));
      }
    },
    gather: async (value) => [value],
    broadcast: async (value) => value,
    barrier: async () => {},
    async abort(code) {
      throw new Error(`aborted with code ${code}`);
    },
    close: async () => {},
  };
}

/** Values as they would arrive if they were sent. */
function roundedIn(to: Compression["to"], values: Float32Array, errors: Float32Array, half: Uint16Array): void {
  compress(to, values, errors, half);
  expand(to, half, values);
}

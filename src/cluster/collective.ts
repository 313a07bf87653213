import { plannedSums } from "./plan.ts";

/** Options of `allReduce`. */
export interface AllReduceOptions {
  /** Leaves the order of the sums between ranks to MPI_Allreduce: with many ranks it is faster, and other ranks give other last bits. */
  readonly fast?: boolean;
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
   * on every rank. It is added up in one order for any number of ranks (see `plannedSums`). All parts are written over.
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
    async allReduce(parts) {
      for (const { into, other } of plannedSums(parts.length, 1, 0))
        if ("buffer" in other) addInto(parts[into]!, parts[other.buffer]!);
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

function addInto(sum: Float32Array, other: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + other[i]!;
}

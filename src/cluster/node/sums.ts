/** How ranks sum arrays in a fixed order: each adds up one slice for all of them, and sends it to all. In the thread that calls MPI. */
import { addInto, compress, expand, type WireType } from "../compress.ts";
import { additions, pieceLength, planSums, type SumPlan, sliceOf } from "../plan.ts";
import type { Address, loadKoffi, Mpi, Request } from "./library.ts";

/** Arrays to sum over all shards. */
export interface SumTask {
  readonly do: "sum";
  readonly parts: readonly Address[];
  readonly floats: number;
  readonly fast: boolean;
  readonly compression?: {
    readonly to: WireType;
    readonly floats: number;
    readonly errors: readonly Address[];
    readonly sumErrors: Address;
  };
}

/** What sums need of the thread that they run in. */
export interface SumContext {
  readonly koffi: Awaited<ReturnType<typeof loadKoffi>>;
  readonly mpi: Mpi;
  readonly comm: ReturnType<Mpi["duplicate"]>;
  readonly rank: number;
  /** Of each rank. */
  readonly hosts: readonly string[];
  /** Until all requests are done; keeps `memory` so long. */
  all(requests: readonly Request[], ...memory: unknown[]): Promise<void>;
}

/** How many pieces may be on their way. */
const LANES = 8;
/**
 * Bytes of a message to another host. Over TCP, MPI asks the receiver before it sends a longer one (from 64 kB), and the answer waits
 * behind all that is on its way in the other direction, so that a link carries one direction after the other.
 */
const MESSAGE = 60 * 1024;
/** A tag may be as large as 32,767 everywhere. */
const TAGS = 32768;

/** Memory outside of JavaScript's heap, which does not move. */
export const memory = (bytes: number): Uint8Array => new Uint8Array(new ArrayBuffer(bytes));

/** Gives the function that sums arrays. */
export function summer({ koffi, mpi, comm, rank, hosts, all }: SumContext): (task: SumTask) => Promise<void> {
  const size = hosts.length;
  const others = Array.from({ length: size - 1 }, (_, i) => (rank + 1 + i) % size);
  const length = pieceLength(size);
  // a second ArrayBuffer over memory of the other thread would not be safe
  const copy = koffi.load(null).func("void *memcpy(intptr_t into, intptr_t from, size_t bytes)");
  let pieces = 0;

  /** Starts the messages that carry so many bytes to or from another rank. */
  function messages(start: "isend" | "ireceive", at: Address, bytes: number, other: number, tag: number): Request[] {
    const longest = hosts[other] === hosts[rank] ? bytes : MESSAGE;
    const requests: Request[] = [];
    for (let from = 0; from < bytes; from += longest)
      requests.push(mpi[start](at + BigInt(from), Math.min(longest, bytes - from), other, tag, comm));
    return requests;
  }
  const send = messages.bind(undefined, "isend");
  const receive = messages.bind(undefined, "ireceive");

  const idle: Uint8Array[] = [];
  /** Lends memory to `work`, which has only its address: to be put back here keeps it from the garbage collector until then. */
  async function withMemory(bytes: number, work: (at: Address) => Promise<void>): Promise<void> {
    const fitting = idle.findIndex(({ length }) => length >= bytes);
    const [block = memory(bytes)] = fitting < 0 ? [] : idle.splice(fitting, 1);
    try {
      await work(bytes > 0 ? koffi.address(block) : 0n);
    } finally {
      if (bytes > 0) idle.push(block);
    }
  }

  const plans = new Map<number, SumPlan>();
  /** For this many shards a rank. */
  const planOf = (own: number): SumPlan => {
    const known = plans.get(own) ?? planSums(own * size, size, rank);
    plans.set(own, known);
    return known;
  };

  /** Sums one piece of float32; `at` are its addresses in the parts. */
  async function sumPiece(plan: SumPlan, at: readonly Address[], floats: number, tag: number): Promise<void> {
    for (const { into, other } of plan.local) mpi.add(at[into]!, at[other]!, floats);
    const slice = (of: number) => sliceOf(floats, size, of);
    const own = slice(rank);
    const bytes = 4 * (own.to - own.from);
    await withMemory(bytes * plan.buffers.length, async (base) => {
      const buffers = plan.buffers.map((buffer, i) =>
        buffer.rank === rank ? at[buffer.part]! + BigInt(4 * own.from) : base + BigInt(bytes * i),
      );
      const requests = plan.buffers.flatMap((buffer, i) =>
        buffer.rank === rank ? [] : receive(buffers[i]!, bytes, buffer.rank, tag),
      );
      for (const to of others) {
        const { from, to: end } = slice(to);
        for (const part of plan.sent) requests.push(...send(at[part]! + BigInt(4 * from), 4 * (end - from), to, tag));
      }
      await all(requests);
      for (const { into, other } of plan.rest) mpi.add(buffers[into]!, buffers[other]!, own.to - own.from);
      const first = at[0]!;
      await all(
        others.flatMap((other) => {
          const { from, to } = slice(other);
          return [
            ...receive(first + BigInt(4 * from), 4 * (to - from), other, tag),
            ...send(first + BigInt(4 * own.from), bytes, other, tag),
          ];
        }),
      );
    });
  }

  /** Sums one piece whose numbers travel in 16 bits. */
  async function sumCompressed(parts: readonly Float32Array[], errors: readonly Float32Array[], how: Rounding) {
    const { to, sumErrors, tag } = how;
    const floats = parts[0]!.length;
    const slice = (of: number) => sliceOf(floats, size, of);
    const own = slice(rank);
    const width = own.to - own.from;
    const mine = parts.map((part, i) => {
      const half = new Uint16Array(new ArrayBuffer(2 * floats));
      compress(to, part, errors[i]!, half);
      return half;
    });
    const received = new Uint16Array(new ArrayBuffer(2 * width * parts.length * size));
    const shard = (index: number) => received.subarray(index * width, (index + 1) * width);
    const requests: Request[] = [];
    for (const other of others) {
      const { from, to: end } = slice(other);
      for (const [i, half] of mine.entries()) {
        const into = shard(other * parts.length + i);
        requests.push(...receive(koffi.address(into), into.byteLength, other, tag));
        const sent = half.subarray(from, end);
        requests.push(...send(koffi.address(sent), sent.byteLength, other, tag));
      }
    }
    await all(requests, received, mine);
    for (const [i, half] of mine.entries()) shard(rank * parts.length + i).set(half.subarray(own.from, own.to));
    const count = parts.length * size;
    const summands = Array.from({ length: count }, (_, i) => {
      const wide = new Float32Array(width);
      expand(to, shard(i), wide);
      return wide;
    });
    const leaves = summands.map((_, i) => ({ from: i, to: i + 1 }));
    for (const { into, other } of additions({ from: 0, to: count }, leaves)) addInto(summands[into]!, summands[other]!);
    const sum = new Uint16Array(new ArrayBuffer(2 * floats));
    compress(to, summands[0]!, sumErrors.subarray(own.from, own.to), sum.subarray(own.from, own.to));
    await all(
      others.flatMap((other) => {
        const { from, to: end } = slice(other);
        const into = sum.subarray(from, end);
        const result = sum.subarray(own.from, own.to);
        return [
          ...receive(koffi.address(into), into.byteLength, other, tag),
          ...send(koffi.address(result), result.byteLength, other, tag),
        ];
      }),
      sum,
    );
    expand(to, sum, parts[0]!);
  }

  /** Several pieces at a time, in their order. */
  async function inLanes(floats: number, work: (start: number, count: number, tag: number) => Promise<void>) {
    const starts = Array.from({ length: Math.ceil(floats / length) }, (_, i) => i * length);
    const first = pieces;
    pieces += starts.length;
    let next = 0;
    const lane = async () => {
      while (next < starts.length) {
        const piece = next++;
        const start = starts[piece]!;
        await work(start, Math.min(length, floats - start), (first + piece) % TAGS);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }

  return async ({ parts, floats, fast, compression }) => {
    const from = (at: Address, float: number) => at + BigInt(4 * float);
    if (fast) {
      const [first, ...rest] = parts as readonly [Address, ...Address[]];
      const requests: Request[] = [];
      for (let start = 0; start < floats; start += length) {
        const count = Math.min(length, floats - start);
        for (const other of rest) mpi.add(from(first, start), from(other, start), count);
        requests.push(mpi.iallReduce(from(first, start), count, comm));
      }
      return all(requests);
    }
    const compressed = compression?.floats ?? 0;
    const exact = inLanes(floats - compressed, (start, count, tag) =>
      sumPiece(
        planOf(parts.length),
        parts.map((part) => from(part, compressed + start)),
        count,
        tag,
      ),
    );
    if (!compression) return exact;
    await inLanes(compressed, async (start, count, tag) => {
      const all = [...parts, ...compression.errors, compression.sumErrors].map((array) => from(array, start));
      const arrays = all.map((at) => {
        const array = new Float32Array(new ArrayBuffer(4 * count));
        copy(koffi.address(array), at, 4 * count);
        return array;
      });
      const [values, errors] = [arrays.slice(0, parts.length), arrays.slice(parts.length, -1)];
      await sumCompressed(values, errors, { ...{ to: compression.to, tag }, sumErrors: arrays.at(-1)! });
      for (const [i, array] of arrays.entries()) copy(all[i]!, koffi.address(array), 4 * count);
    });
    return exact;
  };
}

interface Rounding {
  readonly to: NonNullable<SumTask["compression"]>["to"];
  readonly sumErrors: Float32Array;
  readonly tag: number;
}

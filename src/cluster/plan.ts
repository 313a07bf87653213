import { check } from "../graph/index.ts";

/** Shards `from` … `to`, of `shards` in all. */
export interface Part {
  readonly shards: number;
  readonly from: number;
  readonly to: number;
}

/** The shards that a rank computes: as many for each, in order. */
export function partOf(shards: number, size: number, rank: number): Part {
  const own = shards / size;
  return { shards, from: rank * own, to: (rank + 1) * own };
}

/** Throws if the shards cannot be given to this many ranks evenly. */
export function checkShards(shards: number, size: number): void {
  check(Number.isInteger(shards) && shards >= 1, () => `shards has to be a whole number ≥ 1, but is ${shards}`);
  check(shards % size === 0, () => {
    const numbers = Array.from({ length: shards }, (_, i) => i + 1).filter((ranks) => shards % ranks === 0);
    return `batches are cut into ${shards} shard${shards === 1 ? "" : "s"}, which ${size} ranks cannot share evenly; start ${numbers.join(", ").replace(/, (\d+)$/, " or $1")} rank${shards === 1 ? "" : "s"}`;
  });
}

/**
 * A node of the tree over all shards: the sum of the shards `from` … `to`.
 *
 *     0   1   2   3       shards
 *      \ /     \ /
 *      0+1     2+3        a balanced binary tree, whatever the number of ranks
 *         \   /
 *        sum of all
 */
export type Subtree = Pick<Part, "from" | "to">;

const middle = ({ from, to }: Subtree): number => from + Math.ceil((to - from) / 2);

/** The largest nodes of the tree whose shards are all in the part, in order: what a rank can add up by itself. */
export function subtreesIn(part: Part): Subtree[] {
  const within = (node: Subtree): Subtree[] => {
    if (node.to <= part.from || node.from >= part.to) return [];
    if (node.from >= part.from && node.to <= part.to) return [node];
    return [...within({ from: node.from, to: middle(node) }), ...within({ from: middle(node), to: node.to })];
  };
  return within({ from: 0, to: part.shards });
}

/** One addition: buffer `into` += buffer `other`. */
export interface Addition {
  readonly into: number;
  readonly other: number;
}

/**
 * The additions that make a node of the tree from nodes below it, each in a buffer, in the order of their shards. The sum ends up in
 * the first buffer of those that count as `own` (all by default). Which of two buffers it replaces is free, since a + b = b + a to the
 * last bit.
 */
export function additions(
  node: Subtree,
  given: readonly Subtree[],
  own: (buffer: number) => boolean = () => true,
): Addition[] {
  const list: Addition[] = [];
  const add = ({ from, to }: Subtree): number => {
    const known = given.findIndex((one) => one.from === from && one.to === to);
    if (known >= 0) return known;
    const at = middle({ from, to });
    const [left, right] = [add({ from, to: at }), add({ from: at, to })];
    const [into, other] = own(left) || !own(right) ? [left, right] : [right, left];
    list.push({ into, other });
    return into;
  };
  add(node);
  return list;
}

/** Which of the `length` numbers of an array a rank adds up for all: as many for each, but for one. */
export function sliceOf(length: number, size: number, rank: number): Subtree {
  return { from: Math.floor((length * rank) / size), to: Math.floor((length * (rank + 1)) / size) };
}

/** Numbers of the pieces that travel by themselves: 4 MB, or more where slices of them would be small. */
export const pieceLength = (size: number): number => Math.max(2 ** 20, 2 ** 14 * size);

/** What a rank adds up of an array that travels in pieces. */
export function slicesOf(length: number, size: number, rank: number): Subtree[] {
  const piece = pieceLength(size);
  return Array.from({ length: Math.ceil(length / piece) }, (_, i) => {
    const { from, to } = sliceOf(Math.min(piece, length - i * piece), size, rank);
    return { from: i * piece + from, to: i * piece + to };
  });
}

/** How a rank takes part in a sum over all shards. Parts are those of its own shards, from 0. */
export interface SumPlan {
  /** What it adds up first, among its own parts. */
  readonly local: readonly Addition[];
  /** The parts that it sends then: to each rank, the slice that this one adds up. */
  readonly sent: readonly number[];
  /** What it adds up for all: its slice of the parts that all ranks send, in order. */
  readonly buffers: readonly { readonly rank: number; readonly part: number }[];
  /** Additions of those; the sum ends up in this rank's first part. */
  readonly rest: readonly Addition[];
}

/** The plan of a rank: every rank adds up one slice over all shards, in the order of the tree, and sends it to all. */
export function planSums(shards: number, size: number, rank: number): SumPlan {
  const parts = Array.from({ length: size }, (_, one) => partOf(shards, size, one));
  const nodes = parts.map(subtreesIn);
  const buffers = nodes.flatMap((list, one) => list.map(({ from }) => ({ rank: one, part: from - parts[one]!.from })));
  const { from: first, to } = parts[rank]!;
  const leaves = Array.from({ length: to - first }, (_, i) => ({ from: first + i, to: first + i + 1 }));
  return {
    local: nodes[rank]!.flatMap((node) => additions(node, leaves)),
    sent: nodes[rank]!.map(({ from }) => from - first),
    buffers,
    rest: additions({ from: 0, to: shards }, nodes.flat(), (buffer) => buffers[buffer]!.rank === rank),
  };
}

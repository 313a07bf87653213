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

/** One addition of the tree as a rank does it. Buffers are those of its own shards, counted from 0. */
export interface PlannedSum {
  /** The buffer that holds one summand, and then the sum. */
  readonly into: number;
  /** The buffer that holds the other summand, or the rank that sends it. */
  readonly other: { readonly buffer: number } | { readonly rank: number };
  /** What to send before the sum replaces it. */
  readonly sends: readonly { readonly buffer: number; readonly rank: number }[];
}

/**
 * The sum over all shards, as one rank computes it; its first buffer ends up with the result.
 *
 *     0   1   2   3       shards
 *      \ /     \ /
 *      0+1     2+3        a balanced binary tree, whatever the number of ranks
 *         \   /
 *        sum of all
 *
 * Every rank below a node gets its value: for as many ranks as shards, this is recursive doubling. The order of the summands differs
 * between ranks, but a + b = b + a to the last bit, so that all ranks hold the same numbers.
 */
export function plannedSums(shards: number, size: number, rank: number): PlannedSum[] {
  const own = shards / size;
  const ranksOf = (from: number, to: number) => {
    const first = Math.floor(from / own);
    return Array.from({ length: Math.ceil(to / own) - first }, (_, i) => first + i);
  };
  const buffer = (from: number) => Math.max(from - rank * own, 0);
  const sums: PlannedSum[] = [];
  const add = (from: number, to: number): void => {
    if (to - from === 1) return;
    const middle = from + Math.ceil((to - from) / 2);
    const [left, right] = [ranksOf(from, middle), ranksOf(middle, to)];
    const [inLeft, inRight] = [left.includes(rank), right.includes(rank)];
    if (inLeft) add(from, middle);
    if (inRight) add(middle, to);
    const lacking = (side: number[], others: number[]) => side.filter((one) => !others.includes(one));
    const source = (one: number, takers: number[], givers: number[]) => givers[takers.indexOf(one) % givers.length]!;
    const sends = (mine: boolean, start: number, givers: number[], takers: number[]) =>
      mine
        ? takers
            .filter((one) => source(one, takers, givers) === rank)
            .map((one) => ({ buffer: buffer(start), rank: one }))
        : [];
    const [needLeft, needRight] = [lacking(right, left), lacking(left, right)];
    sums.push({
      into: buffer(inLeft ? from : middle),
      other:
        inLeft && inRight
          ? { buffer: buffer(middle) }
          : { rank: inLeft ? source(rank, needRight, right) : source(rank, needLeft, left) },
      sends: [...sends(inLeft, from, left, needLeft), ...sends(inRight, middle, right, needRight)],
    });
  };
  add(0, shards);
  return sums;
}

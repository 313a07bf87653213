/*
 * Where to break a long row: so that the whole is least high, by dynamic programming from the end.
 */

/** Pixels of height that a row is worth beyond its own, and an empty one. */
const ROW = 60;
const SLACK = 60;

/**
 * The cells at which rows begin. `measure` gives the length and height of a row of cells from `start` up to `end`; no row is
 * longer than the limit unless it is a single cell. Room that is left at the end of a row counts a little, so that rows
 * come out even.
 */
export function breakRows(
  count: number,
  limit: number,
  measure: (start: number, end: number) => { readonly length: number; readonly height: number },
): number[] {
  const best: { cost: number; end: number }[] = [];
  best[count] = { cost: 0, end: count };
  for (let start = count - 1; start >= 0; start--) {
    for (let end = start + 1; end <= count; end++) {
      const { length, height } = measure(start, end);
      if (length > limit && end > start + 1) break;
      const slack = end === count ? 0 : Math.max(0, 1 - length / limit);
      const cost = height + ROW + SLACK * slack ** 2 + best[end]!.cost;
      if (cost < (best[start]?.cost ?? Infinity)) best[start] = { cost, end };
    }
  }
  const starts: number[] = [];
  for (let start = 0; start < count; start = best[start]!.end) starts.push(start);
  return starts;
}

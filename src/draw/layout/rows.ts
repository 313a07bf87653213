/*
 * Where to break a long row so that the drawing is as low as possible, by dynamic programming from the end.
 */

/** Cost of a row in pixels of height beyond its own, and of an empty row. */
const ROW = 60;
const SLACK = 60;

/**
 * The cells at which rows begin. `measure` gives the length and height of a row of cells from `start` up to `end`; only a row
 * of a single cell may be longer than the limit. Unused room at the end of a row costs a little, so that rows come out even.
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

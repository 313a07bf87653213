import { expect, it } from "vitest";
import { labelQuality } from "../../src/train/label-tally.ts";

/** Columns of scores and targets as the batch [N, K] that they make. */
function batch(...columns: readonly (readonly [scores: readonly number[], targets: readonly number[]])[]) {
  const rows = columns[0]![0].length;
  const flat = (which: 0 | 1) =>
    Float32Array.from(
      { length: rows * columns.length },
      (_, i) => columns[i % columns.length]![which][Math.floor(i / columns.length)]!,
    ); // prettier-ignore
  return { scores: flat(0), targets: flat(1) };
}

it("average precision is scikit-learn's, also with equal scores", () => {
  // sklearn.metrics.average_precision_score of both columns
  const first = [
    [0.1, 0.4, 0.35, 0.8],
    [0, 0, 1, 1],
  ] as const; // prettier-ignore
  const second = [
    [1, 1, 0, 1],
    [1, 0, 1, 0],
  ] as const; // prettier-ignore
  const { perLabel, meanAveragePrecision } = labelQuality([batch(first, second)], 2);
  expect(perLabel[0]!.averagePrecision).toBeCloseTo(0.8333333333, 9);
  expect(perLabel[1]!.averagePrecision).toBeCloseTo(0.4166666667, 9);
  expect(meanAveragePrecision).toBeCloseTo(0.625, 9);
});

it("counts a label as given above a score of 0, over all batches", () => {
  const [{ images, precision, recall, f1 }] = labelQuality(
    [
      batch([
        [2, -1],
        [1, 1],
      ]),
      batch([
        [3, 0],
        [0, 0],
      ]),
    ], // prettier-ignore
    1,
  ).perLabel as [ReturnType<typeof labelQuality>["perLabel"][0]];
  expect({ images, precision, recall, f1 }).toEqual({ images: 2, precision: 0.5, recall: 0.5, f1: 0.5 });
});

it("leaves labels that no image has out of the mean", () => {
  const { perLabel, meanAveragePrecision } = labelQuality([batch([[1], [1]], [[-1], [0]])], 2);
  expect(perLabel[1]).toEqual({
    images: 0,
    precision: Number.NaN,
    recall: Number.NaN,
    f1: Number.NaN,
    averagePrecision: Number.NaN,
  });
  expect(meanAveragePrecision).toBe(1);
});

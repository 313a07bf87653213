import type { LabelQuality } from "./evaluation.ts";

/** Scores of a batch before the sigmoid, and what is right, both [N, K]. */
export interface LabelScores {
  readonly scores: Float32Array;
  readonly targets: Float32Array;
}

/** How well each of K labels is found in all batches, and the mean of their average precision. */
export function labelQuality(batches: readonly LabelScores[], K: number) {
  const perLabel = Array.from({ length: K }, (_, k) => qualityOf(batches, k, K));
  const precisions = perLabel.map(({ averagePrecision }) => averagePrecision).filter((value) => !Number.isNaN(value));
  const meanAveragePrecision = precisions.reduce((sum, value) => sum + value, 0) / precisions.length;
  return { perLabel, meanAveragePrecision };
}

function qualityOf(batches: readonly LabelScores[], k: number, K: number): LabelQuality {
  const ranked: { score: number; has: boolean }[] = [];
  for (const { scores, targets } of batches)
    for (let i = k; i < scores.length; i += K) ranked.push({ score: scores[i]!, has: targets[i]! > 0.5 });
  ranked.sort((a, b) => b.score - a.score);
  const images = ranked.filter(({ has }) => has).length;
  const given = ranked.filter(({ score }) => score > 0).length;
  const hits = ranked.filter(({ score, has }) => has && score > 0).length;
  return {
    images,
    precision: hits / given,
    recall: hits / images,
    f1: (2 * hits) / (given + images),
    averagePrecision: averagePrecision(ranked, images),
  };
}

/** Σ precision × increase of recall, at each score; images of equal score count together. */
function averagePrecision(ranked: readonly { score: number; has: boolean }[], images: number): number {
  let [sum, hits] = [0, 0];
  for (let i = 0; i < ranked.length; ) {
    const { score } = ranked[i]!;
    let found = 0;
    for (; i < ranked.length && ranked[i]!.score === score; i++) if (ranked[i]!.has) found++;
    hits += found;
    sum += (hits / i) * found;
  }
  return sum / images;
}

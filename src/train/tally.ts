import { check } from "../graph/index.ts";
import type { Evaluation, Mistake } from "./evaluation.ts";

/** What is counted of one image. */
export interface Judgement extends Mistake {
  /** Its loss, as terms of a sum; with certain classes there is one. */
  readonly loss: readonly number[];
  /** Whether the right class is among the five most likely. */
  readonly top5: boolean;
}

/**
 * Judges a batch: `log` holds log-probabilities [N, K]; `targets` probabilities [N, K], if the classes are not certain. Throws for a
 * label that is not one of the classes.
 */
export function judge(
  log: Float32Array,
  K: number,
  { labels, samples, targets }: { labels: ArrayLike<number>; samples: ArrayLike<number>; targets?: ArrayLike<number> },
): Judgement[] {
  return Array.from({ length: labels.length }, (_, n) => {
    const row = log.subarray(n * K, (n + 1) * K);
    const label = labels[n]!;
    check(label < K, () => `evaluate: label ${label} is not one of the ${K} classes of the network`);
    const loss = targets ? [] : [-row[label]!];
    let predicted = 0;
    let before = 0;
    for (let k = 0; k < K; k++) {
      if (row[k]! > row[predicted]!) predicted = k;
      if (row[k]! > row[label]! || (row[k] === row[label] && k < label)) before++;
      if (targets && targets[n * K + k]! > 0) loss.push(-targets[n * K + k]! * row[k]!);
    }
    return { sample: samples[n]!, label, predicted, probability: Math.exp(row[predicted]!), loss, top5: before < 5 };
  });
}

/** Counts correct and wrong classifications as batches come in. */
export class Tally {
  readonly #keep: number;
  readonly #confusion: number[][];
  #images = 0;
  #loss = 0;
  #top5 = 0;
  #worst: Mistake[] = [];

  constructor(classes: number, keep: number) {
    this.#keep = keep;
    this.#confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  }

  add(judgements: readonly Judgement[]): void {
    for (const { loss, top5, ...mistake } of judgements) {
      this.#images++;
      for (const term of loss) this.#loss += term;
      if (top5) this.#top5++;
      this.#confusion[mistake.label]![mistake.predicted]!++;
      if (mistake.predicted !== mistake.label) this.#remember(mistake);
    }
  }

  #remember(mistake: Mistake): void {
    this.#worst.push(mistake);
    if (this.#worst.length < 4 * this.#keep + 64) return;
    this.#worst = this.#sorted();
  }

  #sorted(): Mistake[] {
    return this.#worst.sort((a, b) => b.probability - a.probability || a.sample - b.sample).slice(0, this.#keep);
  }

  /** What was counted. */
  result(): Omit<Evaluation, "seconds" | "metrics"> {
    const confusion = this.#confusion;
    const total = (row: readonly number[]) => row.reduce((sum, count) => sum + count, 0);
    const right = confusion.reduce((sum, row, label) => sum + row[label]!, 0);
    return {
      images: this.#images,
      loss: this.#loss / this.#images,
      top1: right / this.#images,
      top5: this.#top5 / this.#images,
      perClass: confusion.map((row, label) => row[label]! / total(row)),
      confusion,
      worst: this.#sorted(),
    };
  }
}

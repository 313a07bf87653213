import { check } from "../graph/index.ts";
import type { Evaluation, Mistake } from "./evaluation.ts";

/** Counts correct and wrong classifications as batches come in. */
export class Tally {
  readonly #classes: number;
  readonly #keep: number;
  readonly #confusion: number[][];
  #images = 0;
  #loss = 0;
  #top5 = 0;
  #worst: Mistake[] = [];

  constructor(classes: number, keep: number) {
    this.#classes = classes;
    this.#keep = keep;
    this.#confusion = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  }

  /** `log` holds log-probabilities [N, K]; `targets` probabilities [N, K], if the classes are not certain. */
  add(log: Float32Array, labels: ArrayLike<number>, samples: ArrayLike<number>, targets?: ArrayLike<number>): void {
    const K = this.#classes;
    for (let n = 0; n < labels.length; n++) {
      const row = log.subarray(n * K, (n + 1) * K);
      const label = labels[n]!;
      check(label < K, () => `evaluate: label ${label} is not one of the ${K} classes of the network`);
      let predicted = 0;
      let before = 0;
      for (let k = 0; k < K; k++) {
        if (row[k]! > row[predicted]!) predicted = k;
        if (row[k]! > row[label]! || (row[k] === row[label] && k < label)) before++;
        if (targets && targets[n * K + k]! > 0) this.#loss -= targets[n * K + k]! * row[k]!;
      }
      this.#images++;
      if (!targets) this.#loss -= row[label]!;
      if (before < 5) this.#top5++;
      this.#confusion[label]![predicted]!++;
      if (predicted !== label)
        this.#remember({ sample: samples[n]!, label, predicted, probability: Math.exp(row[predicted]!) });
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

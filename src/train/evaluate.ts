import type { Loader } from "../data/index.ts";
import { check, type Shape, type TensorData } from "../graph/index.ts";
import { Forms } from "../infer/index.ts";
import { logProbabilities, type Module, mainOutput } from "../nn/index.ts";
import type { Engine, Feeds } from "../runtime/index.ts";

/** A picture that was classified wrongly, and how sure the network was of it. */
export interface Mistake {
  /** Position in the data set. */
  readonly sample: number;
  readonly label: number;
  readonly predicted: number;
  /** Probability of the class predicted. */
  readonly probability: number;
}

export interface Evaluation {
  readonly images: number;
  /** Mean negative log-likelihood of the right class. */
  readonly loss: number;
  /** Share of images whose right class is the most likely one. */
  readonly top1: number;
  /** Share of images whose right class is among the five most likely. */
  readonly top5: number;
  /** Share of each class that was found (recall); NaN for a class without images. */
  readonly perClass: readonly number[];
  /** [label][predicted], counts. */
  readonly confusion: readonly (readonly number[])[];
  /** The mistakes that the network was surest of, worst first. */
  readonly worst: readonly Mistake[];
  readonly seconds: number;
}

export interface EvaluateOptions {
  /** How many of the worst mistakes to keep. Default 24. */
  worst?: number;
  signal?: AbortSignal;
  onBatch?: (images: number) => void;
}

/** A network compiled for evaluation. Its weights may be fed at each run, so that it follows a training. */
export class Evaluator {
  readonly #forms: Forms;
  readonly numClasses: number;

  private constructor(forms: Forms, numClasses: number) {
    this.#forms = forms;
    this.numClasses = numClasses;
  }

  /** With `weights`, they are fixed, and the engine may prepare them for speed. */
  static async create(
    model: Module,
    { engine, input, weights }: { engine: Engine; input: Shape; weights?: ReadonlyMap<string, TensorData> },
  ): Promise<Evaluator> {
    const forms = new Forms(model, {
      engine,
      ...(weights && { weights }),
      heads: (outputs) => ({ log_probabilities: logProbabilities(mainOutput(outputs)) }),
      who: "evaluate",
    });
    const shapes = await forms.outputs({ input: input.map((dim) => (typeof dim === "number" ? dim : 1)) });
    return new Evaluator(forms, shapes.get("log_probabilities")![1] as number);
  }

  /** Log-probabilities [N, K] of images [N, C, H, W]. */
  async predict(images: TensorData, weights: Feeds = {}): Promise<TensorData> {
    const results = await this.#forms.run({ input: images }, weights);
    return results.log_probabilities!;
  }

  /** Classifies a whole data set. */
  async evaluate(loader: Loader, weights: Feeds = {}, options: EvaluateOptions = {}): Promise<Evaluation> {
    const started = performance.now();
    const tally = new Tally(this.numClasses, options.worst ?? 24);
    for await (const { images, labels, samples } of loader.epoch(0)) {
      options.signal?.throwIfAborted();
      const scores = await this.predict(images, weights);
      tally.add(scores.data as Float32Array, labels.data, samples);
      options.onBatch?.(labels.data.length);
    }
    return tally.result((performance.now() - started) / 1000);
  }

  dispose(): Promise<void> {
    return this.#forms.dispose();
  }
}

/** Counts rights and wrongs as batches come in. */
class Tally {
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

  /** `log` holds log-probabilities [N, K]. */
  add(log: Float32Array, labels: ArrayLike<number>, samples: ArrayLike<number>): void {
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
      }
      this.#images++;
      this.#loss -= row[label]!;
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

  result(seconds: number): Evaluation {
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
      seconds,
    };
  }
}

import { type Collective, oneProcess } from "../cluster/index.ts";
import type { Batch, Loader } from "../data/index.ts";
import { checkOptions, type Shape, type TensorData } from "../graph/index.ts";
import { Forms } from "../infer/index.ts";
import { logProbabilities, type Module, mainOutput, type Tensor } from "../nn/index.ts";
import type { Engine, Feeds } from "../runtime/index.ts";
import type { Evaluation } from "./evaluation.ts";
import { FixedNetworks } from "./fixed-networks.ts";
import { type LabelScores, labelQuality } from "./label-tally.ts";
import { targetOf, totalLoss } from "./loss.ts";
import { crossEntropyLoss, type Loss, labelScores } from "./losses.ts";
import {
  accuracy,
  addTotals,
  defaultMetrics,
  type Metrics,
  metricValues,
  type Totals,
  totalsMetric,
} from "./metrics.ts";
import { type Judgement, judge, Tally } from "./tally.ts";
import { targetFor } from "./target-for.ts";
import { metricOutput } from "./training-graph.ts";

/** Options of `evaluate`. */
export interface EvaluateOptions {
  readonly engine: Engine;
  /** Numbers by key. Default: those that the network has. */
  readonly weights?: ReadonlyMap<string, TensorData>;
  /** What the network was trained with. Default: `crossEntropyLoss()`. */
  readonly loss?: Loss;
  /** Default: as the loss suggests. */
  readonly metrics?: Metrics;
  /** How many of the worst mistakes to keep. Default 24. */
  readonly worst?: number;
  /** Stops it; the promise is then rejected with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each batch with the number of its images. */
  readonly onBatch?: (images: number) => void;
  /**
   * The ranks that evaluate together, each the batches of its loader, `part: { rank, size }`. Each gets the result for all of them, the
   * same for any number of ranks.
   */
  readonly collective?: Collective;
}

/** Another rank has stopped the evaluation. */
export class StoppedEvaluation extends Error {
  override name = "StoppedEvaluation";
}

/** What was measured of one batch. */
interface Measured {
  readonly index: number;
  readonly images: number;
  readonly judgements: readonly Judgement[];
  /** Sum over the images, unless they are judged. */
  readonly loss: number;
  readonly totals: Totals;
  /** If images have several labels. */
  readonly labels?: LabelScores;
}

/**
 * Measures a network on a data set, in evaluation form.
 *
 *     const { top1, loss } = await evaluate(model, dataLoader(dataset, { batchSize: 64 }), { engine });
 *     const { metrics } = await evaluate(model, loader, { engine, loss: bceWithLogitsLoss() }); // accuracy, f1
 *
 * Throws if labels or targets do not fit the network's outputs.
 */
export async function evaluate(model: Module, loader: Loader, options: EvaluateOptions): Promise<Evaluation> {
  checkOptions("evaluate", options, [
    ...["engine", "weights", "loss", "metrics", "worst", "signal", "onBatch", "collective"],
  ]);
  const { engine, weights = model.stateDict(), loss, metrics, ...rest } = options;
  const { images, targets } = await loader.first();
  const evaluator = await Evaluator.create(model, {
    engine,
    weights,
    input: ["N", ...images.shape.slice(1)],
    ...(typeof loss === "function" && targets && { target: targets.shape }),
    ...(loss && { loss }),
    ...(metrics && { metrics }),
  });
  try {
    return await evaluator.evaluate(loader, {}, rest);
  } finally {
    await evaluator.dispose();
  }
}

/** Options of `Evaluator.create`. */
export interface EvaluatorOptions extends Pick<EvaluateOptions, "engine" | "weights" | "loss" | "metrics"> {
  /** Shape of a batch of images. */
  readonly input: Shape;
  /** Shape of a batch of targets, for a loss that is a function. Default: that of the main output. */
  readonly target?: Shape;
}

/** A network compiled for evaluation. Its weights may be fed at each run, so that it follows a training. */
export class Evaluator {
  readonly #forms: Forms;
  readonly #loss: Loss;
  /** What is computed besides the classes. */
  readonly #metrics: Metrics;
  readonly #fixed: ReadonlyMap<string, TensorData>;
  /** Sizes of a target without the batch: [K] for a classifier. */
  readonly targetSize: readonly number[];

  private constructor(forms: Forms, options: EvaluatorOptions, fixed: ReadonlyMap<string, TensorData>, size: Shape) {
    this.#forms = forms;
    this.#loss = options.loss ?? crossEntropyLoss();
    this.#metrics = options.metrics ?? defaultMetrics(this.#loss);
    this.#fixed = fixed;
    this.targetSize = size as readonly number[];
  }

  /** With `weights`, they are fixed, and the engine may prepare them for speed. */
  static async create(model: Module, options: EvaluatorOptions): Promise<Evaluator> {
    const { engine, input, weights, loss = crossEntropyLoss(), metrics = defaultMetrics(loss) } = options;
    const fixed = new FixedNetworks();
    let size: Shape = [];
    const heads = (outputs: Readonly<Record<string, Tensor>>, images: Tensor) => {
      const target = () => images.tracer.input("target", [images.shape[0]!, ...size]);
      size = targetOf(outputs, loss, options.target).slice(1);
      return isClasses(loss)
        ? classHeads(outputs, metrics, target)
        : lossHeads(outputs, loss, metrics, { target: target(), images, fixed });
    };
    const forms = new Forms(model, {
      engine,
      ...(weights && { weights }),
      heads: (outputs, [images]) => heads(outputs, images!),
      who: "evaluate",
    });
    await forms.outputs({ input: input.map((dim) => (typeof dim === "number" ? dim : 1)) });
    return new Evaluator(forms, options, fixed.weights, size);
  }

  get numClasses(): number {
    return this.targetSize[0]!;
  }

  /** Measures a whole data set. */
  async evaluate(
    loader: Loader,
    weights: Feeds = {},
    options: Pick<EvaluateOptions, "worst" | "signal" | "onBatch" | "collective"> = {},
  ): Promise<Evaluation> {
    const started = performance.now();
    const classes = isClasses(this.#loss);
    const { collective = oneProcess(), signal } = options;
    const own: Measured[] = [];
    for await (const batch of loader.epoch(0)) {
      if (signal?.aborted && collective.size > 1) break;
      signal?.throwIfAborted();
      own.push(await this.#measured(batch, loader, weights));
      options.onBatch?.(batch.samples.length);
    }
    const all = await collective.gather({ own, stopped: signal?.aborted === true && collective.size > 1 });
    if (all.some(({ stopped }) => stopped)) throw new StoppedEvaluation("the evaluation was stopped");
    const batches = all.flatMap(({ own }) => own).sort((a, b) => a.index - b.index);
    const tally = classes ? new Tally(this.numClasses, options.worst ?? 24) : undefined;
    let totals: Totals = {};
    let images = 0;
    let lossSum = 0;
    for (const batch of batches) {
      tally?.add(batch.judgements);
      lossSum += batch.loss;
      totals = addTotals(totals, batch.totals);
      images += batch.images;
    }
    const seconds = (performance.now() - started) / 1000;
    const metrics = metricValues(others(this.#metrics, classes), totals, images);
    if (!tally) {
      const loss = lossSum / images;
      const found = batches.flatMap(({ labels }) => labels ?? []);
      if (found.length === 0) return { images, loss, metrics, ...NO_CLASSES, seconds };
      const { perLabel, meanAveragePrecision } = labelQuality(found, this.numClasses);
      return { images, loss, metrics: { ...metrics, meanAveragePrecision }, ...NO_CLASSES, perLabel, seconds };
    }
    const counted = tally.result();
    const names = Object.keys(this.#metrics);
    const measured = { ...metrics, ...(names.includes("accuracy") && { accuracy: metrics.accuracy ?? counted.top1 }) };
    return { ...counted, metrics: measured, seconds };
  }

  async #measured(batch: Batch, loader: Loader, weights: Feeds): Promise<Measured> {
    const target = targetFor(batch, this.#loss, this.targetSize, loader.dataset);
    const results = await this.#forms.run(
      { input: batch.images },
      { ...weights, ...Object.fromEntries(this.#fixed), target },
    );
    const { index, samples } = batch;
    const measured = { index, images: samples.length, totals: this.#totals(results) };
    if (!isClasses(this.#loss)) {
      const loss = Number(results.loss!.data[0]) * samples.length;
      const scores = results[LABEL_SCORES]?.data as Float32Array | undefined;
      return { ...measured, judgements: [], loss, ...(scores && { labels: { scores, targets: target.data } }) };
    }
    const soft = batch.targets && target.data;
    const labels = soft ? likeliest(target.data, this.numClasses) : batch.labels.data;
    const log = results.log_probabilities!.data as Float32Array;
    const judgements = judge(log, this.numClasses, { labels, samples, ...(soft && { targets: soft }) });
    return { ...measured, judgements, loss: 0 };
  }

  #totals(results: Readonly<Record<string, TensorData>>): Totals {
    const names = Object.keys(others(this.#metrics, isClasses(this.#loss)));
    return Object.fromEntries(
      names.map((name) => [name, Array.from(results[metricOutput(name)]!.data as Float32Array, Number)]),
    );
  }

  /** Gives the engine's memory back. */
  dispose(): Promise<void> {
    return this.#forms.dispose();
  }
}

/** Shape of a loader's batches of images, their size left open: ["N", C, H, W]. */
export async function inputShape(loader: Loader): Promise<Shape> {
  const { images } = await loader.first();
  return ["N", ...images.shape.slice(1)];
}

const NO_CLASSES = { top1: Number.NaN, top5: Number.NaN, perClass: [], confusion: [], worst: [] } as const;

/** Output with the scores of several labels per image. */
const LABEL_SCORES = "label_scores";

const isClasses = (loss: Loss): boolean => typeof loss !== "function" && loss.task === "classes";

/** The metrics that are computed in the graph: the accuracy of classes is counted. */
const others = (metrics: Metrics, classes: boolean): Metrics =>
  Object.fromEntries(Object.entries(metrics).filter(([, metric]) => !(classes && metric === accuracy)));

type Outputs = Readonly<Record<string, Tensor>>;

function classHeads(outputs: Outputs, metrics: Metrics, target: () => Tensor): Outputs {
  const main = mainOutput(outputs);
  const computed = others(metrics, true);
  return {
    log_probabilities: logProbabilities(main),
    ...(Object.keys(computed).length > 0 && metricHeads(main, computed, target())),
  };
}

function lossHeads(
  outputs: Outputs,
  loss: Loss,
  metrics: Metrics,
  { target, images, fixed }: { target: Tensor; images: Tensor; fixed: FixedNetworks },
): Outputs {
  const main = mainOutput(outputs);
  const context = { outputs, input: images, fixed: (network: Module) => fixed.outputs(network, images) };
  // auxiliary classifiers help to train; what is reported is the main output's
  const shown = typeof loss === "function" ? outputs : { output: main };
  const isLabels = typeof loss !== "function" && loss.task === "labels";
  return {
    loss: totalLoss(shown, target, loss, { context }),
    ...metricHeads(main, metrics, target),
    ...(isLabels && { [LABEL_SCORES]: labelScores("evaluate", main) }),
  };
}

function metricHeads(main: Tensor, metrics: Metrics, target: Tensor): Outputs {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, metric]) => [metricOutput(name), totalsMetric(metric).totals(main, target)]),
  );
}

/** The most likely class of each row of [N, K]. */
function likeliest(targets: ArrayLike<number>, K: number): number[] {
  return Array.from({ length: targets.length / K }, (_, n) => {
    let best = 0;
    for (let k = 1; k < K; k++) if (targets[n * K + k]! > targets[n * K + best]!) best = k;
    return best;
  });
}

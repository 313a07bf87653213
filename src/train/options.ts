import { type Collective, checkShards, type WireType } from "../cluster/index.ts";
import type { Loader } from "../data/index.ts";
import { check, checkOptions, type Shape } from "../graph/index.ts";
import type { Optimizer, Schedule } from "../optim/index.ts";
import type { Engine } from "../runtime/index.ts";
import type { TrainingState } from "./events.ts";
import type { Loss } from "./losses.ts";
import type { Metrics } from "./metrics.ts";

/** What decides an update: the same for `fit`, `TrainingStep` and the graph of a step. */
export interface TrainingOptions {
  readonly engine: Engine;
  readonly optimizer: Optimizer;
  /** What is minimized. Default: `crossEntropyLoss()`. */
  readonly loss?: Loss;
  /** What is measured besides. Default: accuracy of classes or labels and F1, or the mean absolute error, as the loss suggests. */
  readonly metrics?: Metrics;
  /**
   * Weight of each output's loss, by its name or as a function of it. Default: what the network's `spec` says of its auxiliary
   * outputs, else 1. An output with weight 0 has no loss. Not for a loss that is a function.
   */
  readonly lossWeights?: Readonly<Record<string, number>> | ((output: string) => number | undefined);
  /** Seed of dropout. Default 0. */
  readonly seed?: number;
  /** Whether Dropout drops. Default true. */
  readonly dropout?: boolean;
  /** Whether the optimizer's weight decay applies to a parameter. Default: to all. */
  readonly decays?: (key: string, shape: readonly number[]) => boolean;
  /** Factor on the learning rate of a parameter, such as `(key) => (key.startsWith("features.") ? 0.1 : 1)`. Default 1. */
  readonly lrScale?: (key: string) => number;
  /** Scales the gradients down if the norm of all together is larger. */
  readonly clipNorm?: number;
  /** Measures the norm of each parameter's gradient at every step, before it is clipped. Default false. */
  readonly gradientNorms?: boolean;
  /** Keeps a moving average of the parameters with this decay, such as 0.999. */
  readonly ema?: number;
  /**
   * Equal parts of each batch whose gradients are summed in a fixed order, so that any number of ranks that divides it gives the same
   * numbers. Batch normalization takes its statistics of each part, unless `syncBatchNorm` is set. Default: the number of ranks. Batches come from a loader with
   * `part: partOf(shards, size, rank)`.
   */
  readonly shards?: number;
  /** The ranks that train together, as `joinRanks()` of convnets/node gives them. Default: this process. */
  readonly collective?: Collective;
  /** `"fast"` leaves the order of sums between ranks to MPI; then other numbers of ranks give other last bits. Default `"exact"`. */
  readonly reduce?: "exact" | "fast";
  /**
   * Sends gradients between ranks in 16 bits. What rounding leaves out is added to the next step's, and is part of the state. It is
   * rounded per shard, so that any number of ranks gives the same numbers. Default: they are sent as they are.
   */
  readonly compress?: WireType;
  /**
   * Batch normalization takes the statistics of the whole batch instead of each shard's, as one process without shards does. The
   * shards then exchange them at each layer, forward and backward. Throws if the network has no batch normalization. Default false.
   */
  readonly syncBatchNorm?: boolean;
}

/** Options of `TrainingStep` and `trainingGraphs`. */
export interface TrainingStepOptions extends TrainingOptions {
  /** Shape of a batch of images, such as ["N", 3, 32, 32]. */
  readonly input: Shape;
  /** Shape of a batch of targets, for a loss that is a function. Default: that of the main output. */
  readonly target?: Shape;
}

/** Options of `fit`: those of every training, the data, and how long it takes. */
export interface FitOptions extends TrainingOptions {
  readonly train: Loader;
  /** Evaluated after each epoch. */
  readonly validation?: Loader;
  /** Times that all images are seen. */
  readonly epochs: number;
  /** The learning rate over the epochs, such as `cosineRate(0.1)`. */
  readonly schedule: Schedule;
  /** Batches that make one update. Default 1. */
  readonly accumulate?: number;
  /** Stop after this many epochs without a better one. */
  readonly patience?: number;
  /** Updates between checkpoints within an epoch; there is one after each epoch in any case. */
  readonly checkpointEvery?: number;
  /** Stops the training after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Continues from a saved state. */
  readonly resume?: TrainingState;
  /** How many of the worst mistakes each evaluation lists. Default 24. */
  readonly worst?: number;
}

/** Names of the options that every training takes. */
export const TRAINING_OPTIONS = [
  "engine",
  "optimizer",
  "loss",
  "metrics",
  "lossWeights",
  "seed",
  "dropout",
  "decays",
  "lrScale",
  "clipNorm",
  "gradientNorms",
  "ema",
  "shards",
  "collective",
  "reduce",
  "compress",
  "syncBatchNorm",
] as const satisfies (keyof TrainingOptions)[];

/** Throws for unknown options and for values that cannot be meant. `who` starts the message. */
export function checkTraining(who: string, options: TrainingOptions, others: readonly string[]): void {
  const given = options as TrainingOptions & { labelSmoothing?: unknown };
  check(
    given.labelSmoothing === undefined,
    () =>
      `${who}: labelSmoothing belongs to the loss: loss: crossEntropyLoss({ labelSmoothing: ${given.labelSmoothing} })`,
  );
  check(
    (options as { lr?: unknown }).lr === undefined || !others.includes("schedule"),
    () =>
      `${who}: the learning rate belongs to the schedule: schedule: constantRate(${(options as { lr?: unknown }).lr})`,
  );
  checkOptions(who, options, [...TRAINING_OPTIONS, ...others]);
  const { optimizer, clipNorm, ema, loss } = options;
  check(
    typeof optimizer?.update === "function",
    () => `${who}: an optimizer is needed, such as optimizer: sgd({ momentum: 0.9 })`,
  );
  check(
    loss === undefined || typeof loss === "function" || typeof loss.of === "function",
    () => `${who}: loss has to be crossEntropyLoss() or another loss, or a function (output, target) => Tensor`,
  );
  check(clipNorm === undefined || clipNorm > 0, () => `${who}: clipNorm has to be above 0, but is ${clipNorm}`);
  const { shards, collective, reduce, compress } = options;
  if (shards !== undefined || collective) checkShards(shards ?? collective!.size, collective?.size ?? 1);
  check(
    reduce === undefined || reduce === "exact" || reduce === "fast",
    () => `${who}: reduce has to be "exact" or "fast", but is "${reduce}"`,
  );
  check(
    compress === undefined || compress === "bf16" || compress === "fp16",
    () => `${who}: compress has to be "bf16" or "fp16", but is "${compress}"`,
  );
  check(
    compress === undefined || reduce !== "fast",
    () => `${who}: compress needs reduce "exact", as MPI cannot add numbers of 16 bits`,
  );
  check(
    compress === undefined || (shards ?? collective?.size ?? 1) > 1,
    () => `${who}: compress is for gradients of several shards, but there is one; set shards, or leave compress out`,
  );
  check(ema === undefined || (ema > 0 && ema < 1), () => `${who}: ema has to lie between 0 and 1, but is ${ema}`);
}

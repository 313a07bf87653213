import type { TensorData } from "../graph/index.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Totals } from "./metrics.ts";

/** How far a run is: enough, together with its tensors, to continue exactly as if it had never stopped. */
export interface Progress {
  /** Current epoch, from 0. */
  readonly epoch: number;
  /** Batches of the loader done in this epoch. */
  readonly batch: number;
  /** Updates done in total. */
  readonly step: number;
  /** Sums over the images of this epoch so far. */
  readonly lossSum: number;
  readonly correct: number;
  /** Sums that the metrics are computed of; missing in states of version 0.1.0. */
  readonly totals?: Totals;
  readonly images: number;
  /** Seconds of training that this epoch has taken so far, in all processes that ran it. */
  readonly seconds: number;
  /** The best epoch so far. */
  readonly best?: { readonly epoch: number; readonly value: number };
}

/** A training that can be saved and continued. */
export interface TrainingState {
  readonly progress: Progress;
  /** The file that it was read from, for messages. */
  readonly file?: string;
  /** Weights and running statistics by key; the optimizer's tensors as `name:key`. */
  readonly tensors: ReadonlyMap<string, TensorData>;
}

/** The first event. */
export interface StartEvent {
  readonly type: "start";
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Parameters that are trained, and all of them. */
  readonly trainable: number;
  readonly parameters: number;
  readonly engine: string;
  /** Where a resumed run continues. */
  readonly progress: Progress;
}

/** How long a rank took for a step; the rest of the step it waited for the others and for sums. */
export interface RankTimes {
  readonly rank: number;
  readonly host: string;
  /** Seconds that it waited for images. */
  readonly waited: number;
  /** Seconds that it computed. */
  readonly computed: number;
}

/** After each update. */
export interface StepEvent {
  readonly type: "step";
  /** From 0. */
  readonly epoch: number;
  /** Updates done in this epoch, of `stepsPerEpoch`. */
  readonly batch: number;
  /** Updates done in total. */
  readonly step: number;
  readonly loss: number;
  /** Share of the images of this step that were classified correctly; NaN if nothing is classified. */
  readonly accuracy: number;
  /** What was measured of the images of this step, before the update. */
  readonly metrics: Readonly<Record<string, number>>;
  /** Norm of all gradients together before it was clipped; with `clipNorm` only. */
  readonly gradientNorm?: number;
  /** Norm of each parameter's gradient before it was clipped, by key; with `gradientNorms` only. */
  readonly gradientNorms?: Readonly<Record<string, number>>;
  readonly lr: number;
  readonly images: number;
  /** Since the previous step, including the wait for data. */
  readonly seconds: number;
  /** With several ranks only. */
  readonly ranks?: readonly RankTimes[];
}

/** While the validation set is evaluated. */
export interface EvaluatingEvent {
  readonly type: "evaluating";
  /** From 0. */
  readonly epoch: number;
  /** Images evaluated so far, and in total. */
  readonly images: number;
  readonly total: number;
}

/** After each epoch and its evaluation. */
export interface EpochEvent {
  readonly type: "epoch";
  /** From 0. */
  readonly epoch: number;
  readonly step: number;
  readonly lr: number;
  readonly train: {
    readonly loss: number;
    /** NaN if nothing is classified. */
    readonly accuracy: number;
    readonly metrics: Readonly<Record<string, number>>;
    readonly images: number;
    readonly seconds: number;
  };
  readonly validation?: Evaluation;
  /** Share of the training time that was not spent waiting for data. */
  readonly utilisation: number;
  /** Whether it is better than all before. */
  readonly best: boolean;
  /** The weights as they were evaluated, by key. */
  weights(): Promise<Map<string, TensorData>>;
}

/** The moment to save: the training waits until the next event is asked for. */
export interface CheckpointEvent {
  readonly type: "checkpoint";
  readonly progress: Progress;
  state(): Promise<TrainingState>;
}

/** The last event. */
export interface EndEvent {
  readonly type: "end";
  readonly reason: "finished" | "early stopping" | "stopped";
  /** Epochs that are complete. */
  readonly epochs: number;
  /** The best epoch, from 0. */
  readonly best?: { readonly epoch: number; readonly value: number };
}

/** The share that was right, for curves: of the images, or of all labels if images have several; NaN if neither was measured. */
export const shareRight = ({ accuracy, metrics }: Pick<StepEvent, "accuracy" | "metrics">): number =>
  Number.isNaN(accuracy) ? (metrics.accuracy ?? Number.NaN) : accuracy;

/** What happens in a training. */
export type TrainEvent = StartEvent | StepEvent | EvaluatingEvent | EpochEvent | CheckpointEvent | EndEvent;

import type { TensorData } from "../graph/index.ts";
import type { Evaluation } from "./evaluate.ts";

/** Where a run stands: enough, together with its tensors, to go on exactly as if it had never stopped. */
export interface Progress {
  /** Epoch that runs, from 0. */
  readonly epoch: number;
  /** Batches of the loader done in this epoch. */
  readonly batch: number;
  /** Updates done in all. */
  readonly step: number;
  /** Sums over the images of this epoch so far. */
  readonly lossSum: number;
  readonly correct: number;
  readonly images: number;
  /** Seconds of training that this epoch has taken so far, over all lives of the run. */
  readonly seconds: number;
  /** The best epoch so far. */
  readonly best?: { readonly epoch: number; readonly value: number };
}

/** A training to be saved. */
export interface TrainingState {
  readonly progress: Progress;
  /** File it was read from, for messages. */
  readonly file?: string;
  /** Weights and running statistics by key; the optimizer's tensors as `name:key`. */
  readonly tensors: ReadonlyMap<string, TensorData>;
}

export interface StartEvent {
  readonly type: "start";
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Parameters that are trained, and all. */
  readonly trainable: number;
  readonly parameters: number;
  readonly engine: string;
  /** Where a resumed run goes on. */
  readonly progress: Progress;
}

export interface StepEvent {
  readonly type: "step";
  readonly epoch: number;
  /** Updates done in this epoch, of `stepsPerEpoch`. */
  readonly batch: number;
  /** Updates done in all. */
  readonly step: number;
  readonly loss: number;
  /** Share of the images of this step that were classified rightly. */
  readonly accuracy: number;
  readonly lr: number;
  readonly images: number;
  /** Since the step before, waiting for data included. */
  readonly seconds: number;
}

export interface EvaluatingEvent {
  readonly type: "evaluating";
  readonly epoch: number;
  /** Images classified so far, and in all. */
  readonly images: number;
  readonly total: number;
}

export interface EpochEvent {
  readonly type: "epoch";
  readonly epoch: number;
  readonly step: number;
  readonly lr: number;
  readonly train: {
    readonly loss: number;
    readonly accuracy: number;
    readonly images: number;
    readonly seconds: number;
  };
  readonly validation?: Evaluation;
  /** Share of the training time in which the step did not wait for data. */
  readonly utilisation: number;
  /** Whether no epoch before was as good. */
  readonly best: boolean;
  /** The weights as they were evaluated, by key. */
  weights(): Promise<Map<string, TensorData>>;
}

/** The moment to save: the run waits until the consumer asks for the next event. */
export interface CheckpointEvent {
  readonly type: "checkpoint";
  readonly progress: Progress;
  state(): Promise<TrainingState>;
}

export interface EndEvent {
  readonly type: "end";
  readonly reason: "finished" | "early stopping" | "stopped";
  readonly epochs: number;
  readonly best?: { readonly epoch: number; readonly value: number };
}

export type TrainEvent = StartEvent | StepEvent | EvaluatingEvent | EpochEvent | CheckpointEvent | EndEvent;

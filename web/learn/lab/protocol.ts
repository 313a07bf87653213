/** What the pages of Learn ask of the worker that trains and measures, and what it reports as it goes. */
import type { WithEngine } from "../../engine/protocol.ts";

/** One training with its settings, as it goes. Steps are counted from 1. */
export interface Course {
  readonly name: string;
  readonly steps: readonly number[];
  /** Loss of the main output; a training that diverges ends with a loss that is not finite. */
  readonly loss: readonly number[];
}

/** Something measured for each layer or block, at some steps. */
export interface Moment<T> {
  readonly step: number;
  readonly values: readonly T[];
}

/** Auxiliary classifiers: two trainings of the same network. */
export interface AuxiliaryResult {
  readonly kind: "auxiliary";
  readonly total: number;
  /** Names of the blocks, from the image upwards. */
  readonly blocks: readonly string[];
  readonly without: Course;
  readonly with: Course;
  /** Norm of the gradient of all weights of a block. */
  readonly norms: { readonly without: readonly Moment<number>[]; readonly with: readonly Moment<number>[] };
  readonly seconds: number;
  readonly done: boolean;
}

/** How the outputs of a layer are distributed: 5, 25, 50, 75 and 95 of 100 lie below these numbers. */
export type Spread = readonly [number, number, number, number, number];

/** Why normalize: the same network with and without, at three learning rates. */
export interface NormalizeResult {
  readonly kind: "normalize";
  readonly total: number;
  readonly rates: readonly number[];
  readonly layers: readonly string[];
  /** For each rate: without, with. */
  readonly courses: readonly (readonly [Course, Course])[];
  readonly spreads: readonly (readonly [readonly Moment<Spread>[], readonly Moment<Spread>[]])[];
  readonly seconds: number;
  readonly done: boolean;
}

/** A way to compute a layer, and what it took: the median of some runs. */
export interface Timing {
  readonly name: "dense" | "zeros" | "blocks" | "gathered" | "loop";
  readonly macs: number;
  readonly ms: number;
  readonly runs: number;
}

/** Sparse structure, dense computation. */
export interface SparseResult {
  readonly kind: "sparse";
  readonly timings: readonly Timing[];
  readonly done: boolean;
}

export type LabResult = AuxiliaryResult | NormalizeResult | SparseResult;

/** What an experiment is run with. */
export type Question =
  | {
      readonly kind: "auxiliary";
      readonly weight: number;
      readonly normalized: boolean;
      readonly blocks: number;
      readonly steps: number;
    }
  | { readonly kind: "normalize"; readonly layers: number; readonly steps: number }
  | { readonly kind: "sparse"; readonly parts: number };

export interface Lab extends WithEngine {
  /** Runs an experiment to its end. Each report holds all that is known so far. */
  run(question: Question, report: (result: LabResult) => void): Promise<void>;
}

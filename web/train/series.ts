/** The measurements of runs as lines of a chart, over epochs, so that runs with other batch sizes can be compared. */
import type { Live } from "../training/live.ts";

export type Measure = "loss" | "accuracy";

export interface Line {
  readonly x: readonly number[];
  readonly y: readonly number[];
}

/** What a chart shows of a run: single steps, and the validation after each epoch. */
export interface Lines {
  readonly training: Line;
  readonly validation: Line;
}

/** Most points of single steps: more would only blur. */
const MOST = 300;

export function linesOf({ steps, epochs, info }: Live, measure: Measure): Lines {
  const unit = info.peek().stepsPerEpoch;
  const size = Math.max(1, Math.ceil(steps.length / MOST));
  const x: number[] = [];
  const y: number[] = [];
  for (let from = 0; from < steps.length; from += size) {
    const part = steps.slice(from, from + size);
    const images = part.reduce((sum, step) => sum + step.images, 0);
    x.push(part.at(-1)!.step / unit);
    y.push(part.reduce((sum, step) => sum + step[measure] * step.images, 0) / images);
  }
  return {
    training: { x, y },
    validation: {
      x: epochs.map(({ step }) => step / unit),
      y: epochs.map(({ validation }) => (measure === "loss" ? validation.loss : validation.top1)),
    },
  };
}

/** Running mean over about this many points, so that a noisy line shows where it goes. */
export function smoothed({ x, y }: Line, weight = 0.85): Line {
  let sum = 0;
  let norm = 0;
  return {
    x,
    y: y.map((value) => {
      sum = sum * weight + value;
      norm = norm * weight + 1;
      return sum / norm;
    }),
  };
}

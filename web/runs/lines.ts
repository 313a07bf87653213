/** The measurements of runs as lines of a chart. */
import { type Line, smoothed } from "../train/series.ts";
import type { EpochPoint, StepPoint } from "./protocol.ts";
import type { Watched } from "./state.ts";

export type Axis = "steps" | "epochs" | "minutes";
export type Measure = "loss" | "accuracy" | "f1" | "meanAveragePrecision" | "lr" | "gradientNorm";

/** What is measured on the validation images. */
const VALIDATED: { readonly [M in Measure]?: (epoch: EpochPoint) => number | undefined } = {
  loss: ({ loss }) => loss,
  accuracy: ({ top1, accuracy }) => top1 ?? accuracy,
  f1: ({ f1 }) => f1,
  meanAveragePrecision: ({ meanAveragePrecision }) => meanAveragePrecision,
};

/** Points of a line at most: more would only blur. */
const MOST = 400;

/** Where steps are on the x axis; undefined where that is not known yet. */
function positions({ steps, epochs }: Watched, axis: Axis): ((step: number) => number | undefined) | undefined {
  if (axis === "steps") return (step) => step;
  if (axis === "epochs") {
    const [first] = epochs;
    return first && ((step) => (step * (first.epoch + 1)) / first.step);
  }
  const minutes = new Map<number, number>();
  let sum = 0;
  for (const { step, seconds } of steps) {
    sum += seconds;
    minutes.set(step, sum / 60);
  }
  return (step) => minutes.get(step);
}

/** What was measured at each step, smoothed by `weight`; and after each epoch on the validation images. */
export function linesOf(run: Watched, measure: Measure, { axis, weight }: { axis: Axis; weight: number }) {
  const at = positions(run, axis);
  const none: Line = { x: [], y: [] };
  if (!at) return { training: none, raw: none, validation: none };
  const { steps, epochs } = run;
  const size = Math.max(1, Math.ceil(steps.length / MOST));
  const x: number[] = [];
  const y: number[] = [];
  for (let from = 0; from < steps.length; from += size) {
    const part = steps.slice(from, from + size);
    const value = mean(part, measure);
    const place = at(part.at(-1)!.step);
    if (value === undefined || place === undefined) continue;
    x.push(place);
    y.push(value);
  }
  const raw = { x, y };
  const points = epochs
    .map((epoch) => [at(epoch.step), VALIDATED[measure]?.(epoch)])
    .filter((point): point is [number, number] => point[0] !== undefined && point[1] !== undefined);
  const isNoisy = measure !== "lr";
  return {
    raw,
    training: isNoisy && weight > 0 ? smoothed(raw, weight) : raw,
    validation: { x: points.map(([place]) => place), y: points.map(([, value]) => value) },
  };
}

function mean(steps: readonly StepPoint[], measure: Measure): number | undefined {
  let [sum, images] = [0, 0];
  if (measure === "meanAveragePrecision") return undefined; // of all validation images together
  for (const step of steps) {
    const value = step[measure];
    if (value === undefined) return undefined;
    sum += value * step.images;
    images += step.images;
  }
  return sum / images;
}

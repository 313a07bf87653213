import { outputForm, type Tensor } from "../nn/index.ts";
import { flat, type Loss, labelScores } from "./losses.ts";

/** A measure of your own: one number for the batch, whose mean over images is reported. Called with the main output. */
export type MetricFunction = (output: Tensor, target: Tensor) => Tensor;

/** A measure that is computed of sums over all images, as F1 has to be. */
export interface TotalsMetric {
  /** Sums over the images of a batch: output [N, K], target [N, K] → [M] */
  totals(output: Tensor, target: Tensor): Tensor;
  /** The measure, of the sums over all batches. */
  value(totals: readonly number[], images: number): number;
}

/** What can be measured of a network's main output: the mean of a function, or what is computed of sums. */
export type Metric = MetricFunction | TotalsMetric;

const mean = (totals: readonly number[], images: number): number => totals[0]! / images;

/** Share of images whose most likely class is that of the target: output [N, K], target [N, K] probabilities. */
export const accuracy: TotalsMetric = {
  totals: (output, target) => {
    const scores = flat(output);
    const { ops } = scores.tracer;
    const hit = ops.equal(ops.argMax(scores.value, 1), ops.argMax(target.value, 1));
    return scores.wrap(ops.reduceSum(ops.indicator(hit), [0], false));
  },
  value: mean,
};

/** Whether each label is given, and whether it is wanted, as 0 or 1 [N, K]. */
function decisions(output: Tensor, target: Tensor): { given: Tensor; wanted: Tensor } {
  const isScores = outputForm(output).form !== "softmax";
  const x = isScores ? labelScores("metrics", output) : flat(output);
  const { ops } = x.tracer;
  const above = (tensor: Tensor, bound: number) =>
    tensor.wrap(ops.indicator(ops.greater(tensor.value, ops.scalar(bound))));
  return { given: above(x, isScores ? 0 : 0.5), wanted: above(target, 0.5) };
}

/** Share of labels, over all images, that are right: output [N, K] scores or probabilities, target [N, K]. */
export const labelAccuracy: TotalsMetric = {
  totals(output, target) {
    const { given, wanted } = decisions(output, target);
    const wrong = given.sub(wanted);
    return wrong.mul(wrong).neg().add(1).mean([1]).sum();
  },
  value: mean,
};

/** F1 over all labels and images (micro average): output [N, K] scores or probabilities, target [N, K]. */
export const f1: TotalsMetric = {
  totals(output, target) {
    const { given, wanted } = decisions(output, target);
    const { ops } = given.tracer;
    const sum = (x: Tensor) => ops.reshape(x.sum().value, [1]);
    return given.wrap(ops.concat([sum(given.mul(wanted)), sum(given), sum(wanted)], 0));
  },
  value: ([hits = 0, given = 0, wanted = 0]) => (given + wanted === 0 ? 1 : (2 * hits) / (given + wanted)),
};

/** Mean of |output − target| over images and numbers. */
export const meanAbsoluteError: TotalsMetric = {
  totals(output, target) {
    const difference = flat(output).sub(target);
    const perImage = difference.apply("Abs").flatten(1).mean([1]);
    return perImage.sum();
  },
  value: mean,
};

/** Measures by name. */
export type Metrics = Readonly<Record<string, Metric>>;

/** What is measured if nothing else is asked for. */
export function defaultMetrics(loss: Loss): Metrics {
  if (typeof loss === "function") return {};
  switch (loss.task) {
    case "classes":
      return { accuracy };
    case "labels":
      return { accuracy: labelAccuracy, f1 };
    case "values":
      return { meanAbsoluteError };
    default:
      return loss.task satisfies never;
  }
}

/** A function's means as totals. */
export function totalsMetric(metric: Metric): TotalsMetric {
  if (typeof metric !== "function") return metric;
  return {
    totals: (output, target) => {
      const result = metric(output, target);
      const { ops } = result.tracer;
      const images = result.wrap(ops.count(target.value, [0]));
      return result.mul(images).sum();
    },
    value: mean,
  };
}

/** Totals of several metrics as the outputs of a graph, and their values. */
export type Totals = Readonly<Record<string, readonly number[]>>;

/** Sums of totals, name by name. */
export function addTotals(a: Totals, b: Totals): Totals {
  const names = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries(
    [...names].map((name) => {
      const [left = [], right = []] = [a[name], b[name]];
      return [name, (left.length > 0 ? left : right.map(() => 0)).map((value, i) => value + (right[i] ?? 0))];
    }),
  );
}

/** The measures themselves. */
export function metricValues(metrics: Metrics, totals: Totals, images: number): Record<string, number> {
  return Object.fromEntries(
    Object.entries(metrics).map(([name, metric]) => [name, totalsMetric(metric).value(totals[name] ?? [], images)]),
  );
}

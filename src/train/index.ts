/** Training: losses, the step, evaluation and the loop. Nothing here needs Node. */

export {
  type EvaluateOptions,
  Evaluator,
  type EvaluatorOptions,
  evaluate,
  inputShape,
} from "./evaluate.ts";
export type { Evaluation, LabelQuality, Mistake } from "./evaluation.ts";
export * from "./events.ts";
export { freeze, loadForFineTuning } from "./fine-tuning.ts";
export { type Fit, type FitResult, fit } from "./fit.ts";
export { lastLayers } from "./last-layers.ts";
export { DivergedError } from "./loop.ts";
export {
  type BceWithLogitsOptions,
  bceWithLogitsLoss,
  type CrossEntropyOptions,
  crossEntropyLoss,
  type DistillationOptions,
  distillationLoss,
  type Loss,
  type LossContext,
  type LossFunction,
  mseLoss,
  type TargetLoss,
} from "./losses.ts";
export {
  accuracy,
  f1,
  labelAccuracy,
  type Metric,
  type MetricFunction,
  type Metrics,
  meanAbsoluteError,
  type Totals,
  type TotalsMetric,
} from "./metrics.ts";
export type { FitOptions, TrainingOptions, TrainingStepOptions } from "./options.ts";
export { type Together, together } from "./ranks.ts";
export { TrainingStep } from "./step.ts";
export type { StepResult, TrainingBatch } from "./step-batch.ts";
export { oneHot, type Task } from "./targets.ts";
export {
  next,
  type StateStart,
  type TrainingGraphOptions,
  type TrainingGraphs,
  trainingGraphs,
} from "./training-graph.ts";

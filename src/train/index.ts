/** Training: the step, evaluation and the loop. Nothing here needs Node. */
export { type EvaluateOptions, type Evaluation, Evaluator, type Mistake } from "./evaluate.ts";
export type * from "./events.ts";
export { DivergedError, type FitOptions, fit, inputShape } from "./fit.ts";
export { lastLayers } from "./last-layers.ts";
export { mainScores } from "./loss.ts";
export { oneHot, type StepResult, type TrainingBatch, TrainingStep, type TrainingStepOptions } from "./step.ts";
export { next, type TrainingGraphOptions, type TrainingGraphs, trainingGraphs } from "./training-graph.ts";

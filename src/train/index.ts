/** Training: the step, evaluation and the loop. Imports everything below it, and nothing of Node but in node.ts. */

export { fitOptions, freeze, loadForFineTuning } from "./build.ts";
export { parseConfig, type TrainConfig, type TrainConfigInput, trainConfigSchema } from "./config.ts";
export { type EvaluateOptions, type Evaluation, Evaluator, type Mistake } from "./evaluate.ts";
export type * from "./events.ts";
export { DivergedError, type FitOptions, fit } from "./fit.ts";
export { type DataFacts, recipe } from "./recipes.ts";
export { type ReportData, report } from "./report.ts";
export { oneHot, type StepResult, type TrainingBatch, TrainingStep, type TrainingStepOptions } from "./step.ts";
export { next, type TrainingGraphOptions, type TrainingGraphs, trainingGraphs } from "./training-graph.ts";

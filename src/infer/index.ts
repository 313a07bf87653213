/** From a network to numbers: what a network computes, compiled for an engine. Imports `graph`, `nn`, `passes` and `runtime`. */
export { compile, type Predicted, type Predictor, type PredictorInput, type PredictorOptions } from "./compile.ts";
export { Forms, type FormsOptions, type Heads } from "./forms.ts";
export { Inside, lookInside } from "./inside.ts";
export type {
  ClassMap,
  ClassOptions,
  GradCamOptions,
  InsideOptions,
  OcclusionOptions,
  RespondOptions,
  Seen,
} from "./inside-options.ts";
export { type Numbers, numbers } from "./numbers.ts";

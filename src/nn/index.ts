/** Layers and networks as modules, under PyTorch's names, and how they are traced into a graph. Imports `graph` and `operators`. */

export { layerCode, layerSettings, layerWith } from "./code.ts";
export { einsum } from "./einsum.ts";
export * as F from "./functional/index.ts";
export * as init from "./init.ts";
export * from "./layers/index.ts";
export { crossEntropy } from "./loss.ts";
export { Module, type Output } from "./module.ts";
export type { OutputSize, Size } from "./options.ts";
export {
  classScores,
  labelProbabilities,
  labelScores,
  logProbabilities,
  mainOutput,
  mainOutputName,
  type OutputForm,
  outputForm,
  probabilities,
} from "./outputs.ts";
export { type Initializer, ModuleBuffer, Parameter, Parametrized } from "./parameter.ts";
export { printModule } from "./print.ts";
export { auxiliaryWeight, type ModelSpec, type Normalization, type TrainingHints } from "./spec.ts";
export { cat, stack, Tensor } from "./tensor.ts";
export {
  type DropoutOptions,
  type Mask,
  type ModuleCall,
  namedOutputs,
  type Trace,
  type TraceOptions,
  Tracer,
  trace,
} from "./tracer.ts";
export { removeParametrizations, type WeightNormOptions, weightNorm } from "./weight-norm.ts";

/** Layers and networks as modules, in PyTorch's names, and their tracing into a graph. Imports `graph` and `operators`. */

export type { Size } from "./functional.ts";
export * as F from "./functional.ts";
export * as init from "./init.ts";
export * from "./layers.ts";
export { crossEntropy } from "./loss.ts";
export { Module, type Output } from "./module.ts";
export {
  classScores,
  logProbabilities,
  mainOutput,
  mainOutputName,
  type OutputForm,
  outputForm,
  probabilities,
} from "./outputs.ts";
export { type Initializer, ModuleBuffer, Parameter } from "./parameter.ts";
export { cat, Tensor } from "./tensor.ts";
export { type Mask, type ModuleCall, namedOutputs, type Trace, type TraceOptions, Tracer, trace } from "./tracer.ts";

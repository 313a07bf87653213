/**
 * What the library knows about ONNX operators: shape rule, gradient, cost, weights, look in drawings, constant evaluation. One file
 * per family, with a record for each operator and then the gradients; `OPERATORS` lists all records. Imports `graph` only.
 */

export { type CpuOptions, lowerForCpu } from "./cpu.ts";
export {
  type Exchange,
  lowerBatchNormalization,
  type SharedStatistics,
  sharedGradient,
  sharedStatistics,
} from "./normalization.ts";
export { dtypeOfOnnx, ONNX_TYPE } from "./onnx-types.ts";
export {
  Application,
  Backward,
  type Evaluate,
  type Gradient,
  type Gradients,
  type Kind,
  type Operator,
  type StaticType,
} from "./operator.ts";
export { OPERATORS, type OperatorName } from "./operators.ts";
export { knownIn, Ops, type OpsOptions } from "./ops.ts";
export { adaptiveMatrix, averagingMatrix, separable } from "./pooling.ts";
export { isQuantized } from "./quantized.ts";
export { evaluator, findOperator, gradientOf, operator } from "./registry.ts";
export { isWebGpu, type Target } from "./target.ts";
export { VIEWS, withoutViews } from "./views.ts";
export { lowerForWebGpu } from "./webgpu.ts";
export { explicitEnd, outputSize, type Window, windowOf } from "./window.ts";

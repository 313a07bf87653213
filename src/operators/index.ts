/**
 * What the project knows of ONNX operators: shape, gradient, cost. One record an operator, one file a family.
 * Imports `graph` only.
 */

export { lowerConvolution } from "./convolution.ts";
export { lowerBatchNormalization } from "./normalization.ts";
export { dtypeOfOnnx, ONNX_TYPE } from "./onnx-types.ts";
export { type Gradients, input, type Operator } from "./operator.ts";
export { Ops, type OpsOptions, type Target } from "./ops.ts";
export { adaptiveMatrix, averagingMatrix, separable } from "./pooling.ts";
export { OPERATORS, operator } from "./registry.ts";
export { lowerForWebGpu } from "./webgpu.ts";
export { explicitEnd, outputSize, type Window, windowOf } from "./window.ts";

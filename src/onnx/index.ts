/** ONNX files: graphs to bytes and back, and modules made of them. Imports `graph`, `operators`, `passes` and `nn`. */
export { type DecodeOptions, decode, type OnnxModel } from "./decode.ts";
export { type EncodeOptions, encode, OPSET } from "./encode.ts";
export { OnnxError } from "./error.ts";
export {
  type Exported,
  type ExportOptions,
  exportOnnx,
  type InferenceOptions,
  inferenceGraph,
  type Preprocess,
} from "./export.ts";
export { type OnnxFacts, type OnnxTensorFacts, type OnnxWeightFacts, onnxFacts } from "./facts.ts";
export { OnnxModule, type OnnxModuleOptions, onnxModule } from "./module.ts";
export { type PytorchSourceOptions, pytorchSource } from "./pytorch.ts";
export { OnnxPart } from "./replay.ts";
export type { ExternalData, ExternalResolver } from "./tensor.ts";

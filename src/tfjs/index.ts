/** Models of TensorFlow.js as networks: both its forms, with their weights. Imports `graph`, `operators` and `onnx`. */
export { TfjsError } from "./error.ts";
export { type ShardReader, type TfjsOptions, tfjsModel, tfjsModule } from "./model.ts";

/** ONNX files: graphs to bytes and back. Imports `graph` and `operators`. */
export { type EncodeOptions, type ExternalData, encode, OPSET } from "./encode.ts";

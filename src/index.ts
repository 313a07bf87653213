/** The library, for Node and browsers alike: nothing here needs either. Engines are in `convnets/node` and `convnets/web`. */
export * from "./checkpoint/index.ts";
export * from "./classify/index.ts";
// pictures and .onnx files are both decoded
export type { DecodeOptions } from "./data/index.ts";
export * from "./data/index.ts";
export * from "./draw/index.ts";
export * from "./graph/index.ts";
export * from "./models/index.ts";
export * from "./nn/index.ts";
export * from "./onnx/index.ts";
export * from "./operators/index.ts";
export * from "./optim/index.ts";
export * from "./passes/index.ts";
export * from "./pretrained/index.ts";
export { Random } from "./random.ts";
export * from "./runtime/engine.ts";
export * from "./summary/index.ts";
export * from "./train/index.ts";
export { VERSION } from "./version.ts";

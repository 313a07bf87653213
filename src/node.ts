/** The library for Node: everything of `convnets`, the native engine, files, workers and runs in folders. */

// both parts have options of this name; the data set readers' are of little use outside
export type { ReadOptions } from "./checkpoint/index.ts";
export * from "./checkpoint/node.ts";
// in place of the one for browsers
export {
  classifier,
  type FileClassifierOptions,
  openSource,
  type Picture,
  type Source,
  type SourceOptions,
} from "./classify/node/classifier.ts";
export type { DecodeOptions } from "./data/index.ts";
export * from "./data/node.ts";
export * from "./index.ts";
export * from "./onnx/node.ts";
export * from "./pretrained/node.ts";
export { type NodeEngineOptions, nodeEngine } from "./runtime/node.ts";
export { RUN_FILES, type RunOptions, trainRun } from "./train/node/run.ts";
export { type WriteReportOptions, writeReport } from "./train/node/write-report.ts";

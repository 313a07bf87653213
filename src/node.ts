/** What needs Node: the engine for Node, files, downloads, worker threads and runs in folders. */
export {
  type OpenCheckpoint,
  openCheckpoint,
  readCheckpoint,
  readNumpy,
  writeAtomically,
  writeCheckpoint,
  writeNumpy,
} from "./checkpoint/node/index.ts";
export {
  classifier,
  type FileClassifierOptions,
  openSource,
  type Picture,
  type Source,
  type SourceOptions,
} from "./classify/node/index.ts";
export { ClusterError, joinRanks } from "./cluster/node/index.ts";
export {
  cifar10,
  cifar100,
  DownloadError,
  decodeFile,
  decodeImage,
  fileDataset,
  type ImageFolderOptions,
  idx,
  imageFolder,
  imagesBelow,
  type LocatedDataset,
  type LocateOptions,
  locateDataset,
  openDataset,
  type WorkerLoaderOptions,
  workerLoader,
} from "./data/node/index.ts";
export { drawHtml, type PngOptions, renderPng } from "./draw/node/index.ts";
export { filesBeside, readOnnx, readOnnxFacts, readOnnxModule } from "./onnx/node/index.ts";
export { type PretrainedOptions, pretrained } from "./pretrained/node/index.ts";
export {
  RUN_FILES,
  type Run,
  type RunOptions,
  readConfig,
  readRun,
  trainRun,
  type WriteReportOptions,
  writeReport,
} from "./runs/node/index.ts";
export { type NodeEngineOptions, nodeEngine, type OrtModule } from "./runtime/node/index.ts";
export { readTfjs, readTfjsModule } from "./tfjs/node/index.ts";

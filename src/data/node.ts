/** Everything of index.ts, and what needs Node: files, decoding, downloads, worker threads. */
export { cifar10, cifar100, type ReadOptions, readCifar } from "./formats/cifar.ts";
export { decodeFile, decodeImage, IMAGE_EXTENSIONS, MAX_PIXELS } from "./formats/decode.ts";
export {
  type Checksums,
  DownloadError,
  type DownloadOptions,
  type DownloadProgress,
  download,
} from "./formats/download.ts";
export { type IdxOptions, idx, readIdx } from "./formats/idx.ts";
export { fileDataset, type ImageFolderOptions, imageFolder, picturesBelow } from "./formats/image-folder.ts";
export { defaultDataDir, type FetchOptions, fetchSet, KNOWN_SETS, type KnownSet } from "./formats/known.ts";
export {
  DATASET_NAMES,
  type Format,
  type LocatedDataset,
  type LocateOptions,
  locateDataset,
  type OpenOptions,
  openDataset,
  type Split,
} from "./formats/open.ts";
export { type WorkerLoaderOptions, workerLoader } from "./formats/workers.ts";
export * from "./index.ts";

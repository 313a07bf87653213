/** Everything of index.ts, and what needs Node: files, decoding, downloads, worker threads. */

export * from "../index.ts";
export { cacheFolder } from "./cache.ts";
export { cifar10, cifar100, type ReadOptions, readCifar } from "./cifar.ts";
export { decodeFile, decodeImage, IMAGE_EXTENSIONS, MAX_PIXELS } from "./decode.ts";
export {
  type Checksums,
  DownloadError,
  type DownloadOptions,
  type DownloadProgress,
  download,
  mismatch,
} from "./download.ts";
export { encodedDataset, type FileDatasetOptions, fileDataset } from "./file-dataset.ts";
export { type IdxOptions, idx, readIdx } from "./idx.ts";
export { type ImageFolderOptions, imageFolder, imagesBelow } from "./image-folder.ts";
export { importFile } from "./import-file.ts";
export { defaultDataDir, type FetchOptions, fetchSet, KNOWN_SETS, type KnownSet } from "./known.ts";
export {
  DATASET_NAMES,
  type Format,
  type LocatedDataset,
  type LocateOptions,
  locateDataset,
  type OpenOptions,
  openDataset,
  type Split,
} from "./open.ts";
export { type WorkerLoaderOptions, workerLoader } from "./workers.ts";

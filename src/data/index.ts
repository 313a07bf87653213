/** Data sets, transforms and loaders. Files, downloads and workers are in `node`. Imports `graph` and `random`. */
export { type BatchRequest, type BatchSettings, type Failure, type MadeBatch, makeBatch } from "./batch.ts";
export { CIFAR10_CLASSES, type CifarLayout, cifarDataset } from "./cifar.ts";
export {
  adjustBrightness,
  adjustContrast,
  adjustHue,
  adjustSaturation,
  rgbToGrayscale,
} from "./color.ts";
export {
  classCounts,
  type Dataset,
  type DatasetSource,
  type DecodeOptions,
  type EncodedImages,
  firstSample,
  type MemoryDataset,
  type MemoryOptions,
  memoryDataset,
  NO_LABEL,
  type Sample,
  sharedBytes,
  split,
  subset,
} from "./dataset.ts";
export { type Corrupt, DataError, type NamedBytes } from "./errors.ts";
export {
  type Box,
  centerCrop,
  crop,
  hflip,
  type Padding,
  type PaddingMode,
  pad,
  resize,
  resizedSize,
} from "./geometry.ts";
export { FASHION_CLASSES, type IdxFacts, idxDataset } from "./idx.ts";
export { type Image, interleaved, planar, toInterleaved } from "./image.ts";
export {
  type Batch,
  type BatchMaker,
  createLoader,
  dataLoader,
  type Loader,
  type LoaderOptions,
  type LoaderStats,
} from "./loader.ts";
export { cutmix, type MixOptions, mixup } from "./mix.ts";
export { NORMALIZATION } from "./normalization.ts";
export { relabel } from "./relabel.ts";
export type { Interpolation } from "./resample.ts";
export { SHAPE_CLASSES, type ShapesOptions, shapes } from "./shapes.ts";
export {
  applyTransforms,
  compileTransforms,
  type Pipeline,
  parseTransforms,
  TRANSFORM_NAMES,
  type Transform,
} from "./transforms.ts";

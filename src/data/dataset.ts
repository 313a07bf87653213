import { check, checkOptions } from "../graph/index.ts";
import { Random } from "../random.ts";
import { type Corrupt, DataError } from "./errors.ts";
import type { Image } from "./image.ts";

/** An image and what a network should make of it: a class, or numbers. */
export interface Sample {
  readonly image: Image;
  /** Class, 0 … classes − 1. May be left out if there is a `target`. */
  readonly label?: number;
  /** Numbers that the network should give, `targetSize` of them: 0 or 1 for each of several labels, or any numbers. */
  readonly target?: ArrayLike<number>;
}

/**
 * Images by index, each with a class or with numbers. `get` may throw (or reject with) a `DataError`, which a loader can skip.
 *
 * Your own data set needs only the first four members, and `targetSize` for several labels per image or for regression; `source`
 * is what lets workers read it.
 *
 *     const dataset: Dataset = {
 *       name: "films",
 *       classes: ["comedy", "drama", "western"],
 *       targetSize: 3,
 *       length: posters.length,
 *       get: (i) => ({ image: posters[i], target: [1, 0, 1] }),
 *     };
 */
export interface Dataset {
  readonly name: string;
  /** Names of the classes, or of the numbers in a target; a label is a position in this list. Empty for unnamed numbers. */
  readonly classes: readonly string[];
  readonly length: number;
  get(index: number): Sample | Promise<Sample>;
  /** How many numbers a sample's `target` has. Left out: samples have labels. */
  readonly targetSize?: number;
  /** All labels, if they are known without reading the images. */
  readonly labels?: ArrayLike<number>;
  /** Where a sample comes from, for messages: its file, or the file and the position in it. */
  describe?(index: number): string;
  /** What the reader left out because it was asked to skip corrupt files. */
  readonly skipped?: readonly Corrupt[];
  /** The set as plain data. */
  readonly source?: DatasetSource;
}

/** How files become images. */
export interface DecodeOptions {
  /** 3: RGB (default), 1: PIL's luma. */
  readonly channels?: 1 | 3 | undefined;
  /** Images with more pixels are refused before they are decoded. Default: 178,956,970, where PIL suspects a bomb. */
  readonly maxPixels?: number | undefined;
}

/** The bytes of image files one after the other, in one or several pieces. Plain data. */
export type EncodedImages = readonly {
  /** Of the file they come from, for messages. */
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Where each image ends in `bytes`, and the next begins. */
  readonly ends: Float64Array;
}[];

/** Plain data from which a worker opens the same set again. */
export type DatasetSource =
  | { readonly kind: "memory"; readonly memory: MemoryOptions }
  | {
      readonly kind: "files";
      readonly files: readonly string[];
      readonly labels: Int32Array;
      readonly targets?: Float32Array | undefined;
      readonly targetSize?: number | undefined;
      readonly decode: DecodeOptions;
      /** The bytes of .tar.gz files among them, unpacked. */
      readonly unpacked?: ReadonlyMap<string, Uint8Array>;
    }
  | {
      readonly kind: "encoded";
      readonly encoded: EncodedImages;
      readonly labels: Int32Array;
      readonly targets?: Float32Array | undefined;
      readonly targetSize?: number | undefined;
      readonly decode: DecodeOptions;
    }
  /** A module that exports `openDataset(options)`. */
  | { readonly kind: "module"; readonly url: string; readonly options: unknown }
  | { readonly kind: "subset"; readonly of: DatasetSource; readonly indices: Uint32Array };

/** A data set in memory, as plain data. */
export interface MemoryOptions {
  readonly name: string;
  /** Names of the classes, or of the numbers in a target; may be empty for the latter. */
  readonly classes: readonly string[];
  /** All stored images, bytes [M, C, H, W]. Kept in shared memory (`sharedBytes`), workers read it in place. */
  readonly images: Uint8Array;
  /** Class of each stored image, [M]. Needed unless there are `targets`. */
  readonly labels?: Int32Array | readonly number[] | undefined;
  /** Numbers of each stored image, [M, K]: 0 or 1 for each of K labels, or anything to predict. */
  readonly targets?: Float32Array | readonly number[] | undefined;
  /** Of one image. */
  readonly shape: readonly [C: number, H: number, W: number];
  /** Which stored images the set has, in order. Default: all of them. */
  readonly indices?: Uint32Array | undefined;
}

/** A set whose images lie in memory, all of one size. */
export interface MemoryDataset extends Dataset {
  readonly memory: MemoryOptions;
  readonly labels: Int32Array;
  get(index: number): Sample & { readonly label: number };
}

export interface MemoryDetails {
  /** Where a stored image comes from, by its position in `images`. */
  readonly describe?: ((stored: number) => string) | undefined;
  readonly skipped?: readonly Corrupt[] | undefined;
}

/** Label of samples that have a target only. */
export const NO_LABEL = -1;

/**
 * A set over images [M, C, H, W] in memory, with labels [M], targets [M, K] or both. `get` returns views, it copies nothing.
 *
 *     memoryDataset({ name: "dots", classes: ["red", "blue"], images, labels: [0, 1, 1], shape: [3, 8, 8] });
 *     memoryDataset({ name: "ages", classes: [], images, targets: [31, 47, 8], shape: [3, 64, 64] });
 *
 * Throws a DataError if the counts do not agree, and for a label that is not one of the classes.
 */
export function memoryDataset(memory: MemoryOptions, { describe, skipped }: MemoryDetails = {}): MemoryDataset {
  checkOptions("memoryDataset", memory, ["name", "classes", "images", "labels", "targets", "shape", "indices"]);
  const { name, classes, images, shape, indices } = memory;
  check(
    Array.isArray(shape) && shape.length === 3 && ArrayBuffer.isView(images),
    () => "memoryDataset: it needs images, bytes [M, C, H, W] in a Uint8Array, and shape: [C, H, W]",
  );
  const { count, labels, targets, targetSize } = contents(memory);
  const [C, H, W] = shape;
  const stride = C * H * W;
  const length = indices?.length ?? count;
  checkDataset(name, classes, length, targetSize);
  const first: Image = { data: images, channels: C, height: H, width: W, offset: 0, strides: [H * W, W, 1] };
  const stored = (index: number): number => {
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new RangeError(`${name}: sample ${index} was asked for, but there are ${length}`);
    }
    return indices?.[index] ?? index;
  };
  const kept = { ...memory, ...(memory.labels && { labels }), ...(targets && { targets }) };
  return {
    name,
    classes,
    length,
    memory: kept,
    labels: indices ? Int32Array.from(indices, (i) => labels[i]!) : labels,
    source: { kind: "memory", memory: kept },
    ...(targetSize !== undefined && { targetSize }),
    ...(skipped && { skipped }),
    get(index) {
      const i = stored(index);
      const image = { ...first, offset: i * stride };
      if (!targets) return { image, label: labels[i]! };
      return { image, label: labels[i]!, target: targets.subarray(i * targetSize!, (i + 1) * targetSize!) };
    },
    describe: (index) => describe?.(stored(index)) ?? `${name}, sample ${stored(index)}`,
  };
}

/** Labels and targets of the stored images, checked. */
function contents({ name, classes, images, labels: given, targets: numbers, shape }: MemoryOptions) {
  const fail = (message: string): never => {
    throw new DataError(message, { file: name });
  };
  const stride = shape.reduce((product, size) => product * size, 1);
  if (!ArrayBuffer.isView(images) || images.BYTES_PER_ELEMENT !== 1)
    fail(`images have to be bytes, a Uint8Array with 0 … 255 for each of [M, ${shape.join(", ")}]`);
  if (!given && !numbers) fail("images need `labels` [M] or `targets` [M, K]");
  const count = given?.length ?? images.length / stride;
  if (images.length !== count * stride) {
    const what = given ? `${count} labels go with ${count * stride}` : `images [${shape.join(", ")}] take ${stride}`;
    fail(`${what} bytes of images [${shape.join(", ")}], got ${images.length}`);
  }
  const labels = given ? asInt32(given) : new Int32Array(count).fill(NO_LABEL);
  const wrong = given
    ? Array.prototype.findIndex.call(given, (label) => !isLabel(label as number, classes.length))
    : -1;
  if (wrong >= 0 && !(numbers && classes.length === 0))
    fail(
      `label ${given![wrong]} of image ${wrong} is not one of the ${classes.length} classes, 0 to ${classes.length - 1}`,
    );
  if (!numbers) return { count, labels, targets: undefined, targetSize: undefined };
  const targetSize = numbers.length / count;
  if (!Number.isInteger(targetSize) || targetSize === 0)
    fail(`${numbers.length} numbers in \`targets\` are not the same count for each of ${count} images`);
  return { count, labels, targets: asFloat32(numbers), targetSize };
}

const isLabel = (label: number, classes: number) => Number.isInteger(label) && label >= 0 && label < classes;
const asInt32 = (values: ArrayLike<number>) => (values instanceof Int32Array ? values : Int32Array.from(values));
const asFloat32 = (values: ArrayLike<number>) => (values instanceof Float32Array ? values : Float32Array.from(values));

/** Throws for a set that nothing can be learned from. */
export function checkDataset(name: string, classes: readonly string[], length: number, targetSize?: number): void {
  const fail = (message: string): never => {
    throw new DataError(message, { file: name });
  };
  if (length === 0) fail("the data set has no samples");
  if (classes.length === 0 && targetSize === undefined) fail("the data set has no classes");
  if (targetSize !== undefined && classes.length > 0 && classes.length !== targetSize)
    fail(`targets have ${targetSize} numbers, but ${classes.length} classes are named`);
}

/** Zeroed bytes that workers can read without a copy, if the platform allows it. */
export function sharedBytes(length: number): Uint8Array {
  return typeof SharedArrayBuffer === "undefined"
    ? new Uint8Array(length)
    : new Uint8Array(new SharedArrayBuffer(length));
}

/** The samples at these positions, in this order. */
export function subset(dataset: Dataset, indices: ArrayLike<number>, name = dataset.name): Dataset {
  const chosen = Uint32Array.from(indices);
  const beyond = chosen.find((index) => index >= dataset.length);
  if (beyond !== undefined)
    throw new RangeError(`subset: sample ${beyond} was asked for, but ${dataset.name} has ${dataset.length}`);
  const describe = (index: number) => dataset.describe?.(chosen[index]!) ?? `${dataset.name}, sample ${chosen[index]}`;
  const { skipped } = dataset;
  if (isMemory(dataset)) {
    const { memory } = dataset;
    const composed = memory.indices ? chosen.map((index) => memory.indices![index]!) : chosen;
    return { ...memoryDataset({ ...memory, name, indices: composed }, { skipped }), describe };
  }
  const { labels, source, targetSize } = dataset;
  checkDataset(name, dataset.classes, chosen.length, targetSize);
  return {
    name,
    classes: dataset.classes,
    length: chosen.length,
    get: (index) => dataset.get(chosen[index]!),
    describe,
    ...(targetSize !== undefined && { targetSize }),
    ...(labels && { labels: Int32Array.from(chosen, (index) => labels[index]!) }),
    ...(skipped && { skipped }),
    ...(source && { source: { kind: "subset", of: source, indices: chosen } }),
  };
}

function isMemory(dataset: Dataset): dataset is MemoryDataset {
  return "memory" in dataset;
}

/**
 * Two parts of a set, chosen at random by seed: `validation` has `fraction` of the samples, `train` the others, both in the order
 * of the set. Throws if one of them would be empty.
 */
export function split(dataset: Dataset, fraction: number, seed: number): { train: Dataset; validation: Dataset } {
  const held = Math.round(dataset.length * fraction);
  if (!(held > 0 && held < dataset.length)) {
    throw new Error(`split: ${fraction} of ${dataset.length} samples leaves one part empty; take a fraction in (0, 1)`);
  }
  const order = new Random(seed, "split").permutation(dataset.length);
  return {
    train: subset(dataset, order.subarray(held).sort(), `${dataset.name} (train)`),
    validation: subset(dataset, order.subarray(0, held).sort(), `${dataset.name} (validation)`),
  };
}

/** The first sample; with `skipCorrupt`, the first that can be read. */
export async function firstSample(dataset: Dataset, { skipCorrupt = false } = {}): Promise<Sample> {
  for (let index = 0; ; index++) {
    try {
      return await dataset.get(index);
    } catch (error) {
      if (!skipCorrupt || !(error instanceof DataError) || index === dataset.length - 1) throw error;
    }
  }
}

/** How many samples each class has; undefined if labels are known only after reading the images. */
export function classCounts({ labels, classes }: Dataset): number[] | undefined {
  if (!labels) return undefined;
  const counts = new Array<number>(classes.length).fill(0);
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
  return counts;
}

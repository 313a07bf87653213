import { Random } from "../random.ts";
import { type Corrupt, DataError } from "./errors.ts";
import type { Image } from "./image.ts";

/** A picture and its class. */
export interface Sample {
  readonly image: Image;
  /** 0 … classes − 1 */
  readonly label: number;
}

/**
 * Labelled pictures by index. `get` may throw (or reject with) a `DataError`, which a loader can skip.
 *
 * A set of one's own needs the first four members only; `source` is what lets workers read it.
 */
export interface Dataset {
  readonly name: string;
  /** Names of the classes; a label is a position in this list. */
  readonly classes: readonly string[];
  readonly length: number;
  get(index: number): Sample | Promise<Sample>;
  /** All labels, where they are known without reading the pictures. */
  readonly labels?: ArrayLike<number>;
  /** Where a sample comes from, for messages: its file, or the file and the position in it. */
  describe?(index: number): string;
  /** What the reader left out because it was asked to skip what is corrupt. */
  readonly skipped?: readonly Corrupt[];
  /** The set as plain data. */
  readonly source?: DatasetSource;
}

/** How files become pictures. */
export interface DecodeOptions {
  /** 3: RGB (default), 1: PIL's luma. */
  readonly channels?: 1 | 3 | undefined;
  /** Pictures with more pixels are refused before they are decoded. Default: 178,956,970, where PIL suspects a bomb. */
  readonly maxPixels?: number | undefined;
}

/** Plain data from which a worker opens the same set again. */
export type DatasetSource =
  | { readonly kind: "memory"; readonly memory: MemoryOptions }
  | {
      readonly kind: "files";
      readonly files: readonly string[];
      readonly labels: Int32Array;
      readonly decode: DecodeOptions;
    }
  /** A module that exports `openDataset(options)`. */
  | { readonly kind: "module"; readonly url: string; readonly options: unknown }
  | { readonly kind: "subset"; readonly of: DatasetSource; readonly indices: Uint32Array };

export interface MemoryOptions {
  readonly name: string;
  readonly classes: readonly string[];
  /** All stored pictures, [M, C, H, W]. Kept in shared memory (`sharedBytes`), workers read it in place. */
  readonly images: Uint8Array;
  /** Classes of the stored pictures, [M]. */
  readonly labels: Int32Array;
  /** Of one picture. */
  readonly shape: readonly [C: number, H: number, W: number];
  /** Which stored pictures the set has, in order; all of them where it is left out. */
  readonly indices?: Uint32Array | undefined;
}

/** A set whose pictures lie in memory, all of one size. */
export interface MemoryDataset extends Dataset {
  readonly memory: MemoryOptions;
  readonly labels: Int32Array;
  get(index: number): Sample;
}

export interface MemoryDetails {
  /** Where a stored picture comes from, by its position in `images`. */
  readonly describe?: ((stored: number) => string) | undefined;
  readonly skipped?: readonly Corrupt[] | undefined;
}

/** A set over pictures [M, C, H, W] in memory. `get` gives views, it copies nothing. */
export function memoryDataset(memory: MemoryOptions, { describe, skipped }: MemoryDetails = {}): MemoryDataset {
  const { name, classes, images, labels, shape, indices } = memory;
  const [C, H, W] = shape;
  const stride = C * H * W;
  const length = indices?.length ?? labels.length;
  if (images.length !== labels.length * stride) {
    throw new DataError(
      `${labels.length} labels go with ${labels.length * stride} bytes of pictures [${shape.join(", ")}], got ${images.length}`,
      { file: name },
    );
  }
  checkDataset(name, classes, length);
  const first: Image = { data: images, channels: C, height: H, width: W, offset: 0, strides: [H * W, W, 1] };
  const stored = (index: number): number => {
    if (!Number.isInteger(index) || index < 0 || index >= length) {
      throw new RangeError(`${name}: sample ${index} of ${length} was asked for`);
    }
    return indices?.[index] ?? index;
  };
  return {
    name,
    classes,
    length,
    memory,
    labels: indices ? Int32Array.from(indices, (i) => labels[i]!) : labels,
    source: { kind: "memory", memory },
    ...(skipped && { skipped }),
    get(index) {
      const i = stored(index);
      return { image: { ...first, offset: i * stride }, label: labels[i]! };
    },
    describe: (index) => describe?.(stored(index)) ?? `${name}, sample ${stored(index)}`,
  };
}

/** Fails for a set that nothing can be learnt from. */
export function checkDataset(name: string, classes: readonly string[], length: number): void {
  if (length === 0) throw new DataError("the data set has no samples", { file: name });
  if (classes.length === 0) throw new DataError("the data set has no classes", { file: name });
}

/** Zeroed bytes that workers can read without a copy, where the platform allows it. */
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
    throw new RangeError(`subset: ${dataset.name} has ${dataset.length} samples, not ${beyond}`);
  const describe = (index: number) => dataset.describe?.(chosen[index]!) ?? `${dataset.name}, sample ${chosen[index]}`;
  const { skipped } = dataset;
  if (isMemory(dataset)) {
    const { memory } = dataset;
    const composed = memory.indices ? chosen.map((index) => memory.indices![index]!) : chosen;
    return { ...memoryDataset({ ...memory, name, indices: composed }, { skipped }), describe };
  }
  checkDataset(name, dataset.classes, chosen.length);
  const { labels, source } = dataset;
  return {
    name,
    classes: dataset.classes,
    length: chosen.length,
    get: (index) => dataset.get(chosen[index]!),
    describe,
    ...(labels && { labels: Int32Array.from(chosen, (index) => labels[index]!) }),
    ...(skipped && { skipped }),
    ...(source && { source: { kind: "subset", of: source, indices: chosen } }),
  };
}

function isMemory(dataset: Dataset): dataset is MemoryDataset {
  return "memory" in dataset;
}

/**
 * Two parts of a set, drawn by seed: `validation` has `fraction` of the samples, `train` the others, both in the order
 * of the set.
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

/** The first sample that can be read; with `skipCorrupt`, those before it that cannot are passed over. */
export async function firstSample(dataset: Dataset, { skipCorrupt = false } = {}): Promise<Sample> {
  for (let index = 0; ; index++) {
    try {
      return await dataset.get(index);
    } catch (error) {
      if (!skipCorrupt || !(error instanceof DataError) || index === dataset.length - 1) throw error;
    }
  }
}

/** How many samples each class has; undefined where labels are known only after reading the pictures. */
export function classCounts({ labels, classes }: Dataset): number[] | undefined {
  if (!labels) return undefined;
  const counts = new Array<number>(classes.length).fill(0);
  for (let i = 0; i < labels.length; i++) counts[labels[i]!]!++;
  return counts;
}

/** Labelled images, as every form of data set gives them; and the data sets that are made of them. */
import {
  checkDataset,
  type Dataset,
  type DecodeOptions,
  type EncodedImages,
  memoryDataset,
  NO_LABEL,
} from "../dataset.ts";
import { type Corrupt, DataError } from "../errors.ts";
import { encodedDataset, fileDataset } from "./file-dataset.ts";

/** Where images are: in files, as bytes of image files in memory, or as pixels [M, C, H, W]. */
export type Images =
  | { readonly kind: "files"; readonly files: readonly string[] }
  | { readonly kind: "encoded"; readonly encoded: EncodedImages }
  | { readonly kind: "pixels"; readonly data: Uint8Array; readonly shape: readonly [C: number, H: number, W: number] };

/** Images and the names of their classes. */
export interface Labelled {
  readonly images: Images;
  /** The class of each image, or a list of classes if an image can have several. */
  readonly labels: readonly string[] | readonly (readonly string[])[];
  /** All classes in order, if the files say so. Default: those of the labels; see `orderedClasses`. */
  readonly classes?: readonly string[] | undefined;
  /** Where an image comes from, for messages. */
  readonly describe?: (index: number) => string;
  readonly skipped?: readonly Corrupt[];
}

const isNumber = (name: string) => /^\d{1,9}$/.test(name);

/** Whether all names are whole numbers. */
export const areNumbered = (names: readonly string[]): boolean => names.length > 0 && names.every(isNumber);

/** Names in the order of their classes: numbers by size, all others as Python's `sorted`. */
export function inClassOrder(names: readonly string[]): string[] {
  const sorted = [...names].sort();
  // a stable sort: "1" and "01" keep their order as text
  return areNumbered(sorted) ? sorted.sort((a, b) => Number(a) - Number(b)) : sorted;
}

/** Most classes that labels without names may count. */
const MAX_COUNTED = 100_000;

/** The classes of labels: their names in order. Labels that count from 0 have all classes up to the largest. */
export function orderedClasses(labels: Iterable<string>): string[] {
  const names = inClassOrder([...new Set(labels)]);
  const last = Number(names.at(-1));
  if (!areNumbered(names) || names[0] !== "0" || last >= MAX_COUNTED || last > 10 * names.length) return names;
  return names.includes("00") ? names : Array.from({ length: last + 1 }, (_, i) => String(i));
}

/** The classes of labelled images. */
export const classesOf = ({ classes, labels }: Labelled): readonly string[] => classes ?? orderedClasses(labels.flat());

/** The data set of labelled images, with these classes in this order; that of the training set, if it is another part. */
export function datasetOf(
  { images, labels, describe, skipped }: Labelled,
  { name, classes, decode }: { name: string; classes: readonly string[]; decode: DecodeOptions },
): Dataset {
  checkDataset(name, classes, labels.length);
  const places = new Map(classes.map((name, place) => [name, place]));
  const placeOf = (label: string, index: number): number => {
    const place = places.get(label);
    if (place !== undefined) return place;
    throw new DataError(`"${label}" is not one of the ${classes.length} classes: ${shortList(classes)}`, {
      file: describe?.(index) ?? name,
    });
  };
  const isSeveral = labels.some((label) => typeof label !== "string");
  const numbers = new Int32Array(labels.length).fill(NO_LABEL);
  const targets = isSeveral ? new Float32Array(labels.length * classes.length) : undefined;
  for (const [index, label] of labels.entries()) {
    if (!targets) numbers[index] = placeOf(label as string, index);
    else for (const one of label) targets[index * classes.length + placeOf(one, index)] = 1;
  }
  const labelled = { name, classes, skipped: skipped ?? [], ...(targets && { targets, targetSize: classes.length }) };
  switch (images.kind) {
    case "files":
      return fileDataset({ ...labelled, files: images.files, labels: numbers, decode });
    case "encoded":
      return encodedDataset({ ...labelled, encoded: images.encoded, labels: numbers, decode });
    case "pixels":
      return memoryDataset(
        { name, classes, images: images.data, shape: images.shape, ...(targets ? { targets } : { labels: numbers }) },
        { describe, skipped },
      );
    default:
      return images satisfies never;
  }
}

/** The first names of a list: `a, b, c, …` */
export const shortList = (names: readonly string[]): string =>
  names.length > 6 ? `${names.slice(0, 5).join(", ")}, …` : names.join(", ");

/** Where the samples of one part and the next meet in a list of several files. */
export function joined(parts: readonly Labelled[]): Labelled {
  const [first] = parts;
  if (!first || parts.length === 1) return first!;
  const labels = parts.flatMap((part) => part.labels as string[]);
  const skipped = parts.flatMap((part) => part.skipped ?? []);
  const starts = startsOf(parts.map((part) => part.labels));
  const describe = (index: number) => {
    const part = starts.findLastIndex((start) => start <= index);
    return parts[part]!.describe?.(index - starts[part]!) ?? `sample ${index}`;
  };
  return { images: joinedImages(parts.map(({ images }) => images)), labels, classes: first.classes, describe, skipped };
}

/** Where each of several lists begins in all of them together. */
function startsOf(lists: readonly { readonly length: number }[]): number[] {
  let end = 0;
  return lists.map(({ length }) => {
    end += length;
    return end - length;
  });
}

function joinedImages(all: readonly Images[]): Images {
  const files = all.flatMap((images) => (images.kind === "files" ? images.files : []));
  const chunks = all.flatMap((images) => (images.kind === "encoded" ? images.encoded : []));
  const [first] = all;
  if (all.every(({ kind }) => kind === "files")) return { kind: "files", files };
  if (all.every(({ kind }) => kind === "encoded")) return { kind: "encoded", encoded: chunks };
  const pixels = all.flatMap((images) => (images.kind === "pixels" ? [images] : []));
  if (first?.kind !== "pixels" || pixels.some(({ shape }) => String(shape) !== String(first.shape)))
    throw new DataError("its files have images of different sizes");
  const data = new Uint8Array(pixels.reduce((length, { data }) => length + data.length, 0));
  const starts = startsOf(pixels.map(({ data }) => data));
  for (const [i, { data: part }] of pixels.entries()) data.set(part, starts[i]!);
  return { kind: "pixels", data, shape: first.shape };
}

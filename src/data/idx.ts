/**
 * MNIST and Fashion-MNIST: idx files of bytes.
 *
 * Layout: two zero bytes, the element type (8: unsigned byte), the number of axes, the size of each axis as a big-endian
 * 32-bit number, then the elements, the last axis fastest. Source: LeCun, http://yann.lecun.com/exdb/mnist
 */
import { type MemoryDataset, memoryDataset, sharedBytes } from "./dataset.ts";
import { baseName, type Corrupt, DataError, type NamedBytes } from "./errors.ts";

/** Names of Fashion-MNIST's classes, in the order of its labels. */
export const FASHION_CLASSES: readonly string[] = [
  ...["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"],
];

/** What is known of idx files besides their bytes. */
export interface IdxFacts {
  readonly name: string;
  /** Default: the numbers. */
  readonly classes?: readonly string[] | undefined;
  /** Leaves out what cannot be read and lists it in `skipped`; without it, that is an error. */
  readonly skipCorrupt?: boolean | undefined;
}

/** A data set of images [N, H, W] from the bytes of one idx file and labels [N] from another. Throws a DataError, naming the file. */
export function idxDataset(
  { images: imagesFile, labels: labelsFile }: { readonly images: NamedBytes; readonly labels: NamedBytes },
  { name, classes, skipCorrupt = false }: IdxFacts,
): MemoryDataset {
  const skipped: Corrupt[] = [];
  const complain = (file: string, reason: string) => {
    if (!skipCorrupt) throw new DataError(reason, { file, skippable: true });
    skipped.push({ file, reason });
  };
  const images = idxArray(imagesFile, 3, complain);
  const labels = idxArray(labelsFile, 1, complain);
  const [, H, W] = images.shape as [number, number, number];
  if (images.shape[0] !== labels.shape[0]) {
    complain(
      labelsFile.file,
      `${labels.shape[0]} labels do not go with ${images.shape[0]} images in ${baseName(imagesFile.file)}`,
    );
  }
  const paired = Math.min(images.count, labels.count);
  const named = classes ?? digits(labels.data.subarray(0, paired));
  const kept = Uint32Array.from({ length: paired }, (_, i) => i).filter((i) => {
    if (labels.data[i]! < named.length) return true;
    complain(`${labelsFile.file}, label ${i}`, `label ${labels.data[i]} is not one of the ${named.length} classes`);
    return false;
  });
  const stored = sharedBytes(kept.length * H * W);
  for (const [n, i] of kept.entries()) stored.set(images.data.subarray(i * H * W, (i + 1) * H * W), n * H * W);
  return memoryDataset(
    { name, classes: named, images: stored, labels: Int32Array.from(kept, (i) => labels.data[i]!), shape: [1, H, W] },
    { describe: (index) => `${baseName(imagesFile.file)}, image ${kept[index]}`, skipped },
  );
}

/** As many names as the largest label asks for, at least two. */
function digits(labels: Uint8Array): string[] {
  const largest = labels.reduce((most, label) => Math.max(most, label), 1);
  return Array.from({ length: largest + 1 }, (_, i) => String(i));
}

interface IdxArray {
  /** As the header says. */
  readonly shape: readonly number[];
  /** Whole items along the first axis that the file really has. */
  readonly count: number;
  readonly data: Uint8Array;
}

function idxArray(
  { file, bytes }: NamedBytes,
  axes: number,
  complain: (file: string, reason: string) => void,
): IdxArray {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const header = 4 + 4 * axes;
  if (bytes.length < header)
    throw new DataError(`the file is cut off: ${bytes.length} bytes hold no idx header; get it again`, { file });
  const shape = Array.from({ length: axes }, (_, axis) => view.getUint32(4 + 4 * axis));
  const magic = 0x0800 + axes;
  if (view.getUint32(0) !== magic) {
    const what = axes === 1 ? "labels" : "images";
    const reason = `not an idx file of ${what}: it begins with 0x${hex(view.getUint32(0))}, not with 0x${hex(magic)}; get it again`;
    // sizes that say exactly how long the file is cannot be there by chance: only its first bytes are damaged
    if (bytes.length - header !== product(shape)) throw new DataError(reason, { file });
    complain(`${file}, bytes 0 to 3`, reason);
  }
  const item = product(shape.slice(1));
  if (item === 0) throw new DataError(`the header says that images are ${shape.slice(1).join("×")} pixels`, { file });
  const data = bytes.subarray(header);
  if (data.length !== product(shape)) {
    const problem = data.length < product(shape) ? "the file is cut off" : "the file is too long";
    complain(
      file,
      `${problem}: the header says ${shape.join("×")} = ${product(shape)} bytes, but there are ${data.length}; get it again`,
    );
  }
  return { shape, count: Math.min(shape[0]!, Math.floor(data.length / item)), data };
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((product, size) => product * size, 1);
}

function hex(magic: number): string {
  return magic.toString(16).padStart(8, "0");
}

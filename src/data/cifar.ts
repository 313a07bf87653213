/**
 * CIFAR-10 and CIFAR-100, binary version: records of one label byte (CIFAR-100: coarse, then fine) and 3 × 32 × 32 bytes.
 *
 * Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { type MemoryDataset, memoryDataset, sharedBytes } from "./dataset.ts";
import { baseName, type Corrupt, DataError, type NamedBytes } from "./errors.ts";

const SHAPE = [3, 32, 32] as const;
const PIXELS = 3 * 32 * 32;

/** Names of CIFAR-10's classes, in the order of its labels. */
export const CIFAR10_CLASSES: readonly string[] = [
  ...["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
];

/** How CIFAR's records are laid out, and what they are called. */
export interface CifarLayout {
  readonly name: string;
  readonly classes: readonly string[];
  /** Label bytes before the pixels; the last one counts. */
  readonly labelBytes: 1 | 2;
  /** Leaves out what cannot be read and lists it in `skipped`; without it, that is an error. */
  readonly skipCorrupt?: boolean | undefined;
  /** What was left out before. */
  readonly skipped?: readonly Corrupt[] | undefined;
}

/** A data set of the bytes of CIFAR's binary files, one after the other. Throws a DataError, naming the file, for what is damaged. */
export function cifarDataset(files: readonly NamedBytes[], layout: CifarLayout): MemoryDataset {
  const { name, classes, labelBytes, skipCorrupt = false } = layout;
  const skipped: Corrupt[] = [...(layout.skipped ?? [])];
  const complain = (file: string, reason: string) => {
    if (!skipCorrupt) throw new DataError(reason, { file, skippable: true });
    skipped.push({ file, reason });
  };
  const record = labelBytes + PIXELS;
  const parts: { file: string; bytes: Uint8Array; records: number[] }[] = [];
  for (const { file, bytes } of files) {
    const whole = Math.floor(bytes.length / record);
    const rest = bytes.length % record;
    if (rest > 0 || whole === 0) {
      complain(
        file,
        `the file is cut off: ${bytes.length} bytes are ${whole} records of ${record} bytes and ${rest} bytes; get it again`,
      );
    }
    const records: number[] = [];
    for (let i = 0; i < whole; i++) {
      const label = bytes[i * record + labelBytes - 1]!;
      if (label < classes.length) records.push(i);
      else complain(`${file}, record ${i}`, `label ${label} is not one of the ${classes.length} classes`);
    }
    parts.push({ file, bytes, records });
  }

  const count = parts.reduce((sum, { records }) => sum + records.length, 0);
  const images = sharedBytes(count * PIXELS);
  const labels = new Int32Array(count);
  let n = 0;
  for (const { bytes, records } of parts) {
    for (const i of records) {
      const start = i * record + labelBytes;
      labels[n] = bytes[start - 1]!;
      images.set(bytes.subarray(start, start + PIXELS), n * PIXELS);
      n++;
    }
  }
  const origins = parts.map(({ file, records }) => ({ file, records }));
  const describe = (stored: number) => {
    for (const { file, records } of origins) {
      if (stored < records.length) return `${baseName(file)}, record ${records[stored]}`;
      stored -= records.length;
    }
    return name;
  };
  return memoryDataset({ name, classes, images, labels, shape: SHAPE }, { describe, skipped });
}

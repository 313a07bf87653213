/**
 * CIFAR-10 and CIFAR-100, binary version: records of one label byte (CIFAR-100: coarse, then fine) and 3 × 32 × 32 bytes.
 *
 * Source: Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009; https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { basename, join } from "node:path";
import { type MemoryDataset, memoryDataset, sharedBytes } from "../dataset.ts";
import { type Corrupt, DataError } from "../errors.ts";
import { readBytes } from "./files.ts";

const SHAPE = [3, 32, 32] as const;
const PIXELS = 3 * 32 * 32;

const CIFAR10_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

export interface ReadOptions {
  readonly split?: "train" | "test" | undefined;
  /** Leaves out what cannot be read and lists it in `skipped`; without it, that is an error. */
  readonly skipCorrupt?: boolean | undefined;
}

/** CIFAR-10 from the folder that holds data_batch_1.bin … data_batch_5.bin and test_batch.bin. */
export async function cifar10(
  folder: string,
  { split = "train", skipCorrupt }: ReadOptions = {},
): Promise<MemoryDataset> {
  const names = split === "train" ? [1, 2, 3, 4, 5].map((i) => `data_batch_${i}.bin`) : ["test_batch.bin"];
  const files = names.map((name) => join(folder, name));
  return readCifar(files, { name: "cifar10", classes: CIFAR10_CLASSES, labelBytes: 1, skipCorrupt });
}

/** CIFAR-100 with its fine labels, from the folder that holds train.bin, test.bin and fine_label_names.txt. */
export async function cifar100(
  folder: string,
  { split = "train", skipCorrupt }: ReadOptions = {},
): Promise<MemoryDataset> {
  const namesFile = join(folder, "fine_label_names.txt");
  const classes = linesOf(await readBytes(namesFile));
  if (classes.length !== 100)
    throw new DataError(`expected 100 class names, found ${classes.length}`, { file: namesFile });
  return readCifar([join(folder, `${split}.bin`)], { name: "cifar100", classes, labelBytes: 2, skipCorrupt });
}

export interface CifarLayout {
  readonly name: string;
  readonly classes: readonly string[];
  /** Label bytes before the pixels; the last one counts. */
  readonly labelBytes: 1 | 2;
  readonly skipCorrupt?: boolean | undefined;
}

/** Files of CIFAR records, one after the other. */
export async function readCifar(files: readonly string[], layout: CifarLayout): Promise<MemoryDataset> {
  const { name, classes, labelBytes, skipCorrupt = false } = layout;
  const skipped: Corrupt[] = [];
  const complain = (file: string, reason: string) => {
    if (!skipCorrupt) throw new DataError(reason, { file, skippable: true });
    skipped.push({ file, reason });
  };
  const record = labelBytes + PIXELS;
  const parts: { file: string; bytes: Uint8Array; records: number[] }[] = [];
  for (const file of files) {
    const bytes = await readBytes(file).catch((error: DataError) => complain(file, error.reason));
    if (!bytes) continue;
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
      if (stored < records.length) return `${basename(file)}, record ${records[stored]}`;
      stored -= records.length;
    }
    return name;
  };
  return memoryDataset({ name, classes, images, labels, shape: SHAPE }, { describe, skipped });
}

/** The lines of a text that are not empty. */
export function linesOf(bytes: Uint8Array): string[] {
  const lines = new TextDecoder().decode(bytes).split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

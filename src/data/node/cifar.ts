/** CIFAR-10 and CIFAR-100 from their folders. */
import { join } from "node:path";
import { CIFAR10_CLASSES, type CifarLayout, cifarDataset } from "../cifar.ts";
import type { MemoryDataset } from "../dataset.ts";
import { type Corrupt, DataError, type NamedBytes } from "../errors.ts";
import { readBytes } from "./files.ts";

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

/** Files of CIFAR records, one after the other. */
export async function readCifar(files: readonly string[], layout: CifarLayout): Promise<MemoryDataset> {
  const skipped: Corrupt[] = [];
  const read: NamedBytes[] = [];
  for (const file of files) {
    try {
      read.push({ file, bytes: await readBytes(file) });
    } catch (error) {
      const { reason } = error as DataError;
      if (!layout.skipCorrupt) throw new DataError(reason, { file, skippable: true, cause: error });
      skipped.push({ file, reason });
    }
  }
  return cifarDataset(read, { ...layout, skipped });
}

/** The lines of a text that are not empty. */
export function linesOf(bytes: Uint8Array): string[] {
  const lines = new TextDecoder().decode(bytes).split("\n");
  return lines.map((line) => line.trim()).filter((line) => line !== "");
}

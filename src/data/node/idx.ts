/** MNIST and Fashion-MNIST from their folders: idx files, gzip or not. */
import { basename, join } from "node:path";
import type { MemoryDataset } from "../dataset.ts";
import { DataError } from "../errors.ts";
import { FASHION_CLASSES, idxDataset } from "../idx.ts";
import { linesOf, type ReadOptions } from "./cifar.ts";
import { listFolder, readBytes, readMaybeGzip } from "./files.ts";

/** The file names of one split, with a dot or a dash before "idx", as both are about. */
export function idxFiles(
  files: readonly string[],
  split: "train" | "test",
): { images: string; labels: string } | undefined {
  const prefix = split === "train" ? "train" : "(?:t10k|test)";
  const find = (what: string) => files.find((file) => new RegExp(`^${prefix}-${what}-ubyte(\\.gz)?$`).test(file));
  const images = find("images[-.]idx3");
  const labels = find("labels[-.]idx1");
  return images && labels ? { images, labels } : undefined;
}

export interface IdxOptions extends ReadOptions {
  readonly name?: string | undefined;
  /** Default: the lines of classes.txt in the folder, Fashion-MNIST's where the set's name has "fashion", else the numbers. */
  readonly classes?: readonly string[] | undefined;
}

/** A set in MNIST's files: train-images-idx3-ubyte, train-labels-idx1-ubyte and the same with t10k, each with .gz or without. */
export async function idx(folder: string, options: IdxOptions = {}): Promise<MemoryDataset> {
  const { split = "train", name = basename(folder), skipCorrupt } = options;
  const { files } = await listFolder(folder);
  const found = idxFiles(files, split);
  if (!found) {
    const stem = split === "train" ? "train" : "t10k";
    throw new DataError(`there is no ${stem}-images-idx3-ubyte(.gz) with its ${stem}-labels-idx1-ubyte(.gz)`, {
      file: folder,
    });
  }
  const classes = options.classes ?? (await classesOf(folder, files, name));
  return readIdx(join(folder, found.images), join(folder, found.labels), { name, classes, skipCorrupt });
}

async function classesOf(
  folder: string,
  files: readonly string[],
  name: string,
): Promise<readonly string[] | undefined> {
  if (files.includes("classes.txt")) return linesOf(await readBytes(join(folder, "classes.txt")));
  return /fashion/i.test(name) ? FASHION_CLASSES : undefined;
}

/** Images [N, H, W] from one idx file and labels [N] from another. */
export async function readIdx(
  imagesFile: string,
  labelsFile: string,
  { name = basename(imagesFile), ...facts }: Omit<IdxOptions, "split"> = {},
): Promise<MemoryDataset> {
  const read = async (file: string) => ({ file, bytes: await readMaybeGzip(file) });
  return idxDataset({ images: await read(imagesFile), labels: await read(labelsFile) }, { name, ...facts });
}

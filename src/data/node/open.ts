/** Data sets by name or by folder. */
import { existsSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import type { Dataset, DecodeOptions } from "../dataset.ts";
import { DataError } from "../errors.ts";
import { shapes } from "../shapes.ts";
import { cifar10, cifar100 } from "./cifar.ts";
import { checkFolder, listFolder } from "./files.ts";
import { idx, idxFiles } from "./idx.ts";
import { imageFolder, isImageFolder } from "./image-folder.ts";
import { type FetchOptions, fetchSet, KNOWN_SETS } from "./known.ts";

export type Split = "train" | "val" | "test";
export type Format = "cifar10" | "cifar100" | "idx" | "image-folder" | "shapes";

export interface LocateOptions extends FetchOptions, DecodeOptions {
  /** Leaves out what cannot be read and lists it in `skipped`; without it, that is an error. */
  readonly skipCorrupt?: boolean | undefined;
  /** Of the generated set. */
  readonly seed?: number | undefined;
}

/** A set that was found and whose parts can be opened. */
export interface LocatedDataset {
  readonly name: string;
  readonly format: Format;
  /** Undefined for a generated set. */
  readonly folder: string | undefined;
  readonly splits: readonly Split[];
  /** "test" and "val" stand for each other where only one of them is there. */
  open(split: Split): Promise<Dataset>;
}

/** Names that `openDataset` knows. */
export const DATASET_NAMES: readonly string[] = ["shapes", ...Object.keys(KNOWN_SETS)];

/**
 * Finds a set by its name (downloading it if need be) or by a folder, whose format is told by what is in it:
 * CIFAR's .bin files, MNIST's idx files, or pictures in class folders, with or without train/ and val/ above them.
 */
export async function locateDataset(nameOrDir: string, options: LocateOptions = {}): Promise<LocatedDataset> {
  if (nameOrDir === "shapes") return located("shapes", "shapes", undefined, ["train", "test"], options);
  if (Object.hasOwn(KNOWN_SETS, nameOrDir)) {
    const folder = await fetchSet(nameOrDir, KNOWN_SETS[nameOrDir as keyof typeof KNOWN_SETS], options);
    return detect(folder, nameOrDir, options);
  }
  if (!existsSync(nameOrDir)) {
    throw new DataError(
      `there is no such folder, and no data set of this name; known are ${DATASET_NAMES.join(", ")}`,
      {
        file: nameOrDir,
      },
    );
  }
  return detect(nameOrDir, basename(resolve(nameOrDir)), options);
}

export interface OpenOptions extends LocateOptions {
  readonly split?: Split | undefined;
}

/** One part of a set, by the set's name or folder; "train" unless another is asked for. */
export async function openDataset(nameOrDir: string, options: OpenOptions = {}): Promise<Dataset> {
  const found = await locateDataset(nameOrDir, options);
  return found.open(options.split ?? "train");
}

async function detect(folder: string, name: string, options: LocateOptions): Promise<LocatedDataset> {
  await checkFolder(folder);
  const found = (await detectFiles(folder, name, options)) ?? (await detectBelow(folder, name, options));
  if (found) return found;
  if (await isImageFolder(folder)) return located(name, "image-folder", folder, ["train"], options);
  throw new DataError(
    "no known data set is in it; expected data_batch_1.bin … (CIFAR-10), train.bin and fine_label_names.txt (CIFAR-100), " +
      "train-images-idx3-ubyte … (MNIST), or one subfolder of pictures per class, with or without train/ and val/ above",
    { file: folder },
  );
}

async function detectFiles(folder: string, name: string, options: LocateOptions): Promise<LocatedDataset | undefined> {
  const { files, folders } = await listFolder(folder);
  const has = (file: string) => files.includes(file);
  const parts = (train: boolean, test: boolean): Split[] => [
    ...(train ? ["train" as const] : []),
    ...(test ? ["test" as const] : []),
  ];
  const batches = [1, 2, 3, 4, 5].some((i) => has(`data_batch_${i}.bin`));
  if (batches || has("test_batch.bin")) {
    return located(name, "cifar10", folder, parts(batches, has("test_batch.bin")), options);
  }
  if (has("train.bin") || has("test.bin")) {
    return located(name, "cifar100", folder, parts(has("train.bin"), has("test.bin")), options);
  }
  const idxParts = parts(idxFiles(files, "train") !== undefined, idxFiles(files, "test") !== undefined);
  if (idxParts.length > 0) return located(name, "idx", folder, idxParts, options);
  const splits = (["train", "val", "test"] as const).filter((split) => splitFolder(folders, split) !== undefined);
  // one alone is a class among others, unless there are no others
  if (
    splits.length > 1 ||
    (splits.length === 1 && folders.length === 1 && (await isImageFolder(join(folder, folders[0]!))))
  )
    return located(name, "image-folder", folder, splits, options, { parts: true });
  return undefined;
}

/** A folder that only wraps the set, as archives and torchvision leave them. */
async function detectBelow(folder: string, name: string, options: LocateOptions): Promise<LocatedDataset | undefined> {
  const { folders } = await listFolder(folder);
  if (folders.length !== 1) return undefined;
  const below = join(folder, folders[0]!);
  return (await detectFiles(below, name, options)) ?? detectBelow(below, name, options);
}

const SPLIT_FOLDERS = {
  train: ["train", "training"],
  val: ["val", "valid", "validation"],
  test: ["test", "testing"],
} as const satisfies Record<Split, readonly string[]>;

function splitFolder(folders: readonly string[], split: Split): string | undefined {
  return SPLIT_FOLDERS[split].find((name) => folders.includes(name));
}

function located(
  name: string,
  format: Format,
  folder: string | undefined,
  splits: readonly Split[],
  options: LocateOptions,
  { parts = false } = {},
): LocatedDataset {
  const open = async (asked: Split): Promise<Dataset> => {
    const other = asked === "test" ? "val" : asked === "val" ? "test" : undefined;
    const split = splits.includes(asked) ? asked : other && splits.includes(other) ? other : undefined;
    if (!split) {
      throw new DataError(
        `there is no ${asked} part, only ${splits.join(", ")}` +
          (asked === "train" ? "" : "; hold one back of the training images (--validation-fraction, or split)"),
        { file: folder ?? name },
      );
    }
    const { skipCorrupt, channels, maxPixels } = options;
    const half = split === "train" ? "train" : "test";
    switch (format) {
      case "shapes":
        return shapes({ split: half, seed: options.seed });
      case "cifar10":
        return cifar10(folder!, { split: half, skipCorrupt });
      case "cifar100":
        return cifar100(folder!, { split: half, skipCorrupt });
      case "idx":
        return idx(folder!, { name, split: half, skipCorrupt });
      case "image-folder":
        return parts
          ? openPart(name, folder!, split, options)
          : imageFolder(folder!, { name, skipCorrupt, channels, maxPixels });
      default:
        return format satisfies never;
    }
  };
  return { name, format, folder, splits, open };
}

/** Labels of every part follow the class folders of the training part, so that a part that lacks a class keeps them. */
async function openPart(
  name: string,
  folder: string,
  split: Split,
  { skipCorrupt, channels, maxPixels }: LocateOptions,
): Promise<Dataset> {
  const { folders } = await listFolder(folder);
  const train = splitFolder(folders, "train");
  const classFolders = train && split !== "train" ? (await listFolder(join(folder, train))).folders : undefined;
  const part = join(folder, splitFolder(folders, split)!);
  return imageFolder(part, { name, skipCorrupt, channels, maxPixels, classFolders });
}

/** Data sets by name, folder or module. */
import { existsSync, statSync } from "node:fs";
import { basename, extname, join, relative, resolve } from "node:path";
import type { Dataset, DecodeOptions } from "../dataset.ts";
import { DataError } from "../errors.ts";
import { shapes } from "../shapes.ts";
import { cifar10, cifar100 } from "./cifar.ts";
import { checkFolder, listFolder } from "./files.ts";
import { idx, idxFiles } from "./idx.ts";
import { imageFolder, isImageFolder, isImageName } from "./image-folder.ts";
import { type FetchOptions, fetchSet, KNOWN_SETS } from "./known.ts";
import { isModuleFile, moduleParts } from "./module.ts";
import { findParts, PART_NAMES, type Parts, type Split } from "./parts.ts";

export type { Split } from "./parts.ts";
export type Format = "cifar10" | "cifar100" | "idx" | "image-folder" | "module" | "shapes";

/** Options of `locateDataset`: where known data sets are kept, and how images are decoded. */
export interface LocateOptions extends FetchOptions, DecodeOptions {
  /** Leave out what cannot be read, and list it in `skipped`. By default, it is an error. */
  readonly skipCorrupt?: boolean | undefined;
  /** Of the generated set. */
  readonly seed?: number | undefined;
}

/** A data set that was found and whose parts can be opened. */
export interface LocatedDataset {
  readonly name: string;
  readonly format: Format;
  /** Undefined for a generated set and for one from a module. */
  readonly folder: string | undefined;
  readonly splits: readonly Split[];
  /** "test" and "val" stand for each other if only one of them exists. */
  open(split: Split): Promise<Dataset>;
  /**
   * How a folder of images was understood, in a line for people; undefined for other formats.
   *
   *     Training images: Train/ (2 classes, 1,234 images); test images: Test/
   */
  describe(): Promise<string | undefined>;
}

/** Names that `openDataset` knows. */
export const DATASET_NAMES: readonly string[] = ["shapes", ...Object.keys(KNOWN_SETS)];

/**
 * Finds a data set by name (and downloads it if necessary), by a folder, or by a JavaScript or TypeScript file that exports one.
 *
 * The format of a folder is detected from its content: CIFAR's .bin files, MNIST's idx files, or images in class folders, with or
 * without folders for training, validation and test set above them (`train`, `Train`, `training_set`, `seg_train/seg_train`, …).
 *
 * Throws a DataError where there is no such data set, or its folders can be understood in two ways.
 */
export async function locateDataset(nameOrPath: string, options: LocateOptions = {}): Promise<LocatedDataset> {
  if (nameOrPath === "shapes") {
    const open = async (split: Split) => shapes({ split: half(split), seed: options.seed });
    return located({ name: "shapes", format: "shapes", folder: undefined }, ["train", "test"], open);
  }
  if (Object.hasOwn(KNOWN_SETS, nameOrPath)) {
    const folder = await fetchSet(nameOrPath, KNOWN_SETS[nameOrPath as keyof typeof KNOWN_SETS], options);
    return detect(folder, nameOrPath, options);
  }
  if (!existsSync(nameOrPath)) {
    throw new DataError(
      `there is no such folder, and no data set of this name; known are ${DATASET_NAMES.join(", ")}`,
      {
        file: nameOrPath,
      },
    );
  }
  const name = basename(resolve(nameOrPath));
  return statSync(nameOrPath).isFile() ? ofFile(nameOrPath, name) : detect(nameOrPath, name, options);
}

export interface OpenOptions extends LocateOptions {
  readonly split?: Split | undefined;
}

/** One part of a data set, by the set's name, folder or module; "train" by default. */
export async function openDataset(nameOrPath: string, options: OpenOptions = {}): Promise<Dataset> {
  const found = await locateDataset(nameOrPath, options);
  return found.open(options.split ?? "train");
}

async function ofFile(file: string, name: string): Promise<LocatedDataset> {
  if (isModuleFile(file)) {
    const { splits, open } = await moduleParts(file);
    return located({ name, format: "module", folder: undefined }, splits, open);
  }
  const isTable = [".csv", ".tsv"].includes(extname(file).toLowerCase());
  throw new DataError(
    `${isTable ? "tables of labels are not supported yet" : "is a file; a folder was expected"}: put the images into one subfolder per ` +
      "class, or write a module that exports the data set, such as data.mjs",
    { file },
  );
}

async function detect(folder: string, name: string, options: LocateOptions): Promise<LocatedDataset> {
  await checkFolder(folder);
  const found = (await detectFiles(folder, name, options)) ?? (await detectBelow(folder, name, options));
  if (found) return found;
  if (await isImageFolder(folder)) return imageSet(name, folder, new Map([["train", folder]]), options);
  throw new DataError(
    "it holds no data set; expected data_batch_1.bin … (CIFAR-10), train.bin and fine_label_names.txt (CIFAR-100), " +
      "train-images-idx3-ubyte … (MNIST), or one subfolder of images per class, with or without train/ and val/ above",
    { file: folder },
  );
}

async function detectFiles(folder: string, name: string, options: LocateOptions): Promise<LocatedDataset | undefined> {
  const { files } = await listFolder(folder);
  const { skipCorrupt } = options;
  const has = (file: string) => files.includes(file);
  const parts = (train: boolean, test: boolean): Split[] => [
    ...(train ? ["train" as const] : []),
    ...(test ? ["test" as const] : []),
  ];
  const batches = [1, 2, 3, 4, 5].some((i) => has(`data_batch_${i}.bin`));
  if (batches || has("test_batch.bin")) {
    const open = (split: Split) => cifar10(folder, { split: half(split), skipCorrupt });
    return located({ name, format: "cifar10", folder }, parts(batches, has("test_batch.bin")), open);
  }
  if (has("train.bin") || has("test.bin")) {
    const open = (split: Split) => cifar100(folder, { split: half(split), skipCorrupt });
    return located({ name, format: "cifar100", folder }, parts(has("train.bin"), has("test.bin")), open);
  }
  const idxParts = parts(idxFiles(files, "train") !== undefined, idxFiles(files, "test") !== undefined);
  if (idxParts.length > 0) {
    const open = (split: Split) => idx(folder, { name, split: half(split), skipCorrupt });
    return located({ name, format: "idx", folder }, idxParts, open);
  }
  const found = await findParts(folder);
  return found && imageSet(name, folder, found.folders, options, found.ignored);
}

/** A folder that only wraps the data set, as archives and torchvision leave them. */
async function detectBelow(folder: string, name: string, options: LocateOptions): Promise<LocatedDataset | undefined> {
  const { folders, files } = await listFolder(folder);
  if (folders.length !== 1) return undefined;
  const below = join(folder, folders[0]!);
  const found = (await detectFiles(below, name, options)) ?? (await detectBelow(below, name, options));
  if (found || files.some(isImageName)) return found;
  // photos/photos/{cat,dog}: one class named "photos" would be no data set
  const inner = await listFolder(below);
  const hasClasses = inner.folders.length > 1 && !inner.files.some(isImageName) && (await isImageFolder(below));
  return hasClasses ? imageSet(name, below, new Map([["train", below]]), options) : undefined;
}

/** CIFAR and MNIST have a training and a test set. */
const half = (split: Split) => (split === "train" ? "train" : "test");

type Opener = (split: Split) => Promise<Dataset>;

function located(
  { name, format, folder }: Pick<LocatedDataset, "name" | "format" | "folder">,
  splits: readonly Split[],
  open: Opener,
  describe: LocatedDataset["describe"] = async () => undefined,
): LocatedDataset {
  return {
    name,
    format,
    folder,
    splits,
    describe,
    async open(asked) {
      const other = asked === "test" ? "val" : asked === "val" ? "test" : undefined;
      const split = splits.includes(asked) ? asked : other && splits.includes(other) ? other : undefined;
      if (split) return open(split);
      const present = splits.map((part) => PART_NAMES[part]).join(" and the ");
      const remedy = asked === "train" ? "" : "; hold out a part of the training set";
      throw new DataError(`no ${PART_NAMES[asked]} found, only the ${present}${remedy}`, { file: folder ?? name });
    },
  };
}

/**
 * Images in class folders. Labels of every part follow the class folders of the training set, so that a part that lacks a class
 * keeps its numbers.
 */
function imageSet(
  name: string,
  folder: string,
  parts: ReadonlyMap<Split, string>,
  { skipCorrupt, channels, maxPixels }: LocateOptions,
  ignored: Parts["ignored"] = [],
): LocatedDataset {
  const opened = new Map<Split, Promise<Dataset>>();
  const openPart = async (split: Split) => {
    const train = parts.get("train");
    const classFolders = train && split !== "train" ? (await listFolder(train)).folders : undefined;
    return imageFolder(parts.get(split)!, { name, skipCorrupt, channels, maxPixels, classFolders });
  };
  const open = (split: Split) => {
    const known = opened.get(split) ?? openPart(split);
    opened.set(split, known);
    return known;
  };
  const shown = (path: string) => `${path === folder ? basename(resolve(folder)) : relative(folder, path)}/`;
  const describe = async () => {
    const [first] = parts.keys();
    const { classes, length } = await open(first!);
    const counts = ` (${classes.length} ${classes.length === 1 ? "class" : "classes"}, ${length.toLocaleString("en-US")} ${length === 1 ? "image" : "images"})`;
    const lines = [...parts].map(
      ([split, path]) => `${IMAGES_OF[split]}: ${shown(path)}${split === first ? counts : ""}`,
    );
    const unused = ignored.map((part) => `; not used: ${shown(part.folder)} (${part.reason})`);
    const text = lines.join("; ") + unused.join("");
    return text[0]!.toUpperCase() + text.slice(1);
  };
  return located({ name, format: "image-folder", folder }, [...parts.keys()], open, describe);
}

const IMAGES_OF = {
  train: "training images",
  val: "validation images",
  test: "test images",
} as const satisfies Record<Split, string>;

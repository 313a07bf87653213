/** Data sets by name, folder, file or module. */
import { existsSync, statSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import type { Dataset, DecodeOptions } from "../dataset.ts";
import { DataError } from "../errors.ts";
import { shapes } from "../shapes.ts";
import { isArchiveName } from "./archives.ts";
import { checkFolder, isThere, listFolder } from "./files.ts";
import { cifarFiles, cifarPickles, idxArrays } from "./forms/binary-files.ts";
import { fileNames } from "./forms/file-names.ts";
import type { Context, Form, Format, Found, Part } from "./forms/form.ts";
import { labelTable, tablesIn } from "./forms/label-table.ts";
import { numpyArrays } from "./forms/numpy.ts";
import { parquetFiles } from "./forms/parquet.ts";
import { classFolders, partFolders } from "./forms/part-folders.ts";
import { webDataset } from "./forms/webdataset.ts";
import { imagesBelow, isImageFolder, isImageName, typesOf } from "./image-folder.ts";
import { type FetchOptions, fetchSet, KNOWN_SETS } from "./known.ts";
import { areNumbered, classesOf, datasetOf, type Labelled, shortList } from "./labelled.ts";
import { isModuleFile, moduleParts } from "./module.ts";
import { PART_NAMES, SPLITS, type Split, splitLikeNames } from "./splits.ts";
import { isTableName } from "./table.ts";

export type { Format } from "./forms/form.ts";
export type { Split } from "./splits.ts";

/** Forms of data sets in the order in which they are tried. A form that files fit only by chance stands behind the others. */
const FORMS: readonly Form[] = [
  cifarFiles,
  cifarPickles,
  idxArrays,
  parquetFiles,
  numpyArrays,
  webDataset,
  labelTable,
  partFolders,
  fileNames,
];

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
   * How files were understood, in a line for people, and what to look at, in further ones; undefined for the binary files of CIFAR and
   * MNIST, for generated sets and for modules.
   *
   *     train: 2 classes, 1,234 images in Train/; test: 200 images in Test/
   */
  describe(): Promise<string | undefined>;
}

/** Names that `openDataset` knows. */
export const DATASET_NAMES: readonly string[] = ["shapes", ...Object.keys(KNOWN_SETS)];

/**
 * Finds a data set by name (and downloads it if necessary), by a folder, an archive or a file, or by a JavaScript or TypeScript file
 * that exports one.
 *
 * The form is detected from the content: images in class folders, with or without folders for training, validation and test set above
 * them (`train`, `Train`, `training_set`, `seg_train/seg_train`, …); images with their classes in a table or in their names; tables of
 * pixels; Parquet; NumPy's arrays; WebDataset; the binary files of CIFAR and MNIST. docs/data.md shows each. Archives (.zip, .tar,
 * .tar.gz) are read in place.
 *
 * Throws a DataError where there is no such data set, or its files can be understood in two ways.
 */
export async function locateDataset(nameOrPath: string, options: LocateOptions = {}): Promise<LocatedDataset> {
  if (nameOrPath === "shapes") {
    const open = async (split: Split) => shapes({ split: split === "train" ? "train" : "test", seed: options.seed });
    return located({ name: "shapes", format: "shapes", folder: undefined }, ["train", "test"], open);
  }
  if (Object.hasOwn(KNOWN_SETS, nameOrPath)) {
    const folder = await fetchSet(nameOrPath, KNOWN_SETS[nameOrPath as keyof typeof KNOWN_SETS], options);
    return detect(folder, nameOrPath, options);
  }
  if (!existsSync(nameOrPath) && !(await isThere(nameOrPath))) {
    throw new DataError(
      `there is no such folder, and no data set of this name; known are ${DATASET_NAMES.join(", ")}`,
      {
        file: nameOrPath,
      },
    );
  }
  const name = basename(resolve(nameOrPath));
  const isFile = existsSync(nameOrPath) && statSync(nameOrPath).isFile();
  if (!isFile || isArchiveName(nameOrPath))
    return detect(nameOrPath, name.replace(/\.(zip|tar|tar\.gz|tgz)$/i, ""), options); // prettier-ignore
  return isModuleFile(nameOrPath) ? ofModule(nameOrPath, name) : ofFile(nameOrPath, name, options);
}

export interface OpenOptions extends LocateOptions {
  readonly split?: Split | undefined;
}

/** One part of a data set, by the set's name, folder, file or module; "train" by default. */
export async function openDataset(nameOrPath: string, options: OpenOptions = {}): Promise<Dataset> {
  const found = await locateDataset(nameOrPath, options);
  return found.open(options.split ?? "train");
}

async function ofModule(file: string, name: string): Promise<LocatedDataset> {
  const { splits, open } = await moduleParts(file);
  return located({ name, format: "module", folder: undefined }, splits, open);
}

function contextOf(name: string, folder: string, { skipCorrupt = false, channels, maxPixels }: LocateOptions) {
  return { name, folder, decode: { channels, maxPixels }, skipCorrupt, hints: [] as string[] };
}

/** A table, or another file with images in it. */
async function ofFile(file: string, name: string, options: LocateOptions): Promise<LocatedDataset> {
  const stem = name.replace(/\.[^.]+$/, "");
  const context: Context = { ...contextOf(stem, dirname(file), options), folders: [], files: [basename(file)] };
  const found = isTableName(file)
    ? await tablesIn([file], context)
    : ((await parquetFiles(context)) ?? (await numpyArrays(context)));
  if (found) return fromFound(found, context);
  const [hint] = context.hints;
  throw new DataError(
    hint ??
      (isTableName(file)
        ? "none of its columns names image files below its folder, and it is no table of pixels"
        : "is a file of an unknown kind; expected a folder, an archive (.zip, .tar, .tar.gz), a table (.csv, .tsv, .jsonl), .parquet, .npz, or a module that exports the data set, such as data.mjs"),
    { file },
  );
}

async function detect(folder: string, name: string, options: LocateOptions): Promise<LocatedDataset> {
  await checkFolder(folder);
  const context = contextOf(name, folder, options);
  const found = (await tryForms(context)) ?? (await tryBelow(context)) ?? (await classFoldersIn(context));
  if (found) return found;
  const { others, endings } = await imagesBelow(folder);
  const only = others > 0 ? `; it has ${others} other files${typesOf(endings)}` : "";
  const hints = context.hints.map((hint) => `\n${hint}`).join("");
  throw new DataError(
    "it holds no data set; expected data_batch_1.bin … (CIFAR-10), train.bin and fine_label_names.txt (CIFAR-100), " +
      "train-images-idx3-ubyte … (MNIST), or one subfolder of images per class, with or without train/ and val/ above, " +
      `a table of labels, .parquet or .npz files${only}${hints}`,
    { file: folder },
  );
}

type Place = Omit<Context, "folders" | "files">;

async function tryForms(place: Place): Promise<LocatedDataset | undefined> {
  const context = { ...place, ...(await listFolder(place.folder)) };
  for (const form of FORMS) {
    const found = await form(context);
    if (found) return fromFound(found, context);
  }
  return undefined;
}

async function classFoldersIn(place: Place): Promise<LocatedDataset | undefined> {
  const context = { ...place, ...(await listFolder(place.folder)) };
  const found = await classFolders(context);
  return found && fromFound(found, context);
}

/** A folder, or an archive, that only wraps the data set, as archives and torchvision leave them. */
async function tryBelow(place: Place): Promise<LocatedDataset | undefined> {
  const { folders, files } = await listFolder(place.folder);
  const [inner, ...others] = [...folders, ...files.filter(isArchiveName)];
  if (inner === undefined || others.length > 0) return undefined;
  const below = { ...place, folder: join(place.folder, inner) };
  const found = (await tryForms(below)) ?? (await tryBelow(below));
  if (found || files.some(isImageName)) return found;
  // photos/photos/{cat,dog}: one class named "photos" would be no data set
  const listed = await listFolder(below.folder);
  const hasClasses =
    listed.folders.length > 1 && !listed.files.some(isImageName) && (await isImageFolder(below.folder));
  return hasClasses ? classFoldersIn(below) : undefined;
}

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

const isDataset = (opened: Dataset | Labelled): opened is Dataset => "get" in opened;

/** A data set from the parts that a form found. Classes of every part are those of the training set. */
function fromFound({ format, parts: found, ignored = [] }: Found, { name, folder, decode }: Context): LocatedDataset {
  const parts = new Map(SPLITS.flatMap((split) => (found.has(split) ? [[split, found.get(split)!]] : [])));
  const read = new Map<Split, ReturnType<Part["open"]>>();
  const readPart = (split: Split) => {
    const known = read.get(split) ?? parts.get(split)!.open();
    read.set(split, known);
    return known;
  };
  const opened = new Map<Split, Promise<Dataset>>();
  const openPart = async (split: Split): Promise<Dataset> => {
    const part = await readPart(split);
    if (isDataset(part)) return part;
    const train = !part.classes && split !== "train" && parts.has("train") ? await readPart("train") : part;
    return datasetOf(part, { name, classes: isDataset(train) ? train.classes : classesOf(train), decode });
  };
  const open = (split: Split) => {
    const known = opened.get(split) ?? openPart(split);
    opened.set(split, known);
    return known;
  };
  const shown = (paths: readonly string[]) => {
    const [path = folder] = paths;
    const more = paths.length > 1 ? ` and ${paths.length - 1} more` : "";
    const isFolder = ["image-folder", "file-names"].includes(format) || path === folder;
    return `${path === folder ? basename(resolve(folder)) : relative(folder, path)}${isFolder ? "/" : ""}${more}`;
  };
  const describe = async () => {
    if (["cifar10", "cifar100", "idx"].includes(format)) return undefined;
    const [first] = parts.keys();
    const { classes, targetSize } = await open(first!);
    const count =
      targetSize === undefined
        ? counted(classes.length, "class", "classes")
        : `${counted(classes.length, "label", "labels")} (an image can have several)`;
    const lines: string[] = [];
    for (const [split, { at }] of parts) {
      // of images in files, counting takes no reading
      const isCheap = split === first || IN_FILES.includes(format);
      const part = isCheap ? await open(split).catch(() => undefined) : undefined;
      const counts = [...(split === first ? [count] : []), ...(part ? [counted(part.length, "image", "images")] : [])]; // prettier-ignore
      lines.push(`${split}: ${counts.join(", ")}${counts.length > 0 ? " in " : ""}${shown(at)}`);
    }
    const unused = ignored.map(({ at, reason }) => `; not used: ${shown([at])} (${reason})`);
    return [lines.join("; ") + unused.join(""), ...warnings(classes)].join("\n");
  };
  return located({ name, format, folder }, [...parts.keys()], open, describe);
}

const IN_FILES: readonly Format[] = ["image-folder", "file-names", "table"];

const counted = (count: number, one: string, several: string) =>
  `${count.toLocaleString("en-US")} ${count === 1 ? one : several}`;

/** What may be wrong with classes. */
function warnings(classes: readonly string[]): string[] {
  const parts = splitLikeNames(classes);
  const asText = [...classes].sort();
  return [
    ...(parts.length > 0
      ? [
          `Warning: class names look like parts of a data set (${shortList(parts)}); if they are, name the folder with the classes, or rename the parts to train, val and test.`,
        ] // prettier-ignore
      : []),
    ...(areNumbered(classes) && asText.some((name, i) => name !== classes[i])
      ? [
          `The classes are numbers and are in their order (${shortList(classes)}); torchvision's ImageFolder has them in that of text (${shortList(asText)}).`,
        ] // prettier-ignore
      : []),
  ];
}

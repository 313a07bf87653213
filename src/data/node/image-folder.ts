/** Pictures in one folder per class, as torchvision's `ImageFolder` reads them. */
import { basename, extname, join } from "node:path";
import { checkDataset, type Dataset, type DecodeOptions } from "../dataset.ts";
import { type Corrupt, DataError } from "../errors.ts";
import { decodeFile, IMAGE_EXTENSIONS } from "./decode.ts";
import { checkFolder, listFolder, readBytes } from "./files.ts";

export interface ImageFolderOptions extends DecodeOptions {
  readonly name?: string | undefined;
  /** Keeps a class whose folder has no pictures, and lists it in `skipped`; without it, that is an error. */
  readonly skipCorrupt?: boolean | undefined;
  /** The class folders in the order of their labels, from the training part; any other folder is then an error. */
  readonly classFolders?: readonly string[] | undefined;
}

/**
 * Every subfolder is a class, in the order of Python's `sorted`, with pictures anywhere below it; hidden names are left out.
 *
 * A classes.json in the folder or the one above, `{ "n01440764": "tench", … }` or `{ "n01440764": ["tench", 0], … }`, gives
 * the classes readable names.
 */
export async function imageFolder(folder: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const { name = basename(folder), skipCorrupt = false, channels, maxPixels } = options;
  await checkFolder(folder);
  const { folders: present } = await listFolder(folder);
  const folders = options.classFolders ?? present;
  const unknown = present.filter((name) => !folders.includes(name));
  if (unknown.length > 0) {
    throw new DataError(`the class folders ${unknown.join(", ")} are not among those of the training part`, {
      file: folder,
    });
  }
  if (present.length === 0) {
    throw new DataError("there is no class folder in it; expected one subfolder of pictures per class", {
      file: folder,
    });
  }
  const files: string[] = [];
  const labels: number[] = [];
  const skipped: Corrupt[] = [];
  for (const [label, name] of folders.entries()) {
    if (!present.includes(name)) continue;
    const { pictures, others } = await picturesBelow(join(folder, name));
    for (const file of pictures) {
      files.push(file);
      labels.push(label);
    }
    if (pictures.length > 0) continue;
    const reason =
      `the class folder has no pictures${others > 0 ? `, only ${others} other files` : ""}; ` +
      `remove it, or put ${IMAGE_EXTENSIONS.join(" ")} files into it`;
    if (!skipCorrupt) throw new DataError(reason, { file: join(folder, name), skippable: true });
    skipped.push({ file: join(folder, name), reason });
  }
  const names = await classNames(folder);
  const classes = folders.map((name) => names[name] ?? name);
  checkDataset(folder, classes, files.length);
  return fileDataset({
    name,
    classes,
    files,
    labels: Int32Array.from(labels),
    decode: { channels, maxPixels },
    skipped,
  });
}

/** Files and labels as a set; each picture is decoded when it is asked for. */
export function fileDataset({
  name,
  classes,
  files,
  labels,
  decode,
  skipped = [],
}: {
  name: string;
  classes: readonly string[];
  files: readonly string[];
  labels: Int32Array;
  decode: DecodeOptions;
  skipped?: readonly Corrupt[];
}): Dataset {
  return {
    name,
    classes,
    length: files.length,
    labels,
    skipped,
    source: { kind: "files", files, labels, decode },
    describe: (index) => files[index]!,
    async get(index) {
      const file = files[index];
      if (file === undefined) throw new RangeError(`${name}: sample ${index} of ${files.length} was asked for`);
      return { image: await decodeFile(file, decode), label: labels[index]! };
    },
  };
}

/** Whether a folder looks like one: subfolders, the first of which has pictures in it or below it. */
export async function isImageFolder(folder: string): Promise<boolean> {
  const { folders } = await listFolder(folder);
  for (const name of folders) if ((await picturesBelow(join(folder, name))).pictures.length > 0) return true;
  return false;
}

/** All pictures in a folder and those below it, in the order of their names, and how many other files there are. */
export async function picturesBelow(folder: string): Promise<{ pictures: string[]; others: number }> {
  const { folders, files } = await listFolder(folder);
  const named = files.filter((file) => IMAGE_EXTENSIONS.includes(extname(file).toLowerCase()));
  const pictures = named.map((file) => join(folder, file));
  let others = files.length - named.length;
  for (const name of folders) {
    const below = await picturesBelow(join(folder, name));
    pictures.push(...below.pictures);
    others += below.others;
  }
  return { pictures, others };
}

async function classNames(folder: string): Promise<Readonly<Record<string, string>>> {
  for (const file of [join(folder, "classes.json"), join(folder, "..", "classes.json")]) {
    const text = await readBytes(file).then(
      (bytes) => new TextDecoder().decode(bytes),
      () => undefined,
    );
    if (text === undefined) continue;
    try {
      const entries = Object.entries(JSON.parse(text) as Record<string, unknown>);
      return Object.fromEntries(
        entries.map(([folder, name]) => [folder, String(Array.isArray(name) ? name[0] : name)]),
      );
    } catch (cause) {
      throw new DataError(`cannot read the class names: ${(cause as Error).message}`, { file, cause });
    }
  }
  return {};
}

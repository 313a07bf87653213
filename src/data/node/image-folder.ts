/** Images in one folder per class, as torchvision's `ImageFolder` reads them. */
import { basename, extname, join } from "node:path";
import { checkDataset, type Dataset, type DecodeOptions } from "../dataset.ts";
import { type Corrupt, DataError } from "../errors.ts";
import { IMAGE_EXTENSIONS } from "./decode.ts";
import { fileDataset } from "./file-dataset.ts";
import { checkFolder, listFolder, readBytes } from "./files.ts";
import { inClassOrder } from "./labelled.ts";

/** Options of `imageFolder`. */
export interface ImageFolderOptions extends DecodeOptions {
  readonly name?: string | undefined;
  /** Keep a class whose folder has no images, and list it in `skipped`. By default, that is an error. */
  readonly skipCorrupt?: boolean | undefined;
  /** Class folders in the order of their labels, as in the training set; any other folder is then an error. */
  readonly classFolders?: readonly string[] | undefined;
}

/**
 * A data set of images in class folders. Every subfolder is a class, numbers by size and names in the order of Python's `sorted`,
 * with images at any depth below it; hidden files are ignored.
 *
 * A classes.json in the folder or the one above, `{ "n01440764": "tench", … }` or `{ "n01440764": ["tench", 0], … }`, gives
 * the classes readable names.
 *
 * Throws a DataError, with the folder's name, where there are no class folders or one of them has no images.
 */
export async function imageFolder(folder: string, options: ImageFolderOptions = {}): Promise<Dataset> {
  const { name = basename(folder), skipCorrupt = false, channels, maxPixels } = options;
  await checkFolder(folder);
  const present = inClassOrder((await listFolder(folder)).folders);
  const folders = options.classFolders ?? present;
  const unknown = present.filter((name) => !folders.includes(name));
  if (unknown.length > 0) {
    throw new DataError(`the training set has no class folders ${unknown.join(", ")}`, { file: folder });
  }
  if (present.length === 0) {
    throw new DataError("there are no class folders in it; expected one subfolder of images per class", {
      file: folder,
    });
  }
  const files: string[] = [];
  const labels: number[] = [];
  const skipped: Corrupt[] = [];
  for (const [label, name] of folders.entries()) {
    if (!present.includes(name)) continue;
    const { images, others, endings, unread } = await imagesBelow(join(folder, name));
    for (const file of images.length > 0 ? unread : [])
      skipped.push({ file, reason: `${UNREAD}; save it as JPEG or PNG` });
    for (const file of images) {
      files.push(file);
      labels.push(label);
    }
    if (images.length > 0) continue;
    const reason =
      `the class folder has no images${others > 0 ? `, only ${others} other files${typesOf(endings)}` : ""}; ` +
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

/** Whether a folder has subfolders with images in them, at any depth. */
export async function isImageFolder(folder: string): Promise<boolean> {
  const { folders } = await listFolder(folder);
  for (const name of folders) {
    if ((await imagesBelow(join(folder, name), { limit: 1 })).images.length > 0) return true;
  }
  return false;
}

/** Whether a file's name ends like that of an image. */
export const isImageName = (name: string): boolean => IMAGE_EXTENSIONS.includes(extname(name).toLowerCase());

const isUnread = (name: string): boolean => /\.(heic|heif|jp2|jxl|dng|cr2|nef|arw)$/i.test(name);
const UNREAD = "images of this type are not read";

/** The endings of files, in parentheses: ` (.heic, .txt)`. */
export function typesOf(endings: ReadonlySet<string>): string {
  const names = [...endings].sort();
  if (names.length === 0) return "";
  const advice = names.some(isUnread) ? `; ${UNREAD}, save them as JPEG or PNG` : "";
  return ` (${names.slice(0, 5).join(", ")}${names.length > 5 ? ", …" : ""}${advice})`;
}

/**
 * The images in a folder and in those below it, in the order of their names, how many other files there are, how those end, and which of
 * them are images of a type that is not read. With
 * `limit`, the search stops once so many images are found.
 */
export async function imagesBelow(
  folder: string,
  { limit = Number.POSITIVE_INFINITY }: { readonly limit?: number } = {},
): Promise<{ images: string[]; others: number; endings: ReadonlySet<string>; unread: string[] }> {
  const { folders, files } = await listFolder(folder);
  const named = files.filter(isImageName);
  const images = named.map((file) => join(folder, file));
  const endings = new Set(files.filter((file) => !isImageName(file)).map((file) => extname(file).toLowerCase()));
  endings.delete("");
  const unread = files.filter(isUnread).map((file) => join(folder, file));
  let others = files.length - named.length;
  for (const name of folders) {
    if (images.length >= limit) break;
    const below = await imagesBelow(join(folder, name), { limit: limit - images.length });
    for (const image of below.images) images.push(image);
    for (const ending of below.endings) endings.add(ending);
    for (const file of below.unread) unread.push(file);
    others += below.others;
  }
  return { images, others, endings, unread };
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

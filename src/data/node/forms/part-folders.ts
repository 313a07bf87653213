/** Training, validation and test images in folders of their own, under the names that published data sets use. */
import { join } from "node:path";
import { DataError } from "../../errors.ts";
import { isArchiveName } from "../archives.ts";
import { listFolder } from "../files.ts";
import { imageFolder, imagesBelow, isImageFolder, isImageName } from "../image-folder.ts";
import { inClassOrder, type Labelled } from "../labelled.ts";
import { PART_NAMES, SPLITS, type Split, splitOf } from "../splits.ts";
import { namedImages } from "./file-names.ts";
import type { Context, Form, Found, Part } from "./form.ts";

/** A folder's name without the ending of an archive: `train.zip` is the part that `train` is. */
const bare = (name: string) => (isArchiveName(name) ? name.replace(/\.[^.]+(\.gz)?$/i, "") : name);

/**
 * The parts in a folder: two or more subfolders or archives named after parts, or one and nothing else. A part of images without
 * classes is ignored, as in competitions whose test images have no labels, unless it is the training part.
 *
 * Throws a DataError where the names can be understood in two ways.
 */
export const partFolders: Form = async (context) => {
  const { folder } = context;
  const names = [...context.folders, ...context.files.filter(isArchiveName)];
  const found = new Map<Split, string>();
  for (const name of names) {
    const split = splitOf(bare(name));
    if (split === undefined) continue;
    const other = found.get(split);
    if (other !== undefined) {
      throw new DataError(
        `${other}/ and ${name}/ both look like the ${PART_NAMES[split]}; rename one, or name the folder to use`,
        { file: folder },
      );
    }
    found.set(split, name);
  }
  if (found.size === 0) return undefined;
  const others = names.filter((name) => splitOf(bare(name)) === undefined);
  if (found.size === 1 && others.length > 0) {
    const [[split, name]] = found as unknown as [[Split, string]];
    await refuseAmbiguous(folder, split, name, others);
    return undefined;
  }
  return foldersOf(context, found, others);
};

/** Whether a folder has parts with class folders in them. */
export async function hasClassParts({ folder, folders }: Context): Promise<boolean> {
  for (const name of folders) {
    if (splitOf(name) === undefined) continue;
    if ((await contentOf(await classFoldersOf(join(folder, name)))) === "classes") return true;
  }
  return false;
}

const EXPECTED = "expected one subfolder of images per class";

/** One part among other folders is a class like them, such as photographs of trains, unless it has class folders itself. */
async function refuseAmbiguous(folder: string, split: Split, name: string, others: readonly string[]): Promise<void> {
  const part = await classFoldersOf(join(folder, name));
  if ((await contentOf(part)) !== "classes") return;
  const shown = others.length > 3 ? `${others.slice(0, 3).join("/, ")}/, …` : `${others.join("/, ")}/`;
  throw new DataError(
    `${name}/ looks like the ${PART_NAMES[split]} (it has class folders), but ${shown} beside it are no other parts; ` +
      `to use ${name}/ alone, name ${part}; if it is a class, put its images directly into it`,
    { file: folder },
  );
}

async function foldersOf(
  context: Context,
  found: ReadonlyMap<Split, string>,
  others: readonly string[],
): Promise<Found | undefined> {
  const { folder } = context;
  const parts = new Map<Split, Part>();
  const ignored: { at: string; reason: string }[] = [];
  const named = new Map<Split, Labelled>();
  const train = found.has("train") ? await classFoldersOf(join(folder, found.get("train")!)) : undefined;
  for (const split of SPLITS) {
    const name = found.get(split);
    if (name === undefined) continue;
    const part = await classFoldersOf(join(folder, name));
    const content = await contentOf(part);
    // one part without classes is a class itself, and says so when it is opened
    if (content === "images" && found.size === 1) return undefined;
    const images =
      content === "images" && (split === "train" || named.has("train")) ? await namedImages(part) : undefined;
    if (images) {
      named.set(split, images);
      parts.set(split, { at: [part], open: async () => images });
    } else if (content === "images" && split === "train") {
      throw new DataError(`the training images are not in class folders; ${EXPECTED}`, { file: part });
    } else if (content === "images") ignored.push({ at: part, reason: "its images are not in class folders" });
    else if (content === "classes" || found.size > 1)
      parts.set(split, { at: [part], open: () => openFolder(part, context, split === "train" ? undefined : train) });
  }
  for (const name of others) {
    if ((await imagesBelow(join(folder, name), { limit: 1 })).images.length > 0)
      ignored.push({ at: join(folder, name), reason: "its name is not that of a part" });
  }
  if (parts.size === 0 && found.size > 1) {
    throw new DataError(`the images in ${[...found.values()].join("/ and ")}/ are not in class folders; ${EXPECTED}`, {
      file: folder,
    });
  }
  return parts.size === 0 ? undefined : { format: named.size > 0 ? "file-names" : "image-folder", parts, ignored };
}

/**
 * Images in class folders. Labels of every part follow the class folders of the training set, so that a part that lacks a class keeps
 * its numbers.
 */
async function openFolder(part: string, { name, skipCorrupt, decode }: Context, train: string | undefined) {
  const classFolders = train === undefined ? undefined : inClassOrder((await listFolder(train)).folders);
  return imageFolder(part, { name, skipCorrupt, ...decode, classFolders });
}

/** Images in class folders, without parts. */
export const classFolders: Form = async (context) => {
  const { folder } = context;
  if (!(await isImageFolder(folder))) return undefined;
  const open = () => openFolder(folder, context, undefined);
  return { format: "image-folder", parts: new Map([["train", { at: [folder], open }]]) };
};

/** What a folder has at its top: images, or subfolders with images below. */
async function contentOf(folder: string): Promise<"images" | "classes" | "nothing"> {
  const { files } = await listFolder(folder);
  if (files.some(isImageName)) return "images";
  return (await isImageFolder(folder)) ? "classes" : "nothing";
}

/** The class folders of `seg_train/seg_train` are in the inner folder. */
async function classFoldersOf(folder: string): Promise<string> {
  const { folders, files } = await listFolder(folder);
  const [inner] = folders;
  if (folders.length !== 1 || files.some(isImageName)) return folder;
  const isSame = splitOf(inner!) !== undefined && splitOf(inner!) === splitOf(bare(folder.split(/[\\/]/).at(-1)!));
  return isSame ? classFoldersOf(join(folder, inner!)) : folder;
}

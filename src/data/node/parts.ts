/** Training, validation and test images in folders of their own, under the names that published data sets use. */
import { join } from "node:path";
import { DataError } from "../errors.ts";
import { listFolder } from "./files.ts";
import { imagesBelow, isImageFolder, isImageName } from "./image-folder.ts";

export type Split = "train" | "val" | "test";

export const SPLITS = ["train", "val", "test"] as const satisfies readonly Split[];

/** Folder names of each part, without case, spaces, "-", "_" and "."; `seg_train`, `training_set` and `Train` are all parts. */
const NAMES = {
  train: /^(seg)?(train|training|trn)(set|data|dataset|images|imgs|split)?$/,
  val: /^(seg)?(val|valid|validation|dev|devel)(set|data|dataset|images|imgs|split)?$/,
  test: /^(seg)?(test|testing|tst)(set|data|dataset|images|imgs|split)?$/,
} as const satisfies Record<Split, RegExp>;

/** The part that a folder of this name holds. */
export function splitOf(name: string): Split | undefined {
  const plain = name.toLowerCase().replaceAll(/[\s._-]/g, "");
  return SPLITS.find((split) => NAMES[split].test(plain));
}

/** The folders with the class folders of each part. */
export interface Parts {
  readonly folders: ReadonlyMap<Split, string>;
  /** Folders of images that are used for nothing, and why. */
  readonly ignored: readonly { readonly folder: string; readonly reason: string }[];
}

/**
 * The parts in a folder: two or more subfolders named after parts, or one and nothing else. A part of images without class folders
 * is ignored, as in competitions whose test images have no labels, unless it is the training part.
 *
 * Throws a DataError where the names can be understood in two ways.
 */
export async function findParts(folder: string): Promise<Parts | undefined> {
  const { folders: names } = await listFolder(folder);
  const found = new Map<Split, string>();
  for (const name of names) {
    const split = splitOf(name);
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
  const others = names.filter((name) => splitOf(name) === undefined);
  if (found.size === 1 && others.length > 0) {
    const [[split, name]] = found as unknown as [[Split, string]];
    await refuseAmbiguous(folder, split, name, others);
    return undefined;
  }
  return described(folder, found, others);
}

const EXPECTED = "expected one subfolder of images per class";

export const PART_NAMES = {
  train: "training set",
  val: "validation set",
  test: "test set",
} as const satisfies Record<Split, string>;

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

async function described(folder: string, found: ReadonlyMap<Split, string>, others: readonly string[]) {
  const folders = new Map<Split, string>();
  const ignored: { folder: string; reason: string }[] = [];
  for (const split of SPLITS) {
    const name = found.get(split);
    if (name === undefined) continue;
    const part = await classFoldersOf(join(folder, name));
    const content = await contentOf(part);
    // one part without classes is a class itself, and says so when it is opened
    if (content === "images" && found.size === 1) return undefined;
    if (content === "images" && split === "train") {
      throw new DataError(`the training images are not in class folders; ${EXPECTED}`, { file: part });
    }
    if (content === "images") ignored.push({ folder: part, reason: "its images are not in class folders" });
    else if (content === "classes" || found.size > 1) folders.set(split, part);
  }
  for (const name of others) {
    if ((await imagesBelow(join(folder, name), { limit: 1 })).images.length > 0)
      ignored.push({ folder: join(folder, name), reason: "its name is not that of a part" });
  }
  if (folders.size === 0 && found.size > 1) {
    throw new DataError(`the images in ${[...found.values()].join("/ and ")}/ are not in class folders; ${EXPECTED}`, {
      file: folder,
    });
  }
  return folders.size === 0 ? undefined : { folders, ignored };
}

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
  const isSame = splitOf(inner!) !== undefined && splitOf(inner!) === splitOf(folder.split(/[\\/]/).at(-1)!);
  return isSame ? classFoldersOf(join(folder, inner!)) : folder;
}

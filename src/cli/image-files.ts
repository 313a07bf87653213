/** Image files on the command line. */
import { existsSync, statSync } from "node:fs";
import { stat } from "node:fs/promises";
import { IMAGE_EXTENSIONS, imagesBelow } from "../data/node/index.ts";
import { UsageError } from "./support.ts";

/** So few images are decoded in this thread sooner than a worker starts. */
export const FEW = 8;

/** Whether an argument names an image file, or a folder, in which images may be. */
export const namesImages = (text: string): boolean =>
  IMAGE_EXTENSIONS.some((end) => text.toLowerCase().endsWith(end)) ||
  (existsSync(text) && statSync(text).isDirectory());

/** Files as they are named, and all images in folders. Throws if there is none of them. */
export async function imageFiles(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of names) {
    if (/^https?:\/\//.test(name))
      throw new UsageError(`images are not downloaded; fetch it first: curl -LO '${name}'`);
    const found = await stat(name).catch(() => undefined);
    if (!found?.isDirectory()) {
      files.push(name);
      continue;
    }
    const { images } = await imagesBelow(name);
    if (images.length === 0) throw new UsageError(`there are no images in ${name}`);
    files.push(...images);
  }
  if (files.length > 0 && !files.some((file) => existsSync(file)))
    throw new Error(`${files[0]}: there is no such file`);
  return files;
}

/** Images in one folder whose names begin with their class: `cat.0.jpg`, `dog_17.png`. */
import { basename, extname, join } from "node:path";
import { listFolder } from "../files.ts";
import { isImageName } from "../image-folder.ts";
import type { Labelled } from "../labelled.ts";
import type { Form } from "./form.ts";

/** The class in a file's name: what stands before its number. `cat.0.jpg`, `cat_0.jpg`, `cat (0).jpg` and `cat0.jpg` are of class cat. */
export function classInName(file: string): string | undefined {
  const stem = basename(file).slice(0, -extname(file).length || undefined);
  const [, name] = /^(.*?[^\s._()-])[\s._-]*\(?\d+\)?$/.exec(stem) ?? [];
  return name;
}

/**
 * The images of a folder with the classes in their names. Undefined unless every name has a class, there are two classes or more, and
 * these have two images each on average.
 */
export async function namedImages(folder: string): Promise<Labelled | undefined> {
  const images = (await listFolder(folder)).files.filter(isImageName);
  const labels = images.map(classInName);
  const classes = new Set(labels);
  if (classes.has(undefined) || classes.size < 2 || images.length < 2 * classes.size) return undefined;
  const files = images.map((image) => join(folder, image));
  return { images: { kind: "files", files }, labels: labels as string[], describe: (index) => files[index]! };
}

export const fileNames: Form = async ({ folder }) => {
  const found = await namedImages(folder);
  if (!found) return undefined;
  return { format: "file-names", parts: new Map([["train", { at: [folder], open: async () => found }]]) };
};

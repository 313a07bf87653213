/** Data sets as the command line names them. */
import { existsSync, statSync } from "node:fs";
import { resolve } from "node:path";
import { DATASET_NAMES, defaultDataDir } from "../data/node/index.ts";

/** What `--data` can be, for the help of commands. */
export const DATA_HELP =
  "labelled images: a folder with one subfolder of images per class, a table of labels, an archive, .parquet, .npz, … (docs/data.md), a module that exports a data set, or shapes, cifar10, cifar100, mnist, fashion-mnist, imagenette";

/**
 * The data set that `--data` means. A folder here wins over a known data set of the same name, unless it is where known sets are kept:
 * `--data mnist` beside a folder `mnist/` is that folder.
 */
export function dataNamed(
  name: string,
  { dataDir, note }: { readonly dataDir?: string | undefined; readonly note: (line: string) => void },
): string {
  const isKnown = DATASET_NAMES.includes(name);
  if (!isKnown || dataDir !== undefined || !existsSync(name) || !statSync(name).isDirectory()) return name;
  if (resolve(defaultDataDir()) === resolve(".")) return name;
  note(`Data: the folder ./${name} here, not the data set known as ${name}.`);
  return `./${name}`;
}

/** Data sets that a JavaScript or TypeScript file of the user's exports. */

import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type { Dataset } from "../dataset.ts";
import { DataError } from "../errors.ts";
import { importFile } from "./import-file.ts";
import { SPLITS, type Split } from "./splits.ts";

const EXPECTED =
  "expected `export const train` and `export const test` (or `val`), or a default export for all: each a Dataset, or a function that returns one";

/** Whether a file's name is that of a JavaScript or TypeScript module. */
export const isModuleFile = (file: string): boolean => /\.[mc]?[jt]s$/i.test(file);

/** The data sets that a module exports: `train`, `val` and `test`, or its default export as the training set. */
export async function moduleParts(file: string) {
  const exports = await importFile(file);
  const named = SPLITS.filter((split) => exports[split] !== undefined);
  const splits: readonly Split[] = named.length > 0 ? named : exports.default === undefined ? [] : ["train"];
  if (splits.length === 0) {
    throw new DataError(`exports ${Object.keys(exports).join(", ") || "nothing"}; ${EXPECTED}`, { file });
  }
  const name = (split: Split) => (named.length > 0 ? split : "default");
  const open = async (split: Split): Promise<Dataset> => {
    const dataset = await datasetOf(exports[name(split)]);
    if (!isDataset(dataset)) throw new DataError(`"${name(split)}" is not a data set; ${EXPECTED}`, { file });
    if (dataset.length === 0) throw new DataError(`"${name(split)}" is empty`, { file });
    const url = pathToFileURL(resolve(file)).href;
    // workers import the file again, which Node alone can do for JavaScript only
    const source = /ts$/i.test(file) ? undefined : { kind: "module" as const, url, options: { export: name(split) } };
    return dataset.source || !source || !Object.isExtensible(dataset) ? dataset : Object.assign(dataset, { source });
  };
  return { splits, open };
}

/** A value, or what a function returns for it. */
export const datasetOf = async (exported: unknown): Promise<unknown> =>
  typeof exported === "function" ? exported() : exported;

function isDataset(value: unknown): value is Dataset {
  if (typeof value !== "object" || value === null) return false;
  const { name, classes, length, get } = value as Partial<Dataset>;
  return typeof name === "string" && Array.isArray(classes) && typeof length === "number" && typeof get === "function";
}

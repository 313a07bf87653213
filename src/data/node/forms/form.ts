/** What a form of data set is: files laid out in some way, which a function recognizes. */
import type { Dataset, DecodeOptions } from "../../dataset.ts";
import type { Labelled } from "../labelled.ts";
import type { Split } from "../splits.ts";

/** How a data set is laid out. */
export type Format =
  | "cifar10"
  | "cifar100"
  | "file-names"
  | "idx"
  | "image-folder"
  | "module"
  | "numpy"
  | "parquet"
  | "pixel-table"
  | "shapes"
  | "table"
  | "webdataset";

/** A part of a data set: where it is, and how it is opened. */
export interface Part {
  /** Its files or its folder. */
  readonly at: readonly string[];
  /** A data set, or images whose classes become numbers as in the training set. */
  open(): Promise<Dataset | Labelled>;
}

/** Files that were recognized. */
export interface Found {
  readonly format: Format;
  readonly parts: ReadonlyMap<Split, Part>;
  /** What is used for nothing, and why. */
  readonly ignored?: readonly { readonly at: string; readonly reason: string }[];
}

/** What forms are told. */
export interface Context {
  /** Of the data set. */
  readonly name: string;
  /** The folder, or the archive, and its subfolders and files. */
  readonly folder: string;
  readonly folders: readonly string[];
  readonly files: readonly string[];
  readonly decode: DecodeOptions;
  readonly skipCorrupt: boolean;
  /** Where forms leave what almost fits, and why it does not: for the message if nothing fits. */
  readonly hints: string[];
}

/** Recognizes what is in a folder; undefined if it is of another form. Throws a DataError where it can be understood in two ways. */
export type Form = (context: Context) => Promise<Found | undefined>;

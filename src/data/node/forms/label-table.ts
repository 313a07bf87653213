/**
 * Tables that name image files and their classes: labels.csv, metadata.jsonl, train.csv and test.csv. Columns are found by their names,
 * and by what is in them.
 */
import { dirname, join, relative } from "node:path";
import { type Corrupt, DataError } from "../../errors.ts";
import { imagesBelow, isImageFolder, isImageName } from "../image-folder.ts";
import { type Labelled, shortList } from "../labelled.ts";
import { partNamed, type Split, splitOf } from "../splits.ts";
import { isTableName, readTable, type Table } from "../table.ts";
import type { Context, Form, Found, Part } from "./form.ts";
import { hasClassParts } from "./part-folders.ts";
import { pixelTable } from "./pixel-table.ts";

const FILE =
  /^(file|files|file_?names?|file_?paths?|paths?|images?|image_?(path|file|name|id)s?|imgs?|img_?(path|name|id)|id|name|fname|key)$/;
const LABEL = [
  ...["label_name", "class_name", "label_text", "category_name", "labels_name"],
  ...["label", "class", "category", "target", "species", "breed", "variety", "dx", "diagnosis", "emotion", "y"],
];
/** Names of columns with several labels an image. */
const SEVERAL = ["labels", "tags", "classes", "categories"];
const SPLIT = /^(split|set|data_set|dataset|subset|partition|usage|phase)$/;

const plain = (name: string) =>
  name
    .trim()
    .toLowerCase()
    .replaceAll(/[\s-]+/g, "_");

/** What the columns of a table are. */
interface Columns {
  readonly file: number;
  readonly split: number;
  /** One column with a class, one with a list of classes, or one for each class. */
  readonly labels: { readonly kind: "one" | "several" | "each"; readonly columns: readonly number[] };
}

/** Where images are, by what a table may call them. */
type Index = ReadonlyMap<string, readonly string[]>;

/** The images below a folder by their paths (`./cat/1.jpg`), parts of them, and names, each with and without its ending. */
async function indexOf(folder: string): Promise<Index> {
  const index = new Map<string, string[]>();
  for (const image of (await imagesBelow(folder)).images) {
    const path = relative(folder, image).replaceAll("\\", "/");
    const name = path.slice(path.lastIndexOf("/") + 1);
    const bare = (text: string) => text.replace(/\.[^./]+$/, "");
    for (const key of new Set([`./${path}`, path, name, `./${bare(path)}`, bare(path), bare(name)])) {
      const known = index.get(key);
      if (known) known.push(image);
      else index.set(key, [image]);
    }
  }
  return index;
}

/** The image that a row means. Of several with its name, the one in the folder of the part. */
function imageOf(index: Index, text: string, split: Split | undefined, row: string): string | undefined {
  const path = text
    .trim()
    .replaceAll("\\", "/")
    .replace(/^(\.\/)+/, "")
    .replace(/^\//, ""); // prettier-ignore
  for (let key = path; key !== ""; key = key.includes("/") ? key.slice(key.indexOf("/") + 1) : "") {
    const found = index.get(`./${key}`) ?? index.get(key);
    if (!found) continue;
    const inPart = found.filter((image) => image.split(/[\\/]/).some((part) => split && splitOf(part) === split));
    const [only, ...others] = inPart.length > 0 ? inPart : found;
    if (others.length === 0) return only;
    throw new DataError(`"${text}" may be ${only} or ${others[0]}; write the path below the table's folder`, {
      file: row,
    });
  }
  return undefined;
}

/** The columns of a table; undefined where none names images, and the reason where none has their classes. */
function columnsOf({ columns: given, head }: Table, index: Index): Columns | string | undefined {
  const columns = given ?? head[0]!.map((_, place) => `column ${place + 1}`);
  const names = columns.map(plain);
  const isFile = (place: number) => {
    const cells = head.map((row) => row[place]).filter((cell) => typeof cell === "string" && cell !== "");
    const known = cells.filter((cell) => isImageName(cell as string) || index.has(lastPart(cell as string)));
    return cells.length > 0 && known.length > cells.length / 2;
  };
  const places = names.map((_, place) => place);
  const file =
    places.find((place) => FILE.test(names[place]!) && isFile(place)) ?? (places.find(isFile) as number | undefined);
  if (file === undefined) return undefined;
  const split = names.findIndex((name) => SPLIT.test(name));
  const others = places.filter((place) => place !== file && place !== split);
  const named = (pattern: RegExp) => others.find((place) => pattern.test(names[place]!));
  const several = others.find((place) => SEVERAL.includes(names[place]!)) ?? named(/_(labels|tags)$/);
  const one = LABEL.map((name) => names.indexOf(name)).find((place) => others.includes(place)) ?? named(/_label$/);
  const isList = (place: number) => head.some((row) => Array.isArray(row[place]));
  if (one !== undefined) return { file, split, labels: { kind: isList(one) ? "several" : "one", columns: [one] } };
  if (several !== undefined) return { file, split, labels: { kind: "several", columns: [several] } };
  const isSwitch = (place: number) => head.every((row) => /^(0|1)(\.0+)?$/.test(String(row[place]).trim()));
  if (others.length > 1 && others.every(isSwitch)) return { file, split, labels: { kind: "each", columns: others } };
  if (others.length === 1) {
    const [place] = others as [number];
    return { file, split, labels: { kind: isList(place) ? "several" : "one", columns: others } };
  }
  if (others.length === 0) return "it has no column with classes";
  return `its columns are ${shortList(columns)}; call the one with the classes "label"`;
}

const lastPart = (path: string) => path.slice(path.replaceAll("\\", "/").lastIndexOf("/") + 1);

interface Row {
  readonly image: string;
  readonly label: string | readonly string[];
  readonly row: number;
}

/** Cells that hold several labels become lists, if the column has several labels, or its cells say so. */
function splitCells(parts: Map<Split, Row[]>, kind: "one" | "several"): void {
  const cells = new Set([...parts.values()].flat().flatMap(({ label }) => (typeof label === "string" ? [label] : [])));
  const separator =
    kind === "one" ? separatorIn(cells) : (SEPARATORS.find((one) => [...cells].some((cell) => one.test(cell))) ?? / /);
  if (!separator) return;
  const listOf = (cell: string) =>
    cell
      .split(separator)
      .map((label) => label.trim())
      .filter((label) => label !== ""); // prettier-ignore
  for (const [split, rows] of parts)
    parts.set(
      split,
      rows.map((row) => (typeof row.label === "string" ? { ...row, label: listOf(row.label) } : row)),
    );
}

/** What separates the labels in the cells of a column with several; else spaces do. */
const SEPARATORS = [/\|/, /;/, /,/] as const;

/**
 * What separates several labels in the cells of a column: | or ;, what stands between numbers, or commas between what other cells
 * hold by itself. Undefined if each cell is one class.
 */
function separatorIn(cells: ReadonlySet<string>): RegExp | undefined {
  const all = [...cells];
  if (all.some((cell) => /[|;]/.test(cell))) return /[|;]/;
  if (all.every((cell) => /^\d+([ ,]+\d+)*$/.test(cell)))
    return all.some((cell) => /[ ,]/.test(cell)) ? /[ ,]+/ : undefined;
  const combined = all.filter((cell) => cell.includes(","));
  const isKnown = (cell: string) => cell.split(",").every((one) => cells.has(one.trim()));
  return combined.length > 0 && combined.every(isKnown) ? /,/ : undefined;
}

/** The rows of a table by part; those without a part are `whole`. */
function rowsOf(
  table: Table,
  { file, split, labels }: Columns,
  { index, whole, skipCorrupt }: { index: Index; whole: Split; skipCorrupt: boolean },
) {
  const parts = new Map<Split, Row[]>();
  const skipped: Corrupt[] = [];
  const names = table.columns ?? [];
  const complain = (row: number, reason: string) => {
    const at = `${table.file}, row ${row}`;
    if (!skipCorrupt) throw new DataError(reason, { file: at, skippable: true });
    skipped.push({ file: at, reason });
  };
  table.rows((cells, row) => {
    const part = split < 0 ? whole : partNamed(String(cells[split] ?? ""));
    if (!part) return complain(row, `"${cells[split]}" in column "${names[split]}" is not train, val or test`);
    const text = String(cells[file] ?? "");
    const image = imageOf(index, text, part, `${table.file}, row ${row}`);
    if (image === undefined) return complain(row, `there is no image "${text}" in ${dirname(table.file)}`);
    const chosen = labels.columns.filter((place) => Number(cells[place]) === 1);
    const cell = cells[labels.columns[0]!] ?? "";
    const label =
      labels.kind === "each"
        ? chosen.map((place) => names[place] ?? String(place))
        : typeof cell === "string"
          ? cell.trim()
          : cell;
    if (label === "" && labels.kind === "one") return complain(row, "the row names no class");
    const rows = parts.get(part);
    if (rows) rows.push({ image, label, row });
    else parts.set(part, [{ image, label, row }]);
  });
  if (labels.kind !== "each") splitCells(parts, labels.kind);
  // one class an image, written as a column for each
  const isSingle = labels.kind === "each" && [...parts.values()].flat().every(({ label }) => label.length === 1);
  const classes = labels.kind === "each" ? labels.columns.map((place) => names[place] ?? String(place)) : undefined;
  return { parts, skipped, classes, isSingle };
}

/** The parts in a table. A string says why it has none. */
async function partsOf(table: Table, context: Context, index: Index): Promise<Map<Split, Part> | string | undefined> {
  const columns = columnsOf(table, index);
  if (columns === undefined || typeof columns === "string") return columns;
  const whole = partNamed(stemOf(table.file)) ?? "train";
  const { parts, skipped, classes, isSingle } = rowsOf(table, columns, {
    index,
    whole,
    skipCorrupt: context.skipCorrupt,
  }); // prettier-ignore
  const opened = [...parts].map(([split, rows]) => {
    const labelled: Labelled = {
      images: { kind: "files", files: rows.map(({ image }) => image) },
      labels: rows.map(({ label }) => (isSingle ? label[0]! : label)) as string[],
      classes,
      describe: (index) => `${rows[index]!.image} (${table.file}, row ${rows[index]!.row})`,
      skipped,
    };
    return [split, { at: [table.file], open: async () => labelled }] as const;
  });
  return new Map(opened);
}

const stemOf = (file: string) => lastPart(file).replace(/\.[^.]+$/, "");

/** The parts in the tables of a folder: one table for each, or one for all. */
export async function tablesIn(tables: readonly string[], context: Context): Promise<Found | undefined> {
  const found = new Map<Split, Part>();
  const ignored: { at: string; reason: string }[] = [];
  const used: string[] = [];
  let index: Index | undefined;
  let format: Found["format"] = "table";
  for (const file of tables) {
    const table = await readTable(file);
    const pixels = pixelTable(table);
    if (pixels === undefined) index ??= await indexOf(context.folder);
    const parts = pixels ?? (await partsOf(table, context, index!));
    if (parts === undefined) continue;
    if (typeof parts === "string") {
      ignored.push({ at: file, reason: parts });
      continue;
    }
    if (pixels) format = "pixel-table";
    for (const [split, part] of parts) {
      if (found.has(split))
        throw new DataError(
          `${lastPart(used[0]!)} and ${lastPart(file)} both label the images; name the table to use: --data ${file}`,
          { file: context.folder },
        );
      found.set(split, part);
    }
    used.push(file);
  }
  if (found.size > 0) return { format, parts: found, ignored };
  for (const { at, reason } of ignored) context.hints.push(`${at} cannot be used: ${reason}`);
  return undefined;
}

/** Tables beside two or more folders of images are used if they say something else than the folders. */
export const labelTable: Form = async (context) => {
  const { folder, files, folders } = context;
  const tables = files
    .filter((file) => isTableName(file) && !/submission/i.test(file))
    .map((file) => join(folder, file));
  if (tables.length === 0 || (await hasClassParts(context))) return undefined;
  if (folders.length < 2) return tablesIn(tables, context);
  try {
    const found = await tablesIn(tables, context);
    for (const part of found?.parts.values() ?? []) {
      const { images, labels } = (await part.open()) as Labelled;
      if (images.kind !== "files") return found;
      if (images.files.some((file, i) => file.split(/[\\/]/).at(-2) !== labels[i])) return found;
    }
  } catch (error) {
    // it may be about something else
    if (!(error instanceof DataError) || !(await isImageFolder(folder))) throw error;
  }
  return undefined;
};

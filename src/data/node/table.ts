/** Tables: .csv, .tsv, and .jsonl with an object in each line. */
import { extname } from "node:path";
import { DataError } from "../errors.ts";
import { readBytes } from "./files.ts";

/** The value of a row in a column: text, or a list of texts (.jsonl only). */
export type Cell = string | readonly string[];

/** A table that is read row by row, as its cells may take many times the memory of its text. */
export interface Table {
  readonly file: string;
  /** Names of the columns; undefined where the first row is data. */
  readonly columns: readonly string[] | undefined;
  /** The first rows. */
  readonly head: readonly (readonly Cell[])[];
  /** Calls `each` with every row and its number in the file, from 1. Returning `false` ends it. */
  rows(each: (cells: readonly Cell[], row: number) => unknown): void;
}

/** Bytes of a text that JavaScript can hold. */
const MAX_TEXT = 500_000_000;
const HEAD = 20;

/** Whether a file's name is that of a table. */
export const isTableName = (name: string): boolean => [".csv", ".tsv", ".jsonl"].includes(extname(name).toLowerCase());

const isNumeric = (cell: Cell | undefined) => typeof cell === "string" && /^\s*[-+]?[\d.]+(e[-+]?\d+)?\s*$/i.test(cell);
const looksLikeImage = (cell: Cell | undefined) => typeof cell === "string" && /\.[a-z]{3,4}$/i.test(cell);

/** Opens a table. Throws a DataError where it is too large, or not what its name says. */
export async function readTable(file: string): Promise<Table> {
  const bytes = await readBytes(file);
  if (bytes.length > MAX_TEXT)
    throw new DataError(`the table has ${bytes.length} bytes, more than the ${MAX_TEXT} that can be read`, { file });
  if (bytes.subarray(0, 4096).includes(0)) throw new DataError("is not text, so it is no table", { file });
  const text = new TextDecoder().decode(bytes).replace(/^\uFEFF/, "");
  if (/\.jsonl$/i.test(file)) return jsonLines(file, text);
  const { default: Papa } = await import("papaparse");
  const delimiter = /\.tsv$/i.test(file) ? "\t" : delimiterOf(text);
  const parse = (each: (cells: readonly string[]) => boolean | undefined) =>
    Papa.parse<string[]>(text, {
      delimiter,
      skipEmptyLines: true,
      step({ data }, parser) {
        if (each(data) === false) parser.abort();
      },
    });
  const first: string[][] = [];
  parse((cells) => first.push([...cells]) <= HEAD);
  const [names] = first;
  if (!names) throw new DataError("the table is empty", { file });
  // names of columns are neither numbers nor files
  const isData = names.some((name) => isNumeric(name) && !/^\d+x\d+$/.test(name)) || names.some(looksLikeImage);
  const columns = isData ? undefined : names.map((name) => name.trim());
  return {
    file,
    columns,
    head: first.slice(columns ? 1 : 0),
    rows(each) {
      let row = 0;
      parse((cells) => (++row === 1 && columns ? undefined : each(cells, row) === false ? false : undefined));
    },
  };
}

/** What separates the cells: the first of these that the first line has. */
function delimiterOf(text: string): string {
  const line = /^[^\r\n]*/.exec(text)![0].replaceAll(/"[^"]*"/g, "");
  return [",", "\t", ";", "|"].find((delimiter) => line.includes(delimiter)) ?? ",";
}

const cellOf = (value: unknown): Cell => {
  if (Array.isArray(value)) return value.map(String);
  return value === null || value === undefined ? "" : String(value);
};

function jsonLines(file: string, text: string): Table {
  const read = (each: (value: Record<string, unknown>, row: number) => unknown) => {
    for (let at = 0, row = 1; at < text.length; row++) {
      const end = text.indexOf("\n", at);
      const line = text.slice(at, end < 0 ? text.length : end).trim();
      at = end < 0 ? text.length : end + 1;
      if (line === "") continue;
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch (cause) {
        throw new DataError(`line ${row} is not JSON: ${(cause as Error).message}`, { file, cause });
      }
      if (typeof value !== "object" || value === null || Array.isArray(value))
        throw new DataError(`line ${row} is not a JSON object`, { file });
      if (each(value as Record<string, unknown>, row) === false) return;
    }
  };
  const first: Record<string, unknown>[] = [];
  read((value) => first.push(value) < HEAD);
  if (first.length === 0) throw new DataError("the table is empty", { file });
  const columns = [...new Set(first.flatMap((value) => Object.keys(value)))];
  const cells = (value: Record<string, unknown>) => columns.map((column) => cellOf(value[column]));
  return { file, columns, head: first.map(cells), rows: (each) => read((value, row) => each(cells(value), row)) };
}

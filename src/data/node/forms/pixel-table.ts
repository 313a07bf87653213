/** Tables whose rows are images: a label and the pixels, as Kaggle has MNIST; or the pixels in one column, as FER2013 has them. */
import { DataError } from "../../errors.ts";
import type { Labelled } from "../labelled.ts";
import { partNamed, type Split } from "../splits.ts";
import type { Cell, Table } from "../table.ts";
import type { Part } from "./form.ts";

const LABEL = /^(label|class|digit|target|emotion|y)$/i;

interface Layout {
  /** Columns of the pixels; of one column, its cells have all pixels, separated by spaces. */
  readonly pixels: readonly number[];
  readonly label: number;
  readonly split: number;
  /** Pixels of a side. */
  readonly side: number;
}

const isPixel = (cell: Cell | undefined) => typeof cell === "string" && /^\s*\d+(\.\d+)?\s*$/.test(cell);

/** The side of a square image with so many pixels. */
const sideOf = (count: number) => (Number.isInteger(Math.sqrt(count)) && count >= 16 ? Math.sqrt(count) : undefined);

/** How the pixels lie in a table; undefined for other tables, and the reason where they cannot be used. */
function layoutOf({ columns, head }: Table): Layout | string | undefined {
  const [first] = head;
  if (!first) return undefined;
  const names = columns ?? [];
  const whole = names.findIndex((name) => /^pixels$/i.test(name));
  const label = names.findIndex((name) => LABEL.test(name.trim()));
  const split = names.findIndex((name) => /^(usage|split)$/i.test(name.trim()));
  if (whole >= 0) {
    const count = String(first[whole]).trim().split(/\s+/).length;
    const side = sideOf(count);
    if (side === undefined) return `its ${count} pixels are no square image`;
    return label < 0 ? "it has no column with classes" : { pixels: [whole], label, split, side };
  }
  if (first.length < 16 || !first.every(isPixel)) return undefined;
  const places = first.map((_, place) => place);
  if (label < 0 && sideOf(first.length) !== undefined) return "it has pixels and no column with classes";
  // without names, the class stands first
  const at = label < 0 && !columns ? 0 : label;
  if (at < 0) return undefined;
  const pixels = places.filter((place) => place !== at);
  const side = sideOf(pixels.length);
  if (side !== undefined) return { pixels, label: at, split: -1, side };
  const colors = sideOf(pixels.length / 3);
  if (colors === undefined) return `its ${pixels.length} pixels are no square image`;
  return `its ${pixels.length} numbers are ${colors}×${colors} pixels in three colors, whose order a table does not record; save them as .npz`;
}

/** The parts in a table of pixels; undefined for other tables, and the reason where it cannot be used. */
export function pixelTable(table: Table): Map<Split, Part> | string | undefined {
  const layout = layoutOf(table);
  if (layout === undefined || typeof layout === "string") return layout;
  const stem = table.file
    .split(/[\\/]/)
    .at(-1)!
    .replace(/\.[^.]+$/, ""); // prettier-ignore
  const whole = partNamed(stem) ?? "train";
  let read: Map<Split, Labelled> | undefined;
  const parts = () => {
    read ??= readPixels(table, layout, whole);
    return read;
  };
  const splits = layout.split < 0 ? [whole] : [...parts().keys()];
  return new Map(splits.map((split) => [split, { at: [table.file], open: async () => parts().get(split)! }]));
}

/** Bytes of images whose number is known at the end only. */
class Growing {
  bytes = new Uint8Array(1 << 16);
  length = 0;

  reserve(count: number): Uint8Array {
    if (this.length + count > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + count));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.length += count;
    return this.bytes.subarray(this.length - count, this.length);
  }
}

function readPixels(table: Table, { pixels, label, split, side }: Layout, whole: Split): Map<Split, Labelled> {
  const parts = new Map<Split, { data: Growing; labels: string[]; rows: number[] }>();
  const { file } = table;
  table.rows((cells, row) => {
    const fail = (reason: string): never => {
      throw new DataError(reason, { file: `${file}, row ${row}` });
    };
    const name = split < 0 ? whole : partNamed(String(cells[split]));
    if (!name) return fail(`"${cells[split]}" is not the name of a part`);
    const values = pixels.length === 1 ? String(cells[pixels[0]!]).trim().split(/\s+/) : pixels.map((at) => cells[at]);
    if (values.length !== side * side) fail(`${values.length} pixels, where others have ${side * side}`);
    if (!parts.has(name)) parts.set(name, { data: new Growing(), labels: [], rows: [] });
    const { data, labels, rows } = parts.get(name)!;
    const bytes = data.reserve(side * side);
    for (const [i, value] of values.entries()) {
      const number = Number(value === "" ? Number.NaN : value);
      if (!Number.isInteger(number) || number < 0 || number > 255)
        fail(`pixel ${i} is "${value}"; pixels are whole numbers from 0 to 255`);
      bytes[i] = number;
    }
    const text = String(cells[label] ?? "").trim();
    if (text === "") fail("the row has no class");
    // "7" and "7.0" are the same class
    labels.push(/^\d+\.0+$/.test(text) ? text.replace(/\.0+$/, "") : text);
    rows.push(row);
    return undefined;
  });
  if (parts.size === 0) throw new DataError("the table has no rows", { file });
  return new Map(
    [...parts].map(([name, { data, labels, rows }]) => {
      const images = { kind: "pixels", data: data.bytes.slice(0, data.length), shape: [1, side, side] } as const;
      return [name, { images, labels, describe: (index: number) => `${file}, row ${rows[index]}` }];
    }),
  );
}

/** Parquet files as Hugging Face's data sets have them: a column of image files, a column of labels, names of classes in the metadata. */
import { join } from "node:path";
import { type EncodedImages, sharedBytes } from "../../dataset.ts";
import { DataError } from "../../errors.ts";
import { readBytes } from "../files.ts";
import { joined, type Labelled, shortList } from "../labelled.ts";
import { partNamed, type Split } from "../splits.ts";
import type { Form, Part } from "./form.ts";
import { checkPages, type Unpack } from "./parquet-pages.ts";

const LABEL = ["label", "labels", "fine_label", "class", "target", "category", "species", "digit"];

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array;

/** The bytes in a cell: those of an image file, or `{ bytes, path }`. */
function bytesIn(cell: unknown): Uint8Array | undefined {
  if (isBytes(cell)) return cell;
  const { bytes } = (cell ?? {}) as { bytes?: unknown };
  return isBytes(bytes) ? bytes : undefined;
}

/** What the metadata say of a column: the names of its classes. Hugging Face writes the features of a data set there. */
function namesIn(
  metadata: readonly { key: string; value?: string | undefined }[],
  column: string,
): string[] | undefined {
  const text = metadata.find(({ key }) => key === "huggingface")?.value;
  if (text === undefined) return undefined;
  try {
    const found = JSON.parse(text)?.info?.features?.[column];
    const names = (Array.isArray(found) ? found[0] : (found?.feature ?? found))?.names;
    return names === undefined || names === null ? undefined : Object.values(names).map(String);
  } catch {
    return undefined;
  }
}

type Rows = Record<string, unknown>[];

type Decompress = (bytes: Uint8Array, length: number) => Uint8Array;

/** Decompressors of Node; snappy is hyparquet's own. */
async function compressors() {
  const zlib = await import("node:zlib");
  const { zstdDecompressSync } = zlib as { zstdDecompressSync?: (bytes: Uint8Array, options: object) => Uint8Array };
  const bounded = (maxOutputLength: number) => ({ maxOutputLength: Math.max(1, maxOutputLength) });
  return {
    GZIP: (bytes: Uint8Array, length: number) => zlib.gunzipSync(bytes, bounded(length)),
    BROTLI: (bytes: Uint8Array, length: number) => zlib.brotliDecompressSync(bytes, bounded(length)),
    ...(zstdDecompressSync && {
      ZSTD: (bytes: Uint8Array, length: number) => zstdDecompressSync(bytes, bounded(length)),
    }),
  };
}

/** Snappy and the others cannot shrink pages more than this; dictionaries repeat values, but images are all different. */
const MAX_RATIO = 1100;

async function readParquet(file: string): Promise<Labelled> {
  const bytes = await readBytes(file);
  const fail = (reason: string): never => {
    throw new DataError(reason, { file });
  };
  if (new TextDecoder("latin1").decode(bytes.subarray(-4)) !== "PAR1") fail("is no Parquet file, or is cut off");
  const { parquetMetadata, parquetReadObjects, parquetSchema, snappyUncompress } = await import("hyparquet");
  const decompress = await compressors();
  const unpack: Unpack = (codec, packed, size) => {
    if (codec !== "SNAPPY")
      return (decompress as Record<string, Decompress | undefined>)[codec]?.(packed, size) ?? packed;
    const page = new Uint8Array(size);
    snappyUncompress(packed, page);
    return page;
  };
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
  try {
    const metadata = parquetMetadata(buffer);
    checkPages(bytes, metadata, unpack);
    const columns = parquetSchema(metadata).children.map(({ element }) => element.name);
    const total = metadata.row_groups.reduce((sum, { total_byte_size }) => sum + Number(total_byte_size), 0);
    if (total > bytes.length * MAX_RATIO) fail(`${bytes.length} bytes cannot hold the ${total} that it claims`);
    const options = { file: buffer, metadata, utf8: false, compressors: decompress };
    const label = LABEL.find((name) => columns.includes(name));
    const read = (names: string[], rowStart: number, rowEnd: number) =>
      parquetReadObjects({ ...options, columns: names, rowStart, rowEnd }) as Promise<Rows>;
    const [first = {}] = await read(columns, 0, 1);
    const image = columns.find((name) => bytesIn(first[name]) !== undefined);
    if (image === undefined) return fail(`none of its columns (${shortList(columns)}) holds image files`);
    if (label === undefined)
      return fail(`none of its columns (${shortList(columns)}) is called ${LABEL.slice(0, 2).join(" or ")}`);
    const names = namesIn(metadata.key_value_metadata ?? [], label);
    return await collect(file, { image, label, names }, metadata.row_groups, read);
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    // what is thrown by JavaScript itself says nothing of the file
    const isInternal = cause instanceof TypeError || cause instanceof RangeError || cause instanceof ReferenceError;
    return fail(`cannot read the Parquet file: ${isInternal ? "it is damaged" : (cause as Error).message}`);
  }
}

async function collect(
  file: string,
  { image, label, names }: { image: string; label: string; names: readonly string[] | undefined },
  groups: readonly { num_rows: bigint }[],
  read: (names: string[], start: number, end: number) => Promise<Rows>,
): Promise<Labelled> {
  const encoded: EncodedImages[number][] = [];
  const labels: (string | string[])[] = [];
  const nameOf = (value: unknown, row: number): string => {
    const isIndex = typeof value === "number" || typeof value === "bigint";
    const text = isBytes(value) ? new TextDecoder().decode(value) : String(value);
    const name = isIndex && names ? names[Number(value)] : text;
    if (value === null || value === undefined || name === undefined)
      throw new DataError(`label ${value} is not one of the ${names?.length ?? 0} classes`, {
        file: `${file}, row ${row}`,
      }); // prettier-ignore
    return name;
  };
  let start = 0;
  for (const { num_rows } of groups) {
    const rows = await read([image, label], start, start + Number(num_rows));
    const images = rows.map((row, i) => {
      const found = bytesIn(row[image]);
      if (!found) throw new DataError("there is no image", { file: `${file}, row ${start + i}` });
      const value = row[label];
      labels.push(Array.isArray(value) ? value.map((one) => nameOf(one, start + i)) : nameOf(value, start + i));
      return found;
    });
    const bytes = sharedBytes(images.reduce((sum, { length }) => sum + length, 0));
    const ends = new Float64Array(images.length);
    images.reduce((at, image, i) => {
      bytes.set(image, at);
      ends[i] = at + image.length;
      return ends[i]!;
    }, 0);
    encoded.push({ name: file, bytes, ends });
    start += Number(num_rows);
  }
  if (labels.length === 0) throw new DataError("the file has no rows", { file });
  const describe = (index: number) => `${file}, row ${index}`;
  return { images: { kind: "encoded", encoded }, labels: labels as string[], classes: names, describe };
}

export const parquetFiles: Form = async ({ folder, files }) => {
  const names = files.filter((file) => /\.parquet$/i.test(file));
  if (names.length === 0) return undefined;
  const byPart = new Map<Split, string[]>();
  for (const name of names) {
    const split = partNamed(name.replace(/\.parquet$/i, "")) ?? "train";
    byPart.set(split, [...(byPart.get(split) ?? []), join(folder, name)]);
  }
  const parts = [...byPart].map(([split, paths]): [Split, Part] => {
    const open = async () => {
      const read: Labelled[] = [];
      for (const path of paths) read.push(await readParquet(path));
      return joined(read);
    };
    return [split, { at: paths, open }];
  });
  return { format: "parquet", parts: new Map(parts) };
};

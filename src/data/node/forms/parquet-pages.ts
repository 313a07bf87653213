/**
 * The page headers of a Parquet file, checked before its reader follows them: sizes that are negative or reach out of the file would
 * let it read on forever.
 *
 * Source: apache/parquet-format, parquet.thrift (PageHeader); apache/thrift, "Thrift Compact Protocol".
 */
import type { FileMetaData } from "hyparquet";
import { bitsOf, checkRuns, levelsOf } from "./parquet-runs.ts";

/** Structures in structures; a page header has three levels. */
const MAX_DEPTH = 8;
/** Bytes that compressed ones can become, at most: those of gzip; snappy and dictionaries stay below. */
const MAX_RATIO = 1100;

type Fields = Map<number, number | Fields>;

/** Reads structures of Thrift's compact protocol from `at` on. */
class Compact {
  readonly bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  byte(): number {
    const byte = this.bytes[this.at++];
    if (byte === undefined) throw new Error("a page header is cut off");
    return byte;
  }

  varint(): number {
    let value = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.byte();
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new Error("a page header has a number that does not end");
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  skip(count: number): number {
    this.at += count;
    if (this.at > this.bytes.length) throw new Error("a page header is cut off");
    return 0;
  }

  value(type: number, depth: number): number | Fields {
    if (type === 1 || type === 2) return 2 - type;
    if (type === 3) return this.skip(1);
    if (type === 4 || type === 5 || type === 6) return this.zigzag();
    if (type === 7) return this.skip(8);
    if (type === 8) return this.skip(this.varint());
    if (type === 12) return this.struct(depth + 1);
    if (type !== 9 && type !== 10) throw new Error(`a page header has a field of type ${type}`);
    const head = this.byte();
    const count = head >> 4 === 15 ? this.varint() : head >> 4;
    if (count > this.bytes.length) throw new Error("a page header has a list that is too long");
    for (let i = 0; i < count; i++) this.value(head & 15, depth + 1);
    return count;
  }

  struct(depth = 0): Fields {
    if (depth > MAX_DEPTH) throw new Error("a page header is too deep");
    const fields: Fields = new Map();
    for (let id = 0; ; ) {
      const head = this.byte();
      if (head === 0) return fields;
      id = head >> 4 === 0 ? this.zigzag() : id + (head >> 4);
      fields.set(id, this.value(head & 15, depth));
    }
  }
}

/** Unpacks what a codec packed into so many bytes. */
export type Unpack = (codec: string, packed: Uint8Array, unpacked: number) => Uint8Array;

/** Fields of the headers of data pages, dictionaries, and data pages of the second form, by the type of the page. */
const HEADERS = [5, 6, 7, 8];
const PLACES = [2, 8]; // PLAIN_DICTIONARY, RLE_DICTIONARY
const RLE = 3;

/** Throws an Error unless all pages of all columns lie where they should and claim no more values than their column has. */
export function checkPages(bytes: Uint8Array, metadata: FileMetaData, unpack: Unpack): void {
  const { row_groups: groups } = metadata;
  for (const { columns, num_rows: rows } of groups) {
    if (rows < 0n || rows > BigInt(bytes.length)) throw new Error(`it claims ${rows} rows in ${bytes.length} bytes`);
    for (const { meta_data: column } of columns) {
      if (!column) throw new Error("a column has no description");
      const first = Number(column.dictionary_page_offset ?? column.data_page_offset);
      const begin = Math.min(first > 0 ? first : Number(column.data_page_offset), Number(column.data_page_offset));
      const end = begin + Number(column.total_compressed_size);
      if (!(begin >= 0 && end >= begin && end <= bytes.length)) throw new Error("a column reaches out of the file");
      let left = Number(column.num_values);
      // empty lists have values of their own
      if (left < 0 || left > bytes.length * 8) throw new Error(`a column claims ${left} values`);
      const reader = new Compact(bytes, begin);
      while (reader.at < end - 1) {
        const page = reader.struct();
        const [unpacked, packed] = [page.get(2), page.get(3)];
        if (typeof packed !== "number" || packed < 0 || reader.at + packed > end)
          throw new Error("a page reaches out of its column");
        if (typeof unpacked !== "number" || unpacked < 0 || unpacked > packed * MAX_RATIO + 1024)
          throw new Error(`a page of ${packed} bytes claims ${unpacked}`);
        const type = page.get(1);
        if (![0, 2, 3].includes(type as number) || !(page.get(HEADERS[type as number]!) instanceof Map))
          throw new Error("a page has no header of its type");
        const header = type === 2 ? undefined : page.get(HEADERS[type as number]!);
        const values = header instanceof Map ? header.get(1) : 0;
        if (typeof values !== "number" || values < 0 || values > left) throw new Error("a page claims too many values");
        const v2 = type === 3 ? header : undefined;
        // nulls, rows, and the bytes of the levels
        const counts = v2 instanceof Map ? [2, 3, 5, 6].map((id) => v2.get(id) ?? 0) : [];
        if (counts.some((count) => typeof count !== "number" || count < 0 || count > packed + values))
          throw new Error("a page has wrong counts");
        const dictionary = page.get(7);
        const entries = dictionary instanceof Map ? dictionary.get(1) : 0;
        if (typeof entries !== "number" || entries < 0 || entries > unpacked)
          throw new Error("a page claims too many values");
        left -= values;
        const data = bytes.subarray(reader.at, reader.at + packed);
        const levels = levelsOf(metadata, column.path_in_schema);
        if (header instanceof Map) checkData(page, { data, codec: column.codec, values, unpacked, levels }, unpack);
        reader.skip(packed);
      }
    }
  }
}

interface Data {
  readonly data: Uint8Array;
  readonly codec: string;
  readonly values: number;
  readonly unpacked: number;
  readonly levels: { readonly definition: number; readonly repetition: number };
}

/** Throws an Error unless the runs in a page of data are as long as its values. */
function checkData(page: Fields, { data, codec, values, unpacked, levels }: Data, unpack: Unpack): void {
  const widths = [levels.repetition, levels.definition].map(bitsOf) as [number, number];
  const v2 = page.get(1) === 3 ? page.get(8) : undefined;
  const header = (v2 ?? page.get(5)) as Fields;
  const plain = (packed: Uint8Array, size: number) =>
    codec === "UNCOMPRESSED" || packed.length === 0 ? packed : unpack(codec, packed, size);
  let rest: Uint8Array;
  if (v2 instanceof Map) {
    let at = 0;
    for (const [i, width] of widths.entries()) {
      const length = Number(v2.get(i === 0 ? 6 : 5) ?? 0);
      if (width > 0) checkRuns(data.subarray(at, at + length), width, values);
      at += length;
    }
    const isPacked = v2.get(7) !== 0;
    rest = isPacked ? plain(data.subarray(at), unpacked - at) : data.subarray(at);
  } else {
    rest = plain(data, unpacked);
    for (const width of widths) {
      if (width === 0) continue;
      if (rest.length < 4) throw new Error("the levels of a page are cut off");
      const length = new DataView(rest.buffer, rest.byteOffset).getUint32(0, true);
      checkRuns(rest.subarray(4, 4 + length), width, values);
      rest = rest.subarray(4 + length);
    }
  }
  const encoding = header.get(v2 instanceof Map ? 4 : 2);
  // in the first form of pages, a width of 0 has no runs
  if (PLACES.includes(encoding as number) && rest.length > 1 && (v2 || rest[0]! > 0))
    checkRuns(rest.subarray(1), rest[0]!, values, { fewer: true });
  if (encoding === RLE && rest.length > 4) checkRuns(rest.subarray(4), 1, values, { fewer: true });
}

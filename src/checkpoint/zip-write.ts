import { dataView } from "./access.ts";

export interface ZipInput {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Entries begin at multiples of it, as PyTorch's do, so that a mapped file can be used in place. */
const ALIGNMENT = 64;
/** The id of the extra field that fills the gap; PyTorch's own. */
const PADDING = 0x4246;
const SATURATED = 0xffffffff;
const END = 0x06054b50;
/** 1980-01-01, the first day that the format knows: equal input gives equal bytes. */
const DATE = 0x21;
/** Bit 11 of the flags: names are UTF-8. */
const UTF8 = 0x800;

interface Written {
  readonly name: Uint8Array;
  readonly size: number;
  readonly crc: number;
  readonly begin: number;
}

/**
 * A zip file of stored entries, piece by piece; the bytes of entries are yielded as they are. Sizes and offsets from
 * 4 GiB on are written in zip64 records.
 */
export function* encodeZip(
  inputs: Iterable<ZipInput>,
  crc32: (bytes: Uint8Array) => number,
): Generator<Uint8Array, void, undefined> {
  const entries: Written[] = [];
  let position = 0;
  for (const { name, bytes } of inputs) {
    const entry = { name: new TextEncoder().encode(name), size: bytes.length, crc: crc32(bytes), begin: position };
    entries.push(entry);
    const header = localHeader(entry);
    yield header;
    yield bytes;
    position += header.length + bytes.length;
  }
  const offset = position;
  for (const entry of entries) {
    const header = centralHeader(entry);
    yield header;
    position += header.length;
  }
  yield endRecords(entries.length, offset, position - offset);
}

/** The fields that local and central headers share, from "version needed" on. */
function common(view: DataView, at: number, { name, size, crc }: Written, large: boolean, extra: number): void {
  view.setUint16(at, large ? 45 : 20, true);
  view.setUint16(at + 2, UTF8, true);
  view.setUint16(at + 8, DATE, true);
  view.setUint32(at + 10, crc, true);
  view.setUint32(at + 14, Math.min(size, SATURATED), true);
  view.setUint32(at + 18, Math.min(size, SATURATED), true);
  view.setUint16(at + 22, name.length, true);
  view.setUint16(at + 24, extra, true);
}

function localHeader(entry: Written): Uint8Array {
  const sizes = entry.size >= SATURATED ? [entry.size, entry.size] : [];
  const zip64 = zip64Extra(sizes);
  const fixed = 30 + entry.name.length + zip64.length;
  const end = Math.ceil((entry.begin + fixed + 4) / ALIGNMENT) * ALIGNMENT;
  const header = new Uint8Array(end - entry.begin);
  const view = dataView(header);
  view.setUint32(0, 0x04034b50, true);
  common(view, 4, entry, sizes.length > 0, header.length - 30 - entry.name.length);
  header.set(entry.name, 30);
  header.set(zip64, 30 + entry.name.length);
  view.setUint16(fixed, PADDING, true);
  view.setUint16(fixed + 2, header.length - fixed - 4, true);
  return header;
}

function centralHeader(entry: Written): Uint8Array {
  const { name, size, begin } = entry;
  const zip64 = zip64Extra([...(size >= SATURATED ? [size, size] : []), ...(begin >= SATURATED ? [begin] : [])]);
  const header = new Uint8Array(46 + name.length + zip64.length);
  const view = dataView(header);
  view.setUint32(0, 0x02014b50, true);
  view.setUint16(4, 45, true);
  common(view, 6, entry, zip64.length > 0, zip64.length);
  view.setUint32(42, Math.min(begin, SATURATED), true);
  header.set(name, 46);
  header.set(zip64, 46 + name.length);
  return header;
}

/** Field 1: the numbers that are saturated elsewhere, 64 bits each; empty where there are none. */
function zip64Extra(values: readonly number[]): Uint8Array {
  if (values.length === 0) return new Uint8Array(0);
  const extra = new Uint8Array(4 + 8 * values.length);
  const view = dataView(extra);
  view.setUint16(0, 1, true);
  view.setUint16(2, 8 * values.length, true);
  for (const [i, value] of values.entries()) view.setBigUint64(4 + 8 * i, BigInt(value), true);
  return extra;
}

function endRecords(count: number, offset: number, size: number): Uint8Array {
  const zip64 = count >= 0xffff || offset >= SATURATED || size >= SATURATED;
  const records = new Uint8Array(zip64 ? 56 + 20 + 22 : 22);
  const view = dataView(records);
  let at = 0;
  if (zip64) {
    view.setUint32(0, 0x06064b50, true);
    view.setBigUint64(4, 44n, true);
    view.setUint16(12, 45, true);
    view.setUint16(14, 45, true);
    view.setBigUint64(24, BigInt(count), true);
    view.setBigUint64(32, BigInt(count), true);
    view.setBigUint64(40, BigInt(size), true);
    view.setBigUint64(48, BigInt(offset), true);
    view.setUint32(56, 0x07064b50, true);
    view.setBigUint64(64, BigInt(offset + size), true);
    view.setUint32(72, 1, true);
    at = 76;
  }
  view.setUint32(at, END, true);
  view.setUint16(at + 8, Math.min(count, 0xffff), true);
  view.setUint16(at + 10, Math.min(count, 0xffff), true);
  view.setUint32(at + 12, Math.min(size, SATURATED), true);
  view.setUint32(at + 16, Math.min(offset, SATURATED), true);
  return records;
}

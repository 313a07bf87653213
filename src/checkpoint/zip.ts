/** Zip files as PyTorch makes them: entries stored as they are, each on its own bytes, zip64 where sizes ask for it. */
import { dataView, type RandomAccess, readRange, uint64 } from "./access.ts";
import { ensure, quote } from "./error.ts";

const LOCAL_HEADER = 0x04034b50;
const CENTRAL_HEADER = 0x02014b50;
const END = 0x06054b50;
const ZIP64_END = 0x06064b50;
const ZIP64_LOCATOR = 0x07064b50;
/** Stands where the true number is in a zip64 record. */
const SATURATED = 0xffffffff;
/** In bytes; a network of 100,000 tensors takes some 8 MB. */
const MAX_DIRECTORY = 64 * 2 ** 20;
/** Bit 0 of the flags. */
const ENCRYPTED = 1;

/** An entry of a zip file, as its directory says. */
export interface ZipEntry {
  readonly name: string;
  readonly flags: number;
  /** 0 for stored. */
  readonly method: number;
  readonly crc: number;
  /** Bytes in the file, and unpacked. */
  readonly stored: number;
  readonly size: number;
  /** Where the local header begins, and where the next entry's, or the directory, does. */
  readonly begin: number;
  readonly end: number;
}

type RawEntry = Omit<ZipEntry, "end">;

/** Reads the directory at the end of a zip file. Entries that overlap or reach out of range are refused. */
export async function readZipDirectory(file: RandomAccess): Promise<Map<string, ZipEntry>> {
  const { count, offset, size, limit } = await findDirectory(file);
  ensure(
    offset + size <= limit && size <= MAX_DIRECTORY && count * 46 <= size,
    () => `zip: a directory of ${count} entries and ${size} bytes at ${offset} does not fit into the file`,
  );
  const view = dataView(await readRange(file, offset, size, "zip: the directory"));
  const raw: RawEntry[] = [];
  for (let at = 0; raw.length < count; ) {
    const { entry, next } = readCentralHeader(view, at);
    raw.push(entry);
    at = next;
  }
  raw.sort((a, b) => a.begin - b.begin);
  const entries = new Map<string, ZipEntry>();
  for (const [i, entry] of raw.entries()) {
    const end = raw[i + 1]?.begin ?? offset;
    ensure(!entries.has(entry.name), () => `zip: there are two entries ${quote(entry.name)}`);
    ensure(
      entry.begin + 30 + entry.stored <= end,
      () =>
        `zip: entry ${quote(entry.name)} overlaps what follows: it takes ${entry.stored} bytes at ${entry.begin}, of ${end}`,
    );
    entries.set(entry.name, { ...entry, end });
  }
  return entries;
}

/** Where the bytes of an entry lie. Compressed and encrypted entries are refused. */
export async function locateZipEntry(file: RandomAccess, entry: ZipEntry): Promise<{ offset: number; length: number }> {
  const what = `zip: entry ${quote(entry.name)}`;
  ensure((entry.flags & ENCRYPTED) === 0, () => `${what} is encrypted`);
  ensure(
    entry.method === 0 && entry.stored === entry.size,
    () =>
      `${what} is compressed (method ${entry.method}, ${entry.stored} bytes that claim to unpack to ${entry.size}); ` +
      "PyTorch stores entries as they are, and compressed ones are refused, as they may unpack to any size. Unpack and pack again with `zip -0`",
  );
  // The name's length in bytes is that of the directory, or else it is another name.
  const nameLength = new TextEncoder().encode(entry.name).length;
  const header = await readRange(file, entry.begin, 30 + nameLength, what);
  const view = dataView(header);
  ensure(view.getUint32(0, true) === LOCAL_HEADER, () => `${what} has no local header at ${entry.begin}`);
  const name = decodeName(header.subarray(30));
  ensure(
    view.getUint16(26, true) === nameLength && name === entry.name,
    () => `${what} calls itself ${quote(name)} in its local header`,
  );
  const offset = entry.begin + 30 + nameLength + view.getUint16(28, true);
  ensure(
    offset + entry.size <= entry.end,
    () => `${what} overlaps what follows: it takes bytes ${offset} to ${offset + entry.size}, of ${entry.end}`,
  );
  return { offset, length: entry.size };
}

async function findDirectory(file: RandomAccess) {
  // The end record is 22 bytes and a comment of at most 65535 that reaches to the end of the file.
  const tailSize = Math.min(file.size, 22 + 65535);
  const tailStart = file.size - tailSize;
  const tail = dataView(await readRange(file, tailStart, tailSize, "zip: the end"));
  let at = tailSize - 22;
  while (at >= 0 && !(tail.getUint32(at, true) === END && at + 22 + tail.getUint16(at + 20, true) === tailSize)) at--;
  ensure(at >= 0, () => "zip: there is no directory at the end; the file is cut short: download it again");
  const count = tail.getUint16(at + 10, true);
  const size = tail.getUint32(at + 12, true);
  const offset = tail.getUint32(at + 16, true);
  const end = { count, size, offset, limit: tailStart + at };
  ensure(
    tail.getUint16(at + 4, true) === 0 && tail.getUint16(at + 6, true) === 0,
    () => "zip: the archive is split over several disks",
  );
  if (at < 20 || tail.getUint32(at - 20, true) !== ZIP64_LOCATOR) return end;

  const limit = uint64(tail, at - 20 + 8);
  ensure(limit + 56 <= tailStart + at - 20, () => `zip: the zip64 record at ${limit} is out of range`);
  const record = dataView(await readRange(file, limit, 56, "zip: the zip64 record"));
  ensure(record.getUint32(0, true) === ZIP64_END, () => `zip: there is no zip64 record at ${limit}`);
  const zip64 = { count: uint64(record, 32), size: uint64(record, 40), offset: uint64(record, 48), limit };
  // Readers that know zip64 and readers that do not must see the same archive.
  ensure(
    (count === 0xffff || count === zip64.count) &&
      (size === SATURATED || size === zip64.size) &&
      (offset === SATURATED || offset === zip64.offset),
    () => "zip: the end record and the zip64 record contradict each other",
  );
  return zip64;
}

function readCentralHeader(view: DataView<ArrayBuffer>, at: number): { entry: RawEntry; next: number } {
  ensure(
    at + 46 <= view.byteLength && view.getUint32(at, true) === CENTRAL_HEADER,
    () => `zip: the directory has no entry at its byte ${at}`,
  );
  const nameLength = view.getUint16(at + 28, true);
  const extraLength = view.getUint16(at + 30, true);
  const next = at + 46 + nameLength + extraLength + view.getUint16(at + 32, true);
  ensure(next <= view.byteLength, () => `zip: the entry at byte ${at} of the directory is cut short`);
  const name = decodeName(new Uint8Array(view.buffer, view.byteOffset + at + 46, nameLength));
  const [size, stored, begin] = readZip64Extra(
    new DataView(view.buffer, view.byteOffset + at + 46 + nameLength, extraLength),
    [view.getUint32(at + 24, true), view.getUint32(at + 20, true), view.getUint32(at + 42, true)],
    name,
  ) as [number, number, number];
  const flags = view.getUint16(at + 8, true);
  return {
    entry: {
      name,
      flags,
      method: view.getUint16(at + 10, true),
      crc: view.getUint32(at + 16, true),
      stored,
      size,
      begin,
    },
    next,
  };
}

/** Replaces the saturated ones of (size, stored size, offset) by the numbers of the zip64 extra field, id 1. */
function readZip64Extra(extra: DataView, values: number[], name: string): number[] {
  if (!values.includes(SATURATED)) return values;
  for (let at = 0; at + 4 <= extra.byteLength; at += 4 + extra.getUint16(at + 2, true)) {
    if (extra.getUint16(at, true) !== 1) continue;
    const end = at + 4 + extra.getUint16(at + 2, true);
    let next = at + 4;
    return values.map((value) => {
      if (value !== SATURATED) return value;
      ensure(
        next + 8 <= Math.min(end, extra.byteLength),
        () => `zip: entry ${quote(name)}: its zip64 field is cut short`,
      );
      next += 8;
      return uint64(extra, next - 8);
    });
  }
  return values;
}

function decodeName(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

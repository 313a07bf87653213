/**
 * The files in a tar archive and where they lie. Long names come from ustar's prefix, GNU's "L" entries and pax headers.
 *
 * Source: IEEE Std 1003.1-2017, "pax"; GNU tar manual, "Basic Tar Format".
 */
import type { RandomAccess } from "../../checkpoint/index.ts";

const BLOCK = 512;
/** Headers are read in pieces of this many bytes. */
const PIECE = 64 * 1024;
/** Bytes of a name or a pax header, far above what programs write. */
const MAX_NAME = 64 * 1024;
/** Entries of an archive, twice those of ImageNet. */
const MAX_ENTRIES = 4_000_000;

/** A file in a tar archive: where its bytes lie. */
export interface TarEntry {
  readonly name: string;
  readonly offset: number;
  readonly size: number;
}

const text = (bytes: Uint8Array) =>
  new TextDecoder().decode(bytes.subarray(0, ((end) => (end < 0 ? bytes.length : end))(bytes.indexOf(0)))); // prettier-ignore

/** Octal digits, or a big-endian number where the highest bit is set. */
function numberOf(field: Uint8Array): number {
  if (field[0]! & 0x80) return field.subarray(1).reduce((value, byte) => value * 256 + byte, field[0]! & 0x7f);
  const digits = text(field).trim();
  return /^[0-7]*$/.test(digits) ? Number.parseInt(digits || "0", 8) : Number.NaN;
}

/** The sum of a header's bytes, with spaces in place of the sum itself. */
function sumOf(header: Uint8Array): number {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 32 : header[i]!;
  return sum;
}

/** Whether bytes begin like a tar archive. */
export const isTar = (bytes: Uint8Array): boolean =>
  bytes.length >= BLOCK && numberOf(bytes.subarray(148, 156)) === sumOf(bytes);

/** Fields of a pax header: "LENGTH KEY=VALUE\n", the length with itself. */
function paxFields(bytes: Uint8Array): Map<string, string> {
  const fields = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const [, digits = ""] = /^(\d{1,9}) /.exec(new TextDecoder("latin1").decode(bytes.subarray(at, at + 12))) ?? [];
    const length = Number(digits);
    if (length <= digits.length + 1 || at + length > bytes.length) break;
    const [key = "", ...value] = new TextDecoder()
      .decode(bytes.subarray(at + digits.length + 1, at + length - 1))
      .split("=");
    fields.set(key, value.join("="));
    at += length;
  }
  return fields;
}

/** The regular files of an archive, in order. Throws an Error where the archive is damaged or cut off. */
export async function readTarDirectory(file: RandomAccess): Promise<TarEntry[]> {
  const entries: TarEntry[] = [];
  let piece: { start: number; bytes: Uint8Array } = { start: 0, bytes: new Uint8Array(0) };
  const read = async (offset: number, length: number) => {
    if (offset + length > file.size)
      throw new Error(`tar: the archive ends too early: an entry reaches to byte ${offset + length} of ${file.size}`);
    if (offset < piece.start || offset + length > piece.start + piece.bytes.length)
      piece = { start: offset, bytes: await file.read(offset, Math.min(Math.max(length, PIECE), file.size - offset)) };
    return piece.bytes.subarray(offset - piece.start, offset - piece.start + length);
  };
  let [longName, pax]: [string | undefined, Map<string, string> | undefined] = [undefined, undefined];
  for (let at = 0; ; ) {
    if (at + BLOCK > file.size) throw new Error("tar: the archive ends too early: its end mark is missing");
    const header = await read(at, BLOCK);
    if (header.every((byte) => byte === 0)) return entries;
    if (numberOf(header.subarray(148, 156)) !== sumOf(header))
      throw new Error(`tar: the header at byte ${at} is damaged (its checksum does not fit)`);
    const kind = String.fromCharCode(header[156] || 0x30);
    const size = Number(pax?.get("size") ?? numberOf(header.subarray(124, 136)));
    if (!Number.isSafeInteger(size) || size < 0)
      throw new Error(`tar: the size of the entry at byte ${at} is not a number`);
    const offset = at + BLOCK;
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    if (offset + size > file.size)
      throw new Error(`tar: the archive ends too early: an entry reaches to byte ${offset + size} of ${file.size}`);
    if (kind === "L" || kind === "x") {
      if (size > MAX_NAME) throw new Error(`tar: a name of ${size} bytes at byte ${offset}`);
      const bytes = await read(offset, size);
      if (kind === "L") longName = text(bytes);
      else pax = paxFields(bytes);
      continue;
    }
    if (kind === "g" || kind === "K") continue;
    if (kind === "0" || kind === "7") {
      const prefix = /^ustar\0/.test(new TextDecoder("latin1").decode(header.subarray(257, 263)))
        ? text(header.subarray(345, 500))
        : "";
      const short = text(header.subarray(0, 100));
      const name = pax?.get("path") ?? longName ?? (prefix === "" ? short : `${prefix}/${short}`);
      if (entries.length >= MAX_ENTRIES) throw new Error(`tar: more than ${MAX_ENTRIES} entries`);
      entries.push({ name, offset, size });
    }
    [longName, pax] = [undefined, undefined];
  }
}

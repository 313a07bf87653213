/**
 * Archives as folders: a path goes on behind the name of the archive, `photos.zip/train/cat/1.jpg`. Nothing is unpacked to the disk.
 * An entry of a .zip or .tar file is read where it lies; a .tar.gz file is unpacked into memory once, as it has no other order.
 */
import { statSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { promisify } from "node:util";
import { gunzip, inflateRaw } from "node:zlib";
import { type RandomAccess, readZipDirectory, type ZipEntry } from "../../checkpoint/index.ts";
import { sharedBytes } from "../dataset.ts";
import { DataError } from "../errors.ts";
import { readTarDirectory } from "./tar.ts";

/** Bytes that a .tar.gz file may unpack to; larger ones are to be unpacked by hand. */
const MAX_UNPACKED = 2 ** 31 - 1;
/** Deflate cannot shrink bytes more than this. */
const MAX_RATIO = 1032;
/** Bit 0 of a zip entry's flags. */
const ENCRYPTED = 1;

const ARCHIVE = /\.(zip|tar|tar\.gz|tgz)$/i;

/** Whether a file's name is that of an archive. */
export const isArchiveName = (name: string): boolean => ARCHIVE.test(name);

interface Listing {
  readonly folders: Set<string>;
  readonly files: Set<string>;
}

interface Archive {
  /** What the folders in it hold, by their paths; "" is the archive itself. */
  readonly folders: ReadonlyMap<string, Listing>;
  /** Undefined where there is no such file. */
  read(path: string): Promise<Uint8Array> | undefined;
  /** The unpacked bytes of a .tar.gz file. */
  readonly unpacked?: Uint8Array;
}

const opened = new Map<string, { readonly version: string; readonly archive: Promise<Archive> }>();

/** A path into an archive, in two. Undefined where no part of it is an archive on the disk. */
function parted(path: string): readonly [archive: string, inner: string] | undefined {
  for (const { index, 0: ending } of path.matchAll(/\.(zip|tar\.gz|tar|tgz)(?=[\\/]|$)/gi)) {
    const archive = path.slice(0, index + ending.length);
    const found = statSync(archive, { throwIfNoEntry: false });
    if (!found) return undefined;
    if (found.isFile())
      return [
        archive,
        path
          .slice(archive.length + 1)
          .replaceAll("\\", "/")
          .replace(/\/$/, ""),
      ];
  }
  return undefined;
}

/** The archive that a path leads into, and the path in it. Undefined for other paths. Throws a DataError for one that is damaged. */
async function within(path: string): Promise<readonly [archive: Archive, inner: string] | undefined> {
  const [file, inner] = parted(path) ?? [];
  if (file === undefined) return undefined;
  const { mtimeMs, size } = await stat(file);
  const version = `${mtimeMs} ${size}`;
  let known = opened.get(file);
  if (known?.version !== version) {
    known = { version, archive: openArchive(file) };
    opened.set(file, known);
    // what could not be opened is tried anew the next time
    known.archive.catch(() => opened.delete(file));
  }
  return [await known.archive, inner!];
}

/** The bytes of a file in an archive; undefined for a path that leads into none, or to nothing. */
export async function readInArchive(path: string): Promise<Uint8Array | undefined> {
  const [archive, inner] = (await within(path)) ?? [];
  return naming(path, async () => archive?.read(inner!));
}

/** What a folder in an archive holds, or the archive itself; undefined for other paths. */
export async function listInArchive(path: string): Promise<Listing | undefined> {
  const [archive, inner] = (await within(path)) ?? [];
  return archive?.folders.get(inner!);
}

/** The unpacked bytes, in shared memory, of the .tar.gz files that paths lead into, so that workers need not unpack them again. */
export async function unpackedFor(paths: readonly string[]): Promise<ReadonlyMap<string, Uint8Array>> {
  const found = new Map<string, Uint8Array>();
  for (const [file, { archive }] of opened) {
    if (!paths.some((path) => path.startsWith(`${file}/`))) continue;
    const { unpacked } = await archive;
    if (unpacked) found.set(file, unpacked);
  }
  return found;
}

/** Takes over the bytes of .tar.gz files that were unpacked before. */
export async function mount(unpacked: ReadonlyMap<string, Uint8Array>): Promise<void> {
  for (const [file, bytes] of unpacked) {
    const { mtimeMs, size } = await stat(file);
    opened.set(file, { version: `${mtimeMs} ${size}`, archive: naming(file, () => ofTar(file, bytes)) });
  }
}

async function naming<T>(file: string, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    throw new DataError((cause as Error).message, { file, cause, skippable: true });
  }
}

const openArchive = (file: string): Promise<Archive> =>
  naming(file, () => (/\.zip$/i.test(file) ? ofZip(file) : /\.tar$/i.test(file) ? ofTar(file) : ofTarGz(file)));

/** Opens a file for a while. */
async function onDisk<T>(path: string, use: (file: RandomAccess) => Promise<T>): Promise<T> {
  const handle = await open(path, "r");
  try {
    const { size } = await handle.stat();
    return await use({
      size,
      async read(offset, length) {
        const bytes = new Uint8Array(length);
        const { bytesRead } = await handle.read(bytes, 0, length, offset);
        if (bytesRead !== length) throw new Error("the file ends too early");
        return bytes;
      },
    });
  } finally {
    await handle.close();
  }
}

/** An archive from its entries by name. Names that lead out of the archive belong to nothing. */
function archiveOf<E extends { readonly name: string }>(
  entries: Iterable<E>,
  read: (entry: E) => Promise<Uint8Array>,
): Archive {
  const folders = new Map<string, Listing>([["", { folders: new Set(), files: new Set() }]]);
  const files = new Map<string, E>();
  for (const entry of entries) {
    const parts = entry.name
      .replaceAll("\\", "/")
      .split("/")
      .filter((part) => part !== "" && part !== "."); // prettier-ignore
    const isName = parts.length > 0 && parts.length <= 64 && !parts.includes("..") && !entry.name.includes("\0");
    if (!isName || /^[\\/]|^[a-z]:/i.test(entry.name) || /[\\/]$/.test(entry.name)) continue;
    for (let depth = 0; depth < parts.length - 1; depth++) {
      const path = parts.slice(0, depth + 1).join("/");
      folders.get(parts.slice(0, depth).join("/"))!.folders.add(parts[depth]!);
      if (!folders.has(path)) folders.set(path, { folders: new Set(), files: new Set() });
    }
    folders.get(parts.slice(0, -1).join("/"))!.files.add(parts.at(-1)!);
    files.set(parts.join("/"), entry);
  }
  return {
    folders,
    read(path) {
      const entry = files.get(path);
      return entry && read(entry);
    },
  };
}

async function ofZip(file: string): Promise<Archive> {
  const entries = await onDisk(file, readZipDirectory);
  return archiveOf(entries.values(), (entry) => onDisk(file, (bytes) => zipEntry(bytes, entry)));
}

async function zipEntry(file: RandomAccess, entry: ZipEntry): Promise<Uint8Array> {
  const { begin, end, stored, size, method } = entry;
  const header = Buffer.from(await file.read(begin, 30));
  const offset = begin + 30 + header.readUInt16LE(26) + header.readUInt16LE(28);
  if (header.readUInt32LE(0) !== 0x04034b50 || offset + stored > end) throw new Error("zip: the entry is damaged");
  if (entry.flags & ENCRYPTED) throw new Error("zip: the entry is encrypted; unpack the archive with its password");
  const bytes = await file.read(offset, stored);
  if (method === 0 && stored === size) return bytes;
  if (method !== 8) throw new Error(`zip: compressed by method ${method}, which is not supported; pack it again`);
  if (size > stored * MAX_RATIO + 64) throw new Error(`zip: ${stored} bytes cannot unpack to ${size}`);
  const unpacked = await promisify(inflateRaw)(bytes, { maxOutputLength: Math.max(1, size) }).catch((cause: Error) => {
    throw new Error(`zip: cannot unpack: ${cause.message}`, { cause });
  });
  if (unpacked.length !== size)
    throw new Error(`zip: ${size} bytes were expected, but it unpacks to ${unpacked.length}`);
  return unpacked;
}

/** `unpacked` are the bytes of the archive, if they are not those on the disk. */
async function ofTar(file: string, unpacked?: Uint8Array): Promise<Archive> {
  if (!unpacked) {
    const entries = await onDisk(file, readTarDirectory);
    return archiveOf(entries, ({ offset, size }) => onDisk(file, async (bytes) => bytes.read(offset, size)));
  }
  const at = (offset: number, length: number) => unpacked.subarray(offset, offset + length);
  const entries = await readTarDirectory({ size: unpacked.length, read: at });
  // sharp does not read shared memory
  return { ...archiveOf(entries, async ({ offset, size }) => at(offset, size).slice()), unpacked };
}

async function ofTarGz(file: string): Promise<Archive> {
  const packed = await onDisk(file, async (bytes) => bytes.read(0, bytes.size));
  const unpacked = await promisify(gunzip)(packed, { maxOutputLength: MAX_UNPACKED }).catch((cause) => {
    const isLarge = cause.code === "ERR_BUFFER_TOO_LARGE";
    throw new Error(
      isLarge ? `it unpacks to more than 2 GiB; unpack it first: tar -xzf` : `cannot unpack: ${cause.message}`,
      { cause },
    ); // prettier-ignore
  });
  const bytes = sharedBytes(unpacked.length);
  bytes.set(unpacked);
  return ofTar(file, bytes);
}

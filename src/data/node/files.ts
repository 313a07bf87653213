/** Reading files so that every failure names the file. */
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { DataError } from "../errors.ts";

/** A whole file. */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (cause) {
    throw new DataError(reasonOf(cause), { file, cause });
  }
}

/** Bytes that a compressed file may grow to; the largest known set is far below. */
const MAX_UNZIPPED = 2 ** 31 - 1;

/** A whole file, unzipped where its first two bytes say that it is gzip, whatever its name. */
export async function readMaybeGzip(file: string): Promise<Uint8Array> {
  const bytes = await readBytes(file);
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: MAX_UNZIPPED });
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code === "Z_BUF_ERROR" ? "the file is cut off" : reasonOf(cause);
    throw new DataError(`cannot unzip: ${reason}`, { file, cause });
  }
}

/** What the system said, in words. */
export function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "reading is not permitted";
    case "EISDIR":
      return "this is a folder, not a file";
    case "ENOSPC":
      return "the disk is full";
    default:
      return message;
  }
}

/** Fails for a path that is no folder. */
export async function checkFolder(folder: string): Promise<void> {
  const info = await stat(folder).catch((cause) => {
    throw new DataError(cause.code === "ENOENT" ? "there is no such folder" : reasonOf(cause), { file: folder, cause });
  });
  if (!info.isDirectory()) throw new DataError("this is no folder", { file: folder });
}

/** What a folder holds, hidden names left out, in the order of Python's `sorted`; links are followed. */
export async function listFolder(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    const isFolder = entry.isSymbolicLink()
      ? await stat(join(folder, entry.name)).then(
          (target) => target.isDirectory(),
          () => false, // a link to nowhere is reported when it is read
        )
      : entry.isDirectory();
    (isFolder ? folders : files).push(entry.name);
  }
  return { folders: folders.sort(), files: files.sort() };
}

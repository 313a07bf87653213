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

/** Bytes that a compressed file may grow to, far above the largest known set. */
const MAX_UNZIPPED = 2 ** 31 - 1;

/** A whole file, unzipped if its first two bytes are those of gzip. */
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

/** A system error in words. */
export function reasonOf(cause: unknown): string {
  const { code, message } = cause as NodeJS.ErrnoException;
  switch (code) {
    case "ENOENT":
      return "there is no such file";
    case "EACCES":
      return "reading is not permitted";
    case "EISDIR":
      return "is a directory; a file was expected";
    case "ENOSPC":
      return "the disk is full";
    default:
      return message;
  }
}

/** Throws a DataError unless the path is a folder. */
export async function checkFolder(folder: string): Promise<void> {
  const info = await stat(folder).catch((cause) => {
    throw new DataError(cause.code === "ENOENT" ? "there is no such folder" : reasonOf(cause), { file: folder, cause });
  });
  if (!info.isDirectory()) throw new DataError("is a file; a folder was expected", { file: folder });
}

/**
 * Names of the subfolders and files of a folder, in the order of Python's `sorted`. Links are followed; hidden names are left out,
 * and so is what macOS adds to archives.
 */
export async function listFolder(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (entry.name.startsWith(".") || entry.name === "__MACOSX") continue;
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

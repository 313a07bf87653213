/** Reading files so that every failure names the file. */
import { readFileSync } from "node:fs";
import { readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { isMainThread } from "node:worker_threads";
import { gunzip } from "node:zlib";
import { DataError } from "../errors.ts";
import { isArchiveName, listInArchive, readInArchive } from "./archives.ts";

/** A whole file, on the disk or in an archive (`photos.zip/cat/1.jpg`). */
export async function readBytes(file: string): Promise<Uint8Array> {
  try {
    // several hops between threads cost more than reading a small file; in a worker nothing else waits
    return isMainThread ? await readFile(file) : readFileSync(file);
  } catch (cause) {
    const found = isPathInFile(cause) ? await readInArchive(file) : undefined;
    if (found) return found;
    throw new DataError(reasonOf(cause), { file, cause });
  }
}

/** Whether a path does not exist, perhaps as a part of it is a file: an archive. */
const isPathInFile = (cause: unknown) => ["ENOTDIR", "ENOENT"].includes((cause as NodeJS.ErrnoException).code ?? "");

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

/** Throws a DataError unless the path is a folder, or an archive, or a folder in one. */
export async function checkFolder(folder: string): Promise<void> {
  if (await listInArchive(folder)) return;
  const info = await stat(folder).catch((cause) => {
    throw new DataError(cause.code === "ENOENT" ? "there is no such folder" : reasonOf(cause), { file: folder, cause });
  });
  if (!info.isDirectory()) throw new DataError("is a file; a folder was expected", { file: folder });
}

/** What systems and programs leave in folders. Hidden names, such as `._cat.jpg` and `.ipynb_checkpoints`, are left out as well. */
const JUNK = new Set(["__MACOSX", "@eaDir", "Thumbs.db", "desktop.ini", "$RECYCLE.BIN", "System Volume Information"]);

const isKept = (name: string) => !name.startsWith(".") && !JUNK.has(name);

/**
 * Names of the subfolders and files of a folder, or of an archive, in the order of Python's `sorted`. Links are followed; hidden names
 * are left out, and so is what systems leave behind.
 */
export async function listFolder(folder: string): Promise<{ folders: string[]; files: string[] }> {
  const folders: string[] = [];
  const files: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true }).catch(async (cause) => {
    const found = isPathInFile(cause) ? await listInArchive(folder) : undefined;
    if (!found) throw cause;
    folders.push(...[...found.folders].filter(isKept));
    files.push(...[...found.files].filter(isKept));
    return [];
  });
  for (const entry of entries) {
    if (!isKept(entry.name)) continue;
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

/** Whether there is a file or folder at a path, on the disk or in an archive. */
export async function isThere(path: string): Promise<boolean> {
  const onDisk = await stat(path).then(
    () => true,
    () => false,
  ); // prettier-ignore
  if (onDisk || !path.split(/[\\/]/).some(isArchiveName)) return onDisk;
  return (await listInArchive(path)) !== undefined || (await readInArchive(path)) !== undefined;
}

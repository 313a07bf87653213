/** The browser's own files, for workers: whole files that are replaced at once, or not at all. */

/** Thrown when the browser's storage is full. */
export class FullError extends Error {
  override name = "FullError";
}

async function folderAt(path: readonly string[], create: boolean): Promise<FileSystemDirectoryHandle> {
  let folder = await navigator.storage.getDirectory();
  for (const name of path) folder = await folder.getDirectoryHandle(name, { create });
  return folder;
}

const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

async function explained(error: unknown, bytes: number): Promise<Error> {
  if ((error as DOMException).name !== "QuotaExceededError") return error as Error;
  const { usage = 0, quota = 0 } = await navigator.storage.estimate();
  return new FullError(
    `the browser's storage is full: ${megabytes(bytes)} more do not fit, ${megabytes(usage)} of ${megabytes(quota)} are used; remove runs or data sets that you no longer need`,
    { cause: error },
  );
}

/** Writes a file; a kill at any moment leaves the old or the new one. Throws a FullError without space. */
export async function write(path: readonly string[], content: Uint8Array | string): Promise<void> {
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  let stream: FileSystemWritableFileStream | undefined;
  try {
    const folder = await folderAt(path.slice(0, -1), true);
    const file = await folder.getFileHandle(path.at(-1)!, { create: true });
    stream = await file.createWritable();
    // memory shared between threads cannot be written as it is
    await stream.write(bytes.buffer instanceof ArrayBuffer ? (bytes as Uint8Array<ArrayBuffer>) : bytes.slice());
    await stream.close();
  } catch (error) {
    await stream?.abort().catch(() => undefined);
    throw await explained(error, bytes.byteLength);
  }
}

/** The bytes of a file; undefined if there is none. */
export async function read(path: readonly string[]): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    const folder = await folderAt(path.slice(0, -1), false);
    const file = await (await folder.getFileHandle(path.at(-1)!)).getFile();
    // a file that was made, but never written
    return file.size === 0 ? undefined : new Uint8Array(await file.arrayBuffer());
  } catch (error) {
    if ((error as DOMException).name === "NotFoundError") return undefined;
    throw error;
  }
}

export async function readJson<T>(path: readonly string[]): Promise<T | undefined> {
  const bytes = await read(path);
  if (!bytes) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  } catch {
    return undefined;
  }
}

/** Names of the folders in a folder. */
export async function folders(path: readonly string[]): Promise<readonly string[]> {
  const names: string[] = [];
  try {
    for await (const [name, { kind }] of await folderAt(path, false).then((folder) => folder.entries()))
      if (kind === "directory") names.push(name);
  } catch {
    // nothing was kept yet, or a private window has no storage
  }
  return names;
}

/** Removes a folder with all in it. */
export async function remove(path: readonly string[]): Promise<void> {
  const folder = await folderAt(path.slice(0, -1), false).catch(() => undefined);
  await folder?.removeEntry(path.at(-1)!, { recursive: true }).catch(() => undefined);
}

/** A name for a new folder: sorted by name, they are sorted by time. */
export const newId = (): string =>
  `${new Date().toISOString().slice(0, 19).replaceAll(/[-:]/g, "")}-${Math.floor(Math.random() * 46656)
    .toString(36)
    .padStart(3, "0")}`;

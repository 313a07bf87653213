/** Everything of index.ts, and files: opened by what they hold, written so that a kill leaves the old file or the new one. */
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { RandomAccess } from "./access.ts";
import { type Checkpoint, loadAll, type ReadOptions } from "./checkpoint.ts";
import { CheckpointError } from "./error.ts";
import { encodeSafetensors, openSafetensors } from "./safetensors.ts";

export * from "./index.ts";

/** A file, read piece by piece. Close the handle when done. */
async function randomAccess(handle: FileHandle): Promise<RandomAccess> {
  const { size } = await handle.stat();
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
  };
}

/** Reads a weight file. Throws a CheckpointError that names the file where it is damaged or of another kind. */
export async function readCheckpoint(path: string, options: ReadOptions = {}): Promise<Checkpoint> {
  const handle = await open(path, "r");
  try {
    return await loadAll(await openSafetensors(await randomAccess(handle), options));
  } catch (error) {
    throw error instanceof CheckpointError ? new CheckpointError(`${path}: ${error.message}`, { cause: error }) : error;
  } finally {
    await handle.close();
  }
}

/** Writes a weight file, whole or not at all. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  await writeAtomically(path, encodeSafetensors(checkpoint));
}

/**
 * Writes a file so that at every moment its name stands for the old content or the new, even if the machine stops: into a
 * temporary file beside it, flushed to the disk, then renamed.
 */
export async function writeAtomically(path: string, content: string | Iterable<Uint8Array>): Promise<void> {
  const folder = dirname(path);
  const temporary = join(folder, `.${basename(path)}.${process.pid}.tmp`);
  try {
    const handle = await open(temporary, "w");
    try {
      if (typeof content === "string") await handle.writeFile(content);
      else for (const piece of content) await writeAll(handle, piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw explained(path, error as NodeJS.ErrnoException);
  }
}

/** Large writes may be taken in parts. */
async function writeAll(handle: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await handle.write(piece, done, Math.min(piece.length - done, 2 ** 30))).bytesWritten;
  }
}

/** Makes the rename last; some systems cannot open folders, and have no need to. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

function explained(path: string, error: NodeJS.ErrnoException): Error {
  if (error.code === "ENOSPC" || error.code === "EDQUOT") {
    return new CheckpointError(
      `${path}: the disk is full; what was saved before is untouched, free some space and go on`,
      { cause: error },
    );
  }
  return error;
}

/** Everything of index.ts, and files: opened by what they hold, written so that a kill leaves the old file or the new one. */
import { type FileHandle, open, readdir, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { RandomAccess } from "../access.ts";
import { type Checkpoint, type CheckpointFile, loadAll, type ReadOptions } from "../checkpoint.ts";
import { writeError } from "../disk.ts";
import { CheckpointError, ensure } from "../error.ts";
import { openWeights } from "../read.ts";
import { encodeSafetensors } from "../safetensors.ts";
import { encodeTorch } from "../torch-write.ts";

/** Reads are split, as a single one cannot exceed 2 GiB. In bytes. */
const MAX_TRANSFER = 2 ** 30;

/** A weight file that is open: close it when done. */
export interface OpenCheckpoint extends CheckpointFile {
  close(): Promise<void>;
}

/**
 * Opens a weight file, of which only what describes the tensors is read; the numbers when they are asked for.
 *
 * Throws a CheckpointError that names the file where it is damaged or of another kind.
 */
export async function openCheckpoint(path: string, options: ReadOptions = {}): Promise<OpenCheckpoint> {
  const handle = await open(path, "r");
  try {
    const file = await naming(path, async () => {
      ensure((await handle.stat()).isFile(), () => "this is no file");
      return openWeights(await randomAccess(handle), { crc32, ...options });
    });
    return { ...file, load: (name) => naming(path, () => file.load(name)), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Reads a weight file: safetensors or PyTorch's, by content. Needs hardly more memory than the weights. */
export async function readCheckpoint(path: string, options: ReadOptions = {}): Promise<Checkpoint> {
  const file = await openCheckpoint(path, options);
  try {
    return await loadAll(file);
  } finally {
    await file.close();
  }
}

/** Writes a weight file, whole or not at all: `.safetensors`, or `.pth`, `.pt` for `torch.load`. */
export async function writeCheckpoint(path: string, checkpoint: Checkpoint): Promise<void> {
  switch (extname(path).toLowerCase()) {
    case ".safetensors":
      return writeAtomically(path, encodeSafetensors(checkpoint));
    case ".pth":
    case ".pt":
      return writeAtomically(path, encodeTorch(checkpoint, { crc32 }));
    default:
      throw new CheckpointError(`${path}: the name must end in .safetensors, .pth or .pt, which tells the format`);
  }
}

/**
 * Writes a file so that at every moment its name stands for the old content or the new, even if the machine stops: into a
 * temporary file beside it, flushed to the disk, then renamed.
 */
export async function writeAtomically(path: string, content: string | Iterable<Uint8Array>): Promise<void> {
  // Through a link, the file that it points to is replaced, not the link.
  const target = await realpath(path).catch(() => path);
  const folder = dirname(target);
  await removeLeftovers(folder, basename(target));
  const temporary = join(folder, `.${basename(target)}.${process.pid}-${count++}.tmp`);
  writing.add(basename(temporary));
  try {
    const handle = await open(temporary, "w");
    try {
      if (typeof content === "string") await handle.writeFile(content);
      else for (const piece of content) await writeAll(handle, piece);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, target);
    await syncFolder(folder);
  } catch (error) {
    await rm(temporary, { force: true });
    throw writeError(path, error as NodeJS.ErrnoException);
  } finally {
    writing.delete(basename(temporary));
  }
}

let count = 0;
/** Names of the temporary files that this process is writing. */
const writing = new Set<string>();

/** Removes what killed processes left half written beside a file. */
async function removeLeftovers(folder: string, name: string): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [])) {
    if (!entry.startsWith(`.${name}.`) || writing.has(entry)) continue;
    const pid = /^(\d+)-\d+\.tmp$/.exec(entry.slice(name.length + 2))?.[1];
    if (pid !== undefined && (Number(pid) === process.pid || !isRunning(Number(pid)))) {
      await rm(join(folder, entry), { force: true });
    }
  }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** A file, read piece by piece. */
async function randomAccess(handle: FileHandle): Promise<RandomAccess> {
  const { size } = await handle.stat();
  return {
    size,
    async read(offset, length) {
      const bytes = new Uint8Array(length);
      let filled = 0;
      while (filled < length) {
        const part = Math.min(length - filled, MAX_TRANSFER);
        const { bytesRead } = await handle.read(bytes, filled, part, offset + filled);
        if (bytesRead === 0) break;
        filled += bytesRead;
      }
      return bytes.subarray(0, filled);
    },
  };
}

/** Large writes may be taken in parts. */
async function writeAll(handle: FileHandle, piece: Uint8Array): Promise<void> {
  for (let done = 0; done < piece.length; ) {
    done += (await handle.write(piece, done, Math.min(piece.length - done, MAX_TRANSFER))).bytesWritten;
  }
}

/** Makes the rename last; some systems cannot open folders, and have no need to. */
async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, "r").catch(() => undefined);
  await handle?.sync().catch(() => undefined);
  await handle?.close();
}

/** Puts the file's name before the messages of CheckpointErrors. */
async function naming<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof CheckpointError ? new CheckpointError(`${path}: ${error.message}`, { cause: error }) : error;
  }
}

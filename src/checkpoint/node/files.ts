/** Reading files by their content; writing them so that a kill leaves the old file or the new one. */
import { type FileHandle, open, readdir, realpath, rename, rm } from "node:fs/promises";
import { basename, dirname, extname, join } from "node:path";
import { crc32 } from "node:zlib";
import type { TensorData } from "../../graph/index.ts";
import type { RandomAccess } from "../access.ts";
import {
  type Checkpoint,
  type CheckpointContent,
  type CheckpointFile,
  loadAll,
  type ReadOptions,
} from "../checkpoint.ts";
import { writeError } from "../disk.ts";
import { CheckpointError, ensure } from "../error.ts";
import { encodeNpy, isNpy, readNpy } from "../npy.ts";
import { encodeNpz, readNpz } from "../npz.ts";
import { openWeights } from "../read.ts";
import { encodeSafetensors } from "../safetensors.ts";
import { isZip } from "../torch.ts";
import { encodeTorch } from "../torch-write.ts";

/** Reads are split, as a single one cannot exceed 2 GiB. In bytes. */
const MAX_TRANSFER = 2 ** 30;

/** A weight file that is open: close it when done. */
export interface OpenCheckpoint extends CheckpointFile {
  close(): Promise<void>;
}

/**
 * Opens a weight file. Only the description of the tensors is read; the numbers are read on request.
 *
 * Throws a CheckpointError that names the file if it is missing, damaged or of another kind.
 */
export async function openCheckpoint(path: string, options: ReadOptions = {}): Promise<OpenCheckpoint> {
  const handle = await openFile(path);
  try {
    const file = await naming(path, async () => {
      return openWeights(await randomAccess(handle), { crc32, ...options });
    });
    return { ...file, load: (name) => naming(path, () => file.load(name)), close: () => handle.close() };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Opens a file. Throws a CheckpointError that names it where there is none, or something else. */
async function openFile(path: string): Promise<FileHandle> {
  const handle = await open(path, "r").catch((cause: NodeJS.ErrnoException) => {
    const reasons: Record<string, string> = {
      ENOENT: "there is no such file",
      EACCES: "reading is not permitted",
      EISDIR: "is a directory; a file was expected",
    };
    throw new CheckpointError(`${path}: ${reasons[cause.code ?? ""] ?? cause.message}`, { cause });
  });
  const info = await handle.stat();
  if (info.isFile()) return handle;
  await handle.close();
  const what = info.isDirectory() ? "is a directory" : "is a device or pipe";
  throw new CheckpointError(`${path}: ${what}; a file was expected`);
}

/**
 * Reads NumPy's files, by content: the array of a .npy file, or the arrays of a .npz file by name.
 *
 * Throws a CheckpointError that names the file where it is damaged, or holds something else than numbers.
 */
export async function readNumpy(path: string): Promise<TensorData | Map<string, TensorData>> {
  const handle = await openFile(path);
  try {
    return await naming(path, async () => {
      const file = await randomAccess(handle);
      const start = await file.read(0, Math.min(file.size, 6));
      if (isNpy(start)) return readNpy(await file.read(0, file.size));
      ensure(isZip(start), () => "this is neither a .npy nor a .npz file of NumPy");
      return readNpz(file);
    });
  } finally {
    await handle.close();
  }
}

/** Writes a tensor as a .npy file, or tensors by name as a .npz file; whole or not at all. */
export async function writeNumpy(path: string, numbers: TensorData | ReadonlyMap<string, TensorData>): Promise<void> {
  const pieces = "dtype" in numbers ? [encodeNpy(numbers)] : encodeNpz(numbers, { crc32 });
  await writeAtomically(path, pieces);
}

/** Reads a weight file, safetensors or PyTorch's, by content. Needs hardly more memory than the weights. */
export async function readCheckpoint(path: string, options: ReadOptions = {}): Promise<Checkpoint> {
  const file = await openCheckpoint(path, options);
  try {
    return await loadAll(file);
  } finally {
    await file.close();
  }
}

/** Writes a weight file, whole or not at all: `.safetensors`, or `.pth`, `.pt` for `torch.load`. */
export async function writeCheckpoint(path: string, checkpoint: CheckpointContent): Promise<void> {
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

import { fileKind, renameKeys } from "../graph/index.ts";
import { inMemory, type RandomAccess, readRange } from "./access.ts";
import { type Checkpoint, type CheckpointFile, loadAll, type ReadOptions } from "./checkpoint.ts";
import { CheckpointError } from "./error.ts";
import { openSafetensors } from "./safetensors.ts";
import { isPickle, isZip, openTorch } from "./torch.ts";
import { isTorchStream } from "./torch-stream.ts";
import { isTar } from "./torch-tar.ts";

/**
 * Opens a weight file: safetensors, what `torch.save` writes, in its zip form or the forms before it, TorchScript's archives, or
 * another pickle of tensors. The format is detected from the content, not from the name; no code in a file is executed.
 *
 * Throws a CheckpointError, with what the file seems to be, where it is none of these.
 */
export async function openWeights(
  source: RandomAccess | Uint8Array,
  options: ReadOptions = {},
): Promise<CheckpointFile> {
  const file = source instanceof Uint8Array ? inMemory(source) : source;
  const start = await readRange(file, 0, Math.min(300, file.size), "the file");
  const { rename } = options;
  if (rename && rename.length > 0) return renamed(file, options, rename);
  if (isZip(start) || isTorchStream(start) || isTar(start)) return openTorch(file, options);
  // the length of a header may begin like a pickle
  const isHeader = start[8] === 0x7b;
  if (isHeader && start.subarray(4, 8).every((byte) => byte === 0)) return openSafetensors(file, options);
  if (isPickle(start)) return openTorch(file, options);
  if (isHeader) return openSafetensors(file, options);
  throw new CheckpointError(`this is no weight file: ${fileKind(start)}; safetensors and PyTorch's .pth can be read`);
}

/** The file with other names for its keys. A set in which a rule finds nothing fits less than any other. */
async function renamed(
  file: RandomAccess,
  { fits, ...options }: ReadOptions,
  rules: NonNullable<ReadOptions["rename"]>,
): Promise<CheckpointFile> {
  const fitsRenamed: ReadOptions["fits"] = (tensors) => {
    try {
      return fits!(renameKeys(tensors, rules));
    } catch {
      return -1;
    }
  };
  const opened = await openWeights(file, { ...options, rename: [], ...(fits && { fits: fitsRenamed }) });
  const own = renameKeys(new Map([...opened.tensors.keys()].map((key) => [key, key])), rules);
  return {
    ...opened,
    tensors: new Map([...own].map(([key, before]) => [key, opened.tensors.get(before)!])),
    load: (key) => opened.load(own.get(key) ?? key),
  };
}

/** Reads a weight file of any kind. Given bytes, the tensors are views of them where alignment and type allow. */
export async function readWeights(source: RandomAccess | Uint8Array, options: ReadOptions = {}): Promise<Checkpoint> {
  return loadAll(await openWeights(source, options));
}

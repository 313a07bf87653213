import { inMemory, type RandomAccess, readRange } from "./access.ts";
import { type Checkpoint, type CheckpointFile, loadAll, type ReadOptions } from "./checkpoint.ts";
import { CheckpointError } from "./error.ts";
import { openSafetensors } from "./safetensors.ts";
import { isTorchStream, isZip, openTorch } from "./torch.ts";

/**
 * Opens a weight file of any kind, which its content tells, not its name: safetensors, or what `torch.save` writes in its
 * zip form or the stream form before it.
 */
export async function openWeights(
  source: RandomAccess | Uint8Array,
  options: ReadOptions = {},
): Promise<CheckpointFile> {
  const file = source instanceof Uint8Array ? inMemory(source) : source;
  const start = await readRange(file, 0, Math.min(300, file.size), "the file");
  if (isZip(start) || isTorchStream(start)) return openTorch(file, options);
  if (start[8] === 0x7b) return openSafetensors(file, options);
  throw new CheckpointError(`this is no weight file: ${kindOf(start)}; safetensors and PyTorch's .pth are read`);
}

/** Reads a weight file of any kind. Given bytes, tensors view them where alignment and type allow. */
export async function readWeights(source: RandomAccess | Uint8Array, options: ReadOptions = {}): Promise<Checkpoint> {
  return loadAll(await openWeights(source, options));
}

/** What else people try. */
function kindOf(start: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(start);
  if (start.length === 0) return "it is empty";
  if (start[0] === 0x80) return "it is a Python pickle, but not torch.save's";
  if (text.startsWith("version https://git-lfs"))
    return "it is a Git LFS pointer, fetch the file itself with `git lfs pull`";
  if (text.startsWith("\x89HDF")) return "it is HDF5 (Keras)";
  if (text.startsWith("\x1f\x8b")) return "it is compressed with gzip, unpack it first";
  if (text.slice(257, 262) === "ustar")
    return "it is the tar form of PyTorch before 0.1.10, save it again with a newer one";
  if (/^\s*<(!doctype|html)/i.test(text)) return "it is a web page, the download went wrong";
  return "its content is of no known kind";
}

import { renameKeys } from "../graph/index.ts";
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
  if (isZip(start) || isTorchStream(start) || isTar(start) || isPickle(start)) return openTorch(file, options);
  if (start[8] === 0x7b) return openSafetensors(file, options);
  throw new CheckpointError(`this is no weight file: ${kindOf(start)}; safetensors and PyTorch's .pth can be read`);
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

/** First bytes of files that are none of weights. */
const SIGNATURES: readonly (readonly [start: RegExp, what: string])[] = [
  [/^\x89PNG/, "it is a PNG image"],
  [/^\xff\xd8\xff/, "it is a JPEG image"],
  [/^GIF8/, "it is a GIF image"],
  [/^RIFF.{4}WEBP/s, "it is a WebP image"],
  [/^(II\*\0|MM\0\*)/, "it is a TIFF image"],
  [/^%PDF/, "it is a PDF document"],
  [/^\x93NUMPY/, 'it is a NumPy array (.npy), which "convnets predict" takes'],
  [/^.{4}TFL3/s, "it is a TensorFlow Lite model"],
  [/^\s*[{[]/, "it is text, probably JSON"],
];

/** What else people try. */
function kindOf(start: Uint8Array): string {
  const text = new TextDecoder("latin1").decode(start);
  if (start.length === 0) return "it is empty";
  if (text.startsWith("version https://git-lfs"))
    return "it is a Git LFS pointer, fetch the file itself with `git lfs pull`";
  if (text.startsWith("\x89HDF")) return "it is HDF5 (Keras)";
  if (text.startsWith("\x1f\x8b")) return "it is compressed with gzip, unpack it first";
  if (/^\s*<(!doctype|html)/i.test(text)) return "it is a web page, the download went wrong";
  const known = SIGNATURES.find(([signature]) => signature.test(text));
  if (known) return known[1];
  return /^[\t\r\n\x20-\x7e]+$/.test(text) ? "it is a text file" : "its content is of no known kind";
}

/** Reads the files of `torch.save` in all their forms, and other pickles, without executing anything. */
import { itemSize, numel, type TensorData, toFloat32 } from "../graph/index.ts";
import { inMemory, type RandomAccess, readRange } from "./access.ts";
import { type Checkpoint, type CheckpointFile, loadAll, type ReadOptions, type TensorEntry } from "./checkpoint.ts";
import { crc32 as ownCrc32 } from "./crc32.ts";
import { ensure, quote } from "./error.ts";
import { findTensors } from "./nesting.ts";
import { dequantize, perChannel } from "./quantized.ts";
import { isReal, numbersOf, readType, type StorageType } from "./storage-types.ts";
import type { Storage, StoredTensor } from "./stored.ts";
import { contiguous, isContiguous } from "./strided.ts";
import type { Opened } from "./torch-form.ts";
import { isTorchStream, openPickle, openStream } from "./torch-stream.ts";
import { isTar, openTar } from "./torch-tar.ts";
import { openZip } from "./torch-zip.ts";

/** Strided views are copied, and small numbers widened: together to no more than this many times the file, and this many bytes. */
const MAX_UNFOLDING = 4;
const UNFOLDING_SLACK = 2 ** 20;

type Part = TensorEntry & { readonly load: () => Promise<TensorData> };

/** Opens a file: the pickle is read and validated, storages when their tensors are asked for. */
export async function openTorch(
  source: RandomAccess | Uint8Array,
  { convert = "float32", key, verify = true, crc32 = ownCrc32, fits, quantized = "float32" }: ReadOptions = {},
): Promise<CheckpointFile> {
  const file = source instanceof Uint8Array ? inMemory(source) : source;
  const start = await readRange(file, 0, Math.min(300, file.size), "torch: the file");
  const opened = await openForm(file, start, verify ? crc32 : undefined);
  const { sets, key: taken, ...found } = findTensors(opened.root, { key, bytes: opened.pickleSize, fits });

  // Tensors that share a storage share its numbers, which are dropped here once the last of them is read.
  const cache = new Map<Storage, Map<StorageType, TensorData>>();
  const users = new Map<Storage, number>();
  const numbers = async ({ storage, dtype }: StoredTensor): Promise<TensorData> => {
    ensure(storage && isReal(dtype), () => `torch: numbers of type ${dtype} are not read`);
    const cached = cache.get(storage) ?? new Map<StorageType, TensorData>();
    cache.set(storage, cached);
    const found = cached.get(dtype);
    const raw = found ?? numbersOf(dtype, storage.bytes ?? (await opened.read(storage)));
    const numbers = found ?? (convert === "float32" ? toFloat32(raw) : raw);
    cached.set(dtype, numbers);
    const left = (users.get(storage) ?? 1) - 1;
    users.set(storage, left);
    if (left <= 0) cache.delete(storage);
    return numbers;
  };
  const stored = async (tensor: StoredTensor): Promise<TensorData> => {
    const { dtype, data } = await numbers(tensor);
    return { dtype, shape: tensor.shape, data: contiguous(data, tensor) };
  };

  const parts = new Map<string, Part>();
  let unfolded = 0;
  for (const [name, tensor] of found.tensors) {
    const { storage, quantizer, shape } = tensor;
    ensure(storage && isReal(tensor.dtype), () => `torch: tensor ${quote(name)} has no storage`);
    const dtype = readType(tensor.dtype);
    users.set(storage, (users.get(storage) ?? 0) + 1);
    const isWidened = quantizer !== undefined || dtype !== tensor.dtype || storage.dtype !== tensor.dtype;
    if (!isContiguous(tensor) || isWidened) unfolded += numel(shape) * (isWidened ? 4 : itemSize(dtype));
    if (quantizer === undefined) {
      parts.set(name, { dtype, shape, load: () => stored(tensor) });
    } else if (quantized === "float32") {
      const load = async () => dequantize(await stored(tensor), await perChannel(quantizer, stored));
      parts.set(name, { dtype: "float32", shape, load });
    } else {
      const scales = async () => perChannel(quantizer, stored);
      const sizes = quantizer.axis === undefined ? [] : [shape[quantizer.axis]!];
      parts.set(name, { dtype, shape, load: () => stored(tensor) });
      const number = (which: "scale" | "zeroPoint") => async (): Promise<TensorData> => ({
        dtype: "float32",
        shape: sizes,
        data: Float32Array.from((await scales())[which]),
      });
      parts.set(`${name}_scale`, { dtype: "float32", shape: sizes, load: number("scale") });
      parts.set(`${name}_zero_point`, { dtype: "float32", shape: sizes, load: number("zeroPoint") });
    }
  }
  ensure(
    unfolded <= MAX_UNFOLDING * file.size + UNFOLDING_SLACK,
    () => `torch: views of the file's ${file.size} bytes unfold to ${unfolded}; refused`,
  );
  return {
    format: opened.format,
    tensors: new Map([...parts].map(([name, { dtype, shape }]) => [name, { dtype, shape }])),
    metadata: { ...Object.fromEntries(found.metadata), ...opened.metadata },
    sets,
    ...(taken !== undefined && { key: taken }),
    notes: [...found.notes, ...quantizedNote(found.tensors.values(), quantized)],
    unknown: [...opened.unknown],
    load: async (name) => {
      const part = parts.get(name);
      ensure(part, () => `torch: there is no tensor ${quote(name)}`);
      return part.load();
    },
  };
}

function openForm(file: RandomAccess, start: Uint8Array, crc32?: (bytes: Uint8Array) => number): Promise<Opened> {
  if (isZip(start)) return openZip(file, crc32);
  if (isTar(start)) return openTar(file);
  return isTorchStream(start) || !isPickle(start) ? openStream(file) : openPickle(file);
}

/** Reads a file. Given bytes, tensors view them where alignment and type allow. */
export async function readTorch(source: RandomAccess | Uint8Array, options: ReadOptions = {}): Promise<Checkpoint> {
  return loadAll(await openTorch(source, options));
}

export function isZip(start: Uint8Array): boolean {
  return start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
}

/** Whether a file begins as a pickle of protocol 2 or later. */
export const isPickle = (start: Uint8Array): boolean => start[0] === 0x80 && start[1]! >= 2 && start[1]! <= 5;

/** What became of quantized tensors. */
function quantizedNote(tensors: Iterable<StoredTensor>, read: ReadOptions["quantized"]): string[] {
  const count = [...tensors].filter(({ quantizer }) => quantizer).length;
  if (count === 0) return [];
  const some = count === 1 ? "1 quantized tensor" : `${count} quantized tensors`;
  if (read === "integers") return [`${some} kept as integers; real numbers are NAME_scale · (NAME − NAME_zero_point)`];
  return [`${some} read as float32`];
}

/** Writes the zip form of `torch.save`, within what `torch.load(weights_only=True)` allows. */
import { type DType, numel, type TensorData, toBytes } from "../graph/index.ts";
import { concatenate, dataView } from "./access.ts";
import type { CheckpointContent } from "./checkpoint.ts";
import { crc32 as ownCrc32 } from "./crc32.ts";
import { ensure, quote } from "./error.ts";
import { OP } from "./opcodes.ts";
import { STORAGES } from "./storage-types.ts";
import { METADATA_RECORD } from "./torch-zip.ts";
import { encodeZip, type ZipInput } from "./zip-write.ts";

/** Options of writing PyTorch files. */
export interface TorchWriteOptions {
  /** CRC-32 where the platform has a faster one than ours. */
  readonly crc32?: (bytes: Uint8Array) => number;
}

/** The folder that all records are in; `torch.load` takes any. */
const FOLDER = "archive";
const STORAGE_NAMES = Object.fromEntries(Object.entries(STORAGES).map(([name, dtype]) => [dtype, name])) as Partial<
  Record<DType, string>
>;

/**
 * The file, piece by piece; numbers are yielded as views. It holds an OrderedDict of tensors, as `model.state_dict()` is,
 * and, where only this library looks, the metadata. Tensors with the same numbers (tied weights) share a storage.
 */
export function encodeTorch(
  { tensors, metadata = {} }: CheckpointContent,
  { crc32 = ownCrc32 }: TorchWriteOptions = {},
): Generator<Uint8Array, void, undefined> {
  const storages: TensorData[] = [];
  const storageOf = new Map<string, number>();
  const indices = new Map<string, number>();
  const buffers = new Map<unknown, number>();
  for (const [name, tensor] of tensors) {
    const { dtype, shape, data } = tensor;
    ensure(
      STORAGE_NAMES[dtype],
      () =>
        `torch: tensor ${quote(name)} is ${dtype}, for which PyTorch has no storage; convert it or write safetensors`,
    );
    ensure(
      data.length === numel(shape),
      () => `torch: tensor ${quote(name)} is ${dtype} [${shape.join(", ")}], but has ${data.length} numbers`,
    );
    if (!buffers.has(data.buffer)) buffers.set(data.buffer, buffers.size);
    const place = [buffers.get(data.buffer), data.byteOffset, data.byteLength, dtype].join();
    if (!storageOf.has(place)) storageOf.set(place, storages.push(tensor) - 1);
    indices.set(name, storageOf.get(place)!);
  }
  const text = new TextEncoder();
  const records: ZipInput[] = [
    { name: "data.pkl", bytes: pickleStateDict(tensors, indices) },
    { name: "byteorder", bytes: text.encode("little") },
    ...storages.map((storage, i) => ({ name: `data/${i}`, bytes: toBytes(storage) })),
    { name: "version", bytes: text.encode("3\n") },
  ];
  if (Object.keys(metadata).length > 0) {
    records.push({ name: METADATA_RECORD, bytes: text.encode(JSON.stringify(metadata)) });
  }
  return encodeZip(
    records.map(({ name, bytes }) => ({ name: `${FOLDER}/${name}`, bytes })),
    crc32,
  );
}

/** The file as bytes. */
export function writeTorch(checkpoint: CheckpointContent, options: TorchWriteOptions = {}): Uint8Array {
  return concatenate(encodeTorch(checkpoint, options));
}

/** `OrderedDict` of key → `_rebuild_tensor_v2(storage, 0, size, stride, False, OrderedDict())`, in protocol 2. */
function pickleStateDict(tensors: CheckpointContent["tensors"], storageOf: ReadonlyMap<string, number>): Uint8Array {
  const pickle = new Pickler();
  pickle.global("collections", "OrderedDict").op(OP.EMPTY_TUPLE, OP.REDUCE, OP.MARK);
  for (const [name, { dtype, shape, data }] of tensors) {
    pickle.string(name);
    pickle.global("torch._utils", "_rebuild_tensor_v2").op(OP.MARK);
    pickle.op(OP.MARK).constant("storage").global("torch", STORAGE_NAMES[dtype]!);
    pickle
      .string(`${storageOf.get(name)}`)
      .constant("cpu")
      .integer(data.length)
      .op(OP.TUPLE, OP.BINPERSID);
    pickle.integer(0).tuple(shape).tuple(rowMajor(shape));
    pickle.op(OP.NEWFALSE).global("collections", "OrderedDict").op(OP.EMPTY_TUPLE, OP.REDUCE);
    pickle.op(OP.TUPLE, OP.REDUCE);
  }
  return pickle.op(OP.SETITEMS, OP.STOP).bytes();
}

/** Strides of elements without gaps, the last axis innermost; PyTorch counts an empty axis as one. */
function rowMajor(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--)
    strides[axis] = strides[axis + 1]! * Math.max(1, shape[axis + 1]!);
  return strides;
}

/** Writes opcodes; names and constants are written once and remembered. */
class Pickler {
  readonly #pieces: Uint8Array[] = [Uint8Array.of(OP.PROTO, 2)];
  readonly #memo = new Map<string, number>();

  op(...opcodes: number[]): this {
    this.#pieces.push(Uint8Array.from(opcodes));
    return this;
  }

  global(module: string, name: string): this {
    const line = `${module}\n${name}\n`;
    return this.#once(line, () => this.op(OP.GLOBAL, ...new TextEncoder().encode(line)));
  }

  constant(text: string): this {
    return this.#once(text, () => this.string(text));
  }

  string(text: string): this {
    const utf8 = new TextEncoder().encode(text);
    this.op(OP.BINUNICODE, ...uint32(utf8.length));
    this.#pieces.push(utf8);
    return this;
  }

  /** A whole number from 0 on. */
  integer(value: number): this {
    if (value < 2 ** 8) return this.op(OP.BININT1, value);
    if (value < 2 ** 16) return this.op(OP.BININT2, value & 0xff, value >> 8);
    if (value < 2 ** 31) return this.op(OP.BININT, ...uint32(value));
    return this.op(OP.LONG1, 8, ...uint32(value % 2 ** 32), ...uint32(Math.floor(value / 2 ** 32)));
  }

  tuple(values: readonly number[]): this {
    this.op(OP.MARK);
    for (const value of values) this.integer(value);
    return this.op(OP.TUPLE);
  }

  bytes(): Uint8Array {
    return concatenate(this.#pieces);
  }

  #once(what: string, write: () => void): this {
    const index = this.#memo.get(what);
    if (index !== undefined) return this.op(OP.BINGET, index);
    write();
    this.#memo.set(what, this.#memo.size);
    return this.op(OP.BINPUT, this.#memo.size - 1);
  }
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  dataView(bytes).setUint32(0, value, true);
  return bytes;
}

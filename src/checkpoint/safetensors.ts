/**
 * The safetensors format, as https://github.com/huggingface/safetensors publishes it: 8 bytes of header length, a JSON
 * header, and the numbers of all tensors, row-major, little-endian, one after the other.
 */
import { type DType, fromBytes, itemSize, numel, type TensorData, toBytes, toFloat32 } from "../graph/index.ts";
import { concatenate, dataView, inMemory, type RandomAccess, readRange, uint64 } from "./access.ts";
import {
  type Checkpoint,
  type CheckpointContent,
  type CheckpointFile,
  loadAll,
  type ReadOptions,
  type TensorEntry,
} from "./checkpoint.ts";
import { CheckpointError, describe, ensure, quote } from "./error.ts";

const DTYPES = {
  F64: "float64",
  F32: "float32",
  F16: "float16",
  BF16: "bfloat16",
  I64: "int64",
  I32: "int32",
  I16: "int16",
  I8: "int8",
  U64: "uint64",
  U32: "uint32",
  U16: "uint16",
  U8: "uint8",
  BOOL: "bool",
} as const satisfies Record<string, DType>;
const NAMES = Object.fromEntries(Object.entries(DTYPES).map(([name, dtype]) => [dtype, name])) as Record<DType, string>;

/** The limit that the format's own reader has, in bytes. */
const MAX_HEADER = 100_000_000;

/** Where a tensor's bytes lie, from the start of the file: what ONNX's external data asks for. */
export interface SafetensorsEntry extends TensorEntry {
  readonly offset: number;
  readonly length: number;
}

/** The header of a safetensors file. */
export interface SafetensorsHeader {
  readonly tensors: ReadonlyMap<string, SafetensorsEntry>;
  readonly metadata: Readonly<Record<string, string>>;
}

/** Reads and validates the header alone. */
export async function readSafetensorsHeader(source: RandomAccess | Uint8Array): Promise<SafetensorsHeader> {
  const file = source instanceof Uint8Array ? inMemory(source) : source;
  const length = uint64(dataView(await readRange(file, 0, 8, "safetensors: the header's length")), 0);
  ensure(
    length <= MAX_HEADER,
    () => `safetensors: the header claims ${length} bytes, more than the format allows; this is another kind of file`,
  );
  const start = 8 + length;
  const header = parseHeader(await readRange(file, 8, length, "safetensors: the header"));
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = new Map<string, SafetensorsEntry>();
  for (const [name, entry] of Object.entries(entries)) tensors.set(name, parseEntry(name, entry, start));
  checkRanges(tensors, start, file.size);
  return { tensors, metadata: parseMetadata(metadata) };
}

/** Opens a file: the header is read and validated, tensors when they are asked for. */
export async function openSafetensors(
  source: RandomAccess | Uint8Array,
  { convert = "float32" }: ReadOptions = {},
): Promise<CheckpointFile> {
  const file = source instanceof Uint8Array ? inMemory(source) : source;
  const { tensors, metadata } = await readSafetensorsHeader(file);
  const load = async (name: string): Promise<TensorData> => {
    const entry = tensors.get(name);
    ensure(entry, () => `safetensors: there is no tensor ${quote(name)}`);
    const bytes = await readRange(file, entry.offset, entry.length, `safetensors: tensor ${quote(name)}`);
    const tensor = fromBytes(entry.dtype, entry.shape, bytes);
    return convert === "float32" ? toFloat32(tensor) : tensor;
  };
  return { format: "safetensors", tensors, metadata, load };
}

/** Reads a file. Given bytes, tensors view them where alignment and type allow. */
export async function readSafetensors(
  source: RandomAccess | Uint8Array,
  options: ReadOptions = {},
): Promise<Checkpoint> {
  return loadAll(await openSafetensors(source, options));
}

/**
 * The file, piece by piece: the header, then one piece a tensor, which views the tensor's numbers.
 *
 * The header keeps the order of the map. Numbers of wider types come first, so that every tensor is aligned to its type.
 */
export function* encodeSafetensors({
  tensors,
  metadata = {},
}: CheckpointContent): Generator<Uint8Array, void, undefined> {
  const { header, order } = layout({ tensors, metadata });
  const prefix = new Uint8Array(8);
  dataView(prefix).setBigUint64(0, BigInt(header.length), true);
  yield prefix;
  yield header;
  for (const name of order) yield toBytes(tensors.get(name)!);
}

/** Where each tensor of the file that `encodeSafetensors` makes will lie, without making it. */
export function safetensorsLayout(checkpoint: CheckpointContent): Map<string, SafetensorsEntry> {
  const { header, offsets } = layout(checkpoint);
  return new Map(
    [...checkpoint.tensors].map(([name, { dtype, shape, data }]) => {
      return [name, { dtype, shape, offset: 8 + header.length + offsets.get(name)!, length: data.byteLength }];
    }),
  );
}

function layout({ tensors, metadata = {} }: CheckpointContent) {
  const order = [...tensors.keys()].sort((a, b) => itemSize(tensors.get(b)!.dtype) - itemSize(tensors.get(a)!.dtype));
  const offsets = new Map<string, number>();
  let end = 0;
  for (const name of order) {
    const { dtype, shape, data } = tensors.get(name)!;
    ensure(name !== "__metadata__", () => `safetensors: no tensor can be called "__metadata__"; rename it`);
    ensure(
      data.length === numel(shape),
      () => `safetensors: tensor ${quote(name)} is ${dtype} [${shape.join(", ")}], but has ${data.length} numbers`,
    );
    offsets.set(name, end);
    end += data.byteLength;
  }
  // Member by member, as an object would move names that look like numbers to the front.
  const members = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  for (const [name, { dtype, shape, data }] of tensors) {
    const begin = offsets.get(name)!;
    const entry = { dtype: NAMES[dtype], shape, data_offsets: [begin, begin + data.byteLength] };
    members.push(`${JSON.stringify(name)}:${JSON.stringify(entry)}`);
  }
  const json = new TextEncoder().encode(`{${members.join(",")}}`);
  const header = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  header.set(json);
  ensure(
    header.length <= MAX_HEADER,
    () => `safetensors: the header would take ${header.length} bytes, over the limit`,
  );
  return { header, order, offsets };
}

/** The file as bytes. */
export function writeSafetensors(checkpoint: CheckpointContent): Uint8Array {
  return concatenate(encodeSafetensors(checkpoint));
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    throw new CheckpointError(`safetensors: the header is not JSON: ${(error as Error).message}`, { cause: error });
  }
  ensure(isObject(header) && text.startsWith("{"), () => "safetensors: the header is not a JSON object");
  // JSON.parse keeps the last of members with one name: outside of strings, each colon is a member that was written.
  const written = text.replace(/"(?:[^"\\]|\\.)*"/g, "").split(":").length - 1;
  const entries = Object.values(header).filter(isObject);
  const kept = [header, ...entries].reduce((count, object) => count + Object.keys(object).length, 0);
  ensure(written === kept, () => "safetensors: a name stands twice in the header, or objects are nested too deep");
  return header;
}

function parseMetadata(metadata: unknown): Record<string, string> {
  ensure(
    isObject(metadata) && Object.values(metadata).every((value) => typeof value === "string"),
    () => "safetensors: __metadata__ must be an object of strings",
  );
  return metadata as Record<string, string>;
}

function parseEntry(name: string, entry: unknown, start: number): SafetensorsEntry {
  const what = `safetensors: tensor ${quote(name)}`;
  ensure(isObject(entry), () => `${what} is not described by an object`);
  const { dtype, shape, data_offsets: range } = entry;
  ensure(
    typeof dtype === "string" && Object.hasOwn(DTYPES, dtype),
    () => `${what} has the type ${describe(dtype)}, which is none of ${Object.keys(DTYPES).join(", ")}`,
  );
  ensure(isSizes(shape), () => `${what}: the shape ${list(shape)} is not a list of whole numbers ≥ 0`);
  ensure(
    isSizes(range) && range.length === 2 && range[0]! <= range[1]!,
    () => `${what}: the offsets ${list(range)} are not [begin, end] with begin ≤ end`,
  );
  const type = DTYPES[dtype as keyof typeof DTYPES];
  const [begin, end] = range as [number, number];
  const bytes = numel(shape) * itemSize(type);
  ensure(
    bytes === end - begin,
    () => `${what}: ${dtype} [${shape.join(", ")}] takes ${bytes} bytes, its offsets span ${end - begin}`,
  );
  return { dtype: type, shape, offset: start + begin, length: bytes };
}

function list(value: unknown): string {
  return Array.isArray(value) ? `[${value.slice(0, 16).map(describe).join(", ")}]` : describe(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

/** Tensors must cover the file from `start` to its end, each byte once. */
function checkRanges(tensors: ReadonlyMap<string, SafetensorsEntry>, start: number, size: number): void {
  const sorted = [...tensors].sort(([, a], [, b]) => a.offset - b.offset || a.length - b.length);
  let end = start;
  let before = "the header";
  for (const [key, { offset, length }] of sorted) {
    const name = `tensor ${quote(key)}`;
    ensure(
      offset + length <= size,
      () =>
        `safetensors: ${name} is out of range: it ends at byte ${offset + length} of ${size}; the file is cut short or damaged`,
    );
    ensure(offset >= end, () => `safetensors: ${name} overlaps ${before} by ${end - offset} bytes`);
    ensure(offset === end, () => `safetensors: the ${offset - end} bytes between ${before} and ${name} belong to none`);
    end = offset + length;
    before = name;
  }
  ensure(end === size, () => `safetensors: the ${size - end} bytes after ${before} belong to no tensor`);
}

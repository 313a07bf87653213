/**
 * The tar form of torch.save, from before PyTorch 0.1.10: files named sys_info, storages, tensors and pickle. Layout as in PyTorch's
 * torch/serialization.py. Files without "tensors", whose pickle names the storages itself, are read as well.
 */
import { dataView, type RandomAccess, readRange, uint64 } from "./access.ts";
import { CheckpointError, ensure, quote } from "./error.ts";
import { unpickle } from "./pickle.ts";
import { Global, Tuple } from "./pickle-objects.ts";
import { type StorageType, sizeOf, storageType } from "./storage-types.ts";
import type { Storage } from "./stored.ts";
import { checkSystem, MAX_PICKLE, type Opened, pickles } from "./torch-form.ts";
import { rebuildTensor, StoragePart } from "./torch-objects.ts";
import { pickleDialect } from "./torch-stream.ts";

const BLOCK = 512;
const PARTS = ["sys_info", "storages", "tensors", "pickle"];

/** Whether a file that begins with these bytes (300 are enough) is a tar archive. */
export const isTar = (start: Uint8Array): boolean => text(start, 257, 5) === "ustar";

export async function openTar(file: RandomAccess): Promise<Opened> {
  const parts = await partsOf(file);
  const bytesOf = async (name: string): Promise<Uint8Array> => {
    const part = parts.get(name);
    ensure(part, () => `torch: the tar form has no "${name}"`);
    ensure(
      name === "storages" || part.length <= MAX_PICKLE,
      () => `torch: "${name}" has ${part.length} bytes; refused`,
    );
    return readRange(file, part.offset, part.length, `torch: "${name}"`);
  };
  const dialect = pickleDialect();
  checkSystem(unpickle(await bytesOf("sys_info"), 0, dialect).value);
  const objects = readStorages(await bytesOf("storages"));
  if (parts.has("tensors")) readTensors(await bytesOf("tensors"), objects);
  const pickle = await bytesOf("pickle");
  const find = (id: unknown): unknown => {
    const found = objects.get(String(id));
    ensure(found, () => `torch: the pickle refers to ${quote(String(id))}, which is not in the file`);
    return found;
  };
  const persistent = (id: unknown): unknown => {
    if (id instanceof Tuple) return id.items[0] === "storage" ? find(id.items[2]) : id.items[0];
    return find(id);
  };
  // made by a tool rather than PyTorch: the description of a storage stands where the storage would
  const global = (name: string): Global => {
    if (!/^torch\._utils\._rebuild_tensor(_v2)?$/.test(name)) return dialect.global(name);
    return new Global(name, ([storage, ...rest]) =>
      rebuildTensor([storage instanceof Tuple ? persistent(storage) : storage, ...rest]),
    );
  };
  const { value: root } = unpickle(pickle, 0, { ...dialect, global, persistent });
  return {
    format: "torch-tar",
    root,
    pickleSize: pickle.length,
    metadata: {},
    unknown: dialect.unknown,
    read: async ({ bytes }) => bytes!,
  };
}

/** Where each part lies; other archives are refused. */
async function partsOf(file: RandomAccess): Promise<Map<string, { offset: number; length: number }>> {
  const parts = new Map<string, { offset: number; length: number }>();
  const others: string[] = [];
  for (let at = 0; at + BLOCK <= file.size && others.length < 3; ) {
    const header = await readRange(file, at, BLOCK, "tar: a header");
    if (header.every((byte) => byte === 0)) break;
    const name = text(header, 0, 100).replace(/^\.\//, "");
    const length = Number.parseInt(text(header, 124, 12).trim() || "0", 8);
    ensure(
      isTar(header) && Number.isSafeInteger(length) && length >= 0,
      () => `tar: the header at byte ${at} is damaged`,
    );
    if (PARTS.includes(name)) parts.set(name, { offset: at + BLOCK, length });
    else others.push(name);
    at += BLOCK + Math.ceil(length / BLOCK) * BLOCK;
  }
  if (parts.size === 0)
    throw new CheckpointError(
      `this is a tar archive${others.length > 0 ? ` with ${others.map(quote).join(", ")}` : ""}, not a weight file; unpack it first`,
    );
  return parts;
}

/** A count, then for each storage (key, place, type), a count of numbers and the numbers; then views, as (key, storage, offset, count). */
function readStorages(bytes: Uint8Array): Map<string, unknown> {
  const stream = pickles(bytes, pickleDialect());
  const storages = new Map<string, unknown>();
  const count = stream.next();
  for (let i = 0; i < Number(count); i++) {
    const described = stream.next();
    const [key, , type] = described instanceof Tuple ? described.items : [];
    const dtype: StorageType | undefined = type instanceof Global ? storageType(type.name) : undefined;
    ensure(dtype !== undefined, () => "torch: a storage is not described by a key, a place and a type");
    const numel = uint64(dataView(stream.take(8)), 0);
    const storage: Storage = { key: String(key), dtype, numel, bytes: stream.take(numel * sizeOf(dtype)) };
    storages.set(storage.key, new StoragePart(storage, 0, numel));
  }
  const views = stream.position < bytes.length ? stream.next() : [];
  for (const view of Array.isArray(views) ? (views as unknown[]) : []) {
    const [key, root, offset, length] = view instanceof Tuple ? view.items : [];
    const part = storages.get(String(root));
    ensure(
      part instanceof StoragePart && isIndex(offset) && isIndex(length) && offset + length <= part.numel,
      () => `torch: the view ${quote(String(key))} of a storage is out of range`,
    );
    storages.set(String(key), new StoragePart(part.storage, part.offset + offset, length));
  }
  return storages;
}

/** A count, then for each tensor (key, storage, type), its rank, its sizes, its strides and its offset. */
function readTensors(bytes: Uint8Array, objects: Map<string, unknown>): void {
  const stream = pickles(bytes, pickleDialect());
  const count = stream.next();
  for (let i = 0; i < Number(count); i++) {
    const described = stream.next();
    const [key, storage] = described instanceof Tuple ? described.items : [];
    const rank = dataView(stream.take(8)).getInt32(0, true);
    ensure(rank >= 0 && rank <= 64, () => `torch: tensor ${quote(String(key))} claims ${rank} axes`);
    const numbers = () => {
      const view = dataView(stream.take(8 * rank));
      return new Tuple(Array.from({ length: rank }, (_, axis) => uint64(view, 8 * axis)));
    };
    const [shape, stride] = [numbers(), numbers()];
    const offset = uint64(dataView(stream.take(8)), 0);
    objects.set(String(key), rebuildTensor([objects.get(String(storage)), offset, shape, stride]));
  }
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function text(bytes: Uint8Array, offset: number, length: number): string {
  const field = bytes.subarray(offset, offset + length);
  const end = field.indexOf(0);
  return new TextDecoder("latin1").decode(end < 0 ? field : field.subarray(0, end));
}

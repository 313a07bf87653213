/** The stream form of torch.save, from before PyTorch 1.6, and pickles that are not torch.save's. */
import { dataView, type RandomAccess, readRange, uint64 } from "./access.ts";
import { ensure, quote } from "./error.ts";
import { inlineStorage } from "./numpy-objects.ts";
import { type Dialect, PickleCutShort, unpickle } from "./pickle.ts";
import { Global, Placeholder } from "./pickle-objects.ts";
import { isReal, readType, sizeOf } from "./storage-types.ts";
import { checkStart, MAX_PICKLE, type Opened, pickles } from "./torch-form.ts";
import { StoragePart, type TorchDialect, torchDialect } from "./torch-objects.ts";

const MAGIC_BYTES = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/** Whether a file that begins with these bytes (32 are enough) is of the stream form. */
export function isTorchStream(start: Uint8Array): boolean {
  const at = start.indexOf(0x8a);
  return (
    start[0] === 0x80 &&
    at > 0 &&
    at < 20 &&
    start[at + 1] === 10 &&
    MAGIC_BYTES.every((byte, i) => start[at + 2 + i] === byte)
  );
}

/** The names that pickles use. One made by Python's pickle holds each storage as bytes, which are a stream of torch.save. */
export function pickleDialect(): TorchDialect {
  const known = new WeakMap<Uint8Array, unknown>();
  const load = new Global("torch.storage._load_from_bytes", ([bytes]) => {
    if (!(bytes instanceof Uint8Array)) return new Placeholder(load.name, null);
    const storage = known.get(bytes) ?? storageInside(bytes);
    known.set(bytes, storage);
    return storage;
  });
  return torchDialect([load]);
}

/** The storage that a stream in memory holds. */
function storageInside(bytes: Uint8Array): unknown {
  const { next, take } = pickles(bytes, torchDialect());
  checkStart(next(), next(), next());
  const part = next();
  next();
  const storage = part instanceof StoragePart ? part.storage : undefined;
  if (!storage || !isReal(storage.dtype) || readType(storage.dtype) !== storage.dtype)
    return new Placeholder("torch.storage", null);
  const count = uint64(dataView(take(8)), 0);
  ensure(
    count === storage.numel,
    () => `torch: a storage has ${count} numbers where its pickle speaks of ${storage.numel}`,
  );
  return new StoragePart(inlineStorage(take(count * sizeOf(storage.dtype)), storage.dtype), 0, count);
}

/** A pickle that Python's own pickle wrote, its numbers in it. */
export async function openPickle(file: RandomAccess): Promise<Opened> {
  ensure(
    file.size <= MAX_PICKLE,
    () => `pickle: ${file.size} bytes are more than ${MAX_PICKLE}; save it with torch.save`,
  );
  const dialect = pickleDialect();
  const bytes = await readRange(file, 0, file.size, "the pickle");
  const { value: root } = unpickle(bytes, 0, dialect);
  const read = (): never => {
    throw new Error("storages of a pickle are in it");
  };
  return { format: "pickle", root, pickleSize: file.size, metadata: {}, unknown: dialect.unknown, read };
}

/** Five pickles: magic number, protocol, system, the object, the keys of its storages; then a count and numbers of each. */
export async function openStream(file: RandomAccess): Promise<Opened> {
  const start = await readRange(file, 0, Math.min(32, file.size), "torch: the file");
  ensure(isTorchStream(start), () => "torch: the file has neither the zip form nor the stream form of torch.save");
  const dialect = pickleDialect();
  const stream = new PickleStream(file, dialect);
  checkStart(await stream.next(), await stream.next(), await stream.next());
  const before = stream.position;
  const root = await stream.next();
  const pickleSize = stream.position - before;
  const keys = await stream.next();
  ensure(
    Array.isArray(keys) && keys.every((key) => typeof key === "string" || typeof key === "number"),
    () => "torch: the list of storages is no list of keys",
  );

  const offsets = new Map<string, number>();
  let position = stream.position;
  for (const key of keys.map(String)) {
    const storage = dialect.storages.get(key);
    ensure(storage && !offsets.has(key), () => `torch: storage ${quote(key)} is listed twice, or in use by no tensor`);
    const what = `torch: storage ${quote(key)}`;
    const count = uint64(dataView(await readRange(file, position, 8, what)), 0);
    ensure(count === storage.numel, () => `${what} has ${count} numbers where the pickle speaks of ${storage.numel}`);
    offsets.set(key, position + 8);
    position += 8 + count * sizeOf(storage.dtype);
    ensure(
      position <= file.size,
      () => `${what} ends at byte ${position} of ${file.size}; the file is cut short: download it again`,
    );
  }
  return {
    format: "torch-legacy",
    root,
    pickleSize,
    metadata: {},
    unknown: dialect.unknown,
    read: async ({ key, dtype, numel }) => {
      const offset = offsets.get(key);
      ensure(offset !== undefined, () => `torch: there are no numbers for storage ${quote(key)}`);
      return readRange(file, offset, numel * sizeOf(dtype), `torch: storage ${quote(key)}`);
    },
  };
}

/** Pickles that follow each other in a file, whose lengths nothing tells: read through a window that grows as needed. */
class PickleStream {
  position = 0;
  readonly #file: RandomAccess;
  readonly #dialect: Dialect;
  #window: Uint8Array = new Uint8Array(0);
  #windowStart = 0;

  constructor(file: RandomAccess, dialect: Dialect) {
    this.#file = file;
    this.#dialect = dialect;
  }

  async next(): Promise<unknown> {
    for (let size = 2 ** 16; ; size *= 2) {
      try {
        const { value, end } = unpickle(this.#window, this.position - this.#windowStart, this.#dialect);
        this.position = this.#windowStart + end;
        return value;
      } catch (error) {
        const rest = this.#file.size - this.position;
        const seen = this.#windowStart + this.#window.length - this.position;
        if (!(error instanceof PickleCutShort) || seen >= rest) throw error;
        ensure(seen < MAX_PICKLE, () => `torch: the pickle has more than ${MAX_PICKLE} bytes; refused`);
        this.#window = await readRange(this.#file, this.position, Math.min(size, rest), "torch: the pickle");
        this.#windowStart = this.position;
      }
    }
  }
}

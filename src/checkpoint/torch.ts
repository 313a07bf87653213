/**
 * Reads the files of `torch.save`, without running anything: the zip form (PyTorch 1.6 and later) and the stream form
 * before it. Layouts as in PyTorch's torch/serialization.py.
 */
import { fromBytes, itemSize, numel, type TensorData, toFloat32 } from "../graph/index.ts";
import { dataView, inMemory, type RandomAccess, readRange, uint64 } from "./access.ts";
import { type Checkpoint, type CheckpointFile, loadAll, type ReadOptions, type TensorEntry } from "./checkpoint.ts";
import { crc32 as ownCrc32 } from "./crc32.ts";
import { CheckpointError, ensure, quote } from "./error.ts";
import { findTensors } from "./nesting.ts";
import { type Dialect, Dict, PickleCutShort, unpickle } from "./pickle.ts";
import { contiguous, isContiguous } from "./strided.ts";
import { type Storage, type StoredTensor, torchDialect } from "./torch-objects.ts";
import { locateZipEntry, readZipDirectory, type ZipEntry } from "./zip.ts";

/** The first object of the stream form; 10 bytes of a LONG1. */
const MAGIC = 0x1950a86a20f9469cfc6cn;
const MAGIC_BYTES = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL = 1001;
/** In bytes; 100,000 tensors take some 15 MB. */
const MAX_PICKLE = 64 * 2 ** 20;
/** Strided views are copied: together to no more than this many times the file, and this many bytes. */
const MAX_UNFOLDING = 4;
const UNFOLDING_SLACK = 2 ** 20;
/** Beside the pickle, where `torch.load` does not look. */
export const METADATA_RECORD = "extra/metadata.json";

/** What either form comes to. */
interface Opened {
  readonly format: "torch" | "torch-legacy";
  readonly root: unknown;
  readonly pickleSize: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly read: (storage: Storage) => Promise<Uint8Array>;
}

/** Opens a file: the pickle is read and validated, storages when their tensors are asked for. */
export async function openTorch(
  source: RandomAccess | Uint8Array,
  { convert = "float32", key, verify = true, crc32 = ownCrc32 }: ReadOptions = {},
): Promise<CheckpointFile> {
  const file = source instanceof Uint8Array ? inMemory(source) : source;
  const start = await readRange(file, 0, Math.min(4, file.size), "torch: the file");
  const opened = isZip(start) ? await openZip(file, verify ? crc32 : undefined) : await openStream(file);
  const found = findTensors(opened.root, { key, bytes: opened.pickleSize });
  const tensors = new Map([...found.tensors].map(([name, tensor]) => [name, entryOf(name, tensor)]));
  const users = new Map<Storage, number>();
  let unfolded = 0;
  for (const tensor of found.tensors.values()) {
    const storage = tensor.storage!;
    users.set(storage, (users.get(storage) ?? 0) + 1);
    if (!isContiguous(tensor)) unfolded += numel(tensor.shape) * itemSize(storage.dtype);
  }
  ensure(
    unfolded <= MAX_UNFOLDING * file.size + UNFOLDING_SLACK,
    () => `torch: views of the file's ${file.size} bytes unfold to ${unfolded}; refused`,
  );

  // Tensors that share a storage share its numbers, which are dropped here once the last of them is read.
  const cache = new Map<Storage, TensorData>();
  const numbers = async (storage: Storage): Promise<TensorData> => {
    const cached = cache.get(storage);
    if (cached) return cached;
    const raw = fromBytes(storage.dtype, [storage.numel], await opened.read(storage));
    const read = convert === "float32" ? toFloat32(raw) : raw;
    cache.set(storage, read);
    return read;
  };
  const load = async (name: string): Promise<TensorData> => {
    const tensor = found.tensors.get(name);
    ensure(tensor, () => `torch: there is no tensor ${quote(name)}`);
    const storage = tensor.storage!;
    const { dtype, data } = await numbers(storage);
    const left = users.get(storage)! - 1;
    users.set(storage, left);
    if (left <= 0) cache.delete(storage);
    return { dtype, shape: tensor.shape, data: contiguous(data, tensor) };
  };
  return {
    format: opened.format,
    tensors,
    metadata: { ...Object.fromEntries(found.metadata), ...opened.metadata },
    load,
  };
}

/** Reads a file. Given bytes, tensors view them where alignment and type allow. */
export async function readTorch(source: RandomAccess | Uint8Array, options: ReadOptions = {}): Promise<Checkpoint> {
  return loadAll(await openTorch(source, options));
}

export function isZip(start: Uint8Array): boolean {
  return start[0] === 0x50 && start[1] === 0x4b && start[2] === 3 && start[3] === 4;
}

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

function entryOf(name: string, { storage, shape }: StoredTensor): TensorEntry {
  ensure(storage, () => `torch: tensor ${quote(name)} has no storage`);
  return { dtype: storage.dtype, shape };
}

async function openZip(file: RandomAccess, crc32?: (bytes: Uint8Array) => number): Promise<Opened> {
  const directory = await readZipDirectory(file);
  const pickles = [...directory.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  ensure(
    pickles.length === 1,
    () => `torch: the zip file holds ${pickles.length} data.pkl where PyTorch's hold one; it is another kind of file`,
  );
  const prefix = pickles[0]!.slice(0, -"data.pkl".length);
  ensure(
    !directory.has(`${prefix}constants.pkl`),
    () => "torch: this is a TorchScript program, which holds code; save `model.state_dict()` with torch.save instead",
  );
  const read = async (entry: ZipEntry): Promise<Uint8Array> => {
    const { offset, length } = await locateZipEntry(file, entry);
    const bytes = await readRange(file, offset, length, `zip: entry ${quote(entry.name)}`);
    ensure(
      !crc32 || crc32(bytes) === entry.crc,
      () =>
        `zip: entry ${quote(entry.name)} does not have its checksum; the file is damaged, or was written without checksums (verify: false reads it)`,
    );
    return bytes;
  };
  const small = async (name: string, limit: number): Promise<Uint8Array | undefined> => {
    const entry = directory.get(prefix + name);
    ensure(
      !entry || entry.size <= limit,
      () => `torch: record ${name} has ${entry!.size} bytes, more than ${limit}; refused`,
    );
    return entry && read(entry);
  };
  const order = new TextDecoder().decode(await small("byteorder", 64));
  ensure(
    order === "" || order === "little",
    () => `torch: byte order ${quote(order)}; only little-endian files are read`,
  );
  const pickle = (await small("data.pkl", MAX_PICKLE))!;
  const dialect = torchDialect();
  return {
    format: "torch",
    root: unpickle(pickle, 0, dialect).value,
    pickleSize: pickle.length,
    metadata: parseMetadata(await small(METADATA_RECORD, MAX_PICKLE)),
    read: async (storage) => {
      const entry = directory.get(`${prefix}data/${storage.key}`);
      ensure(entry, () => `torch: there is no record for storage ${quote(storage.key)}`);
      const bytes = storage.numel * itemSize(storage.dtype);
      ensure(
        entry.size === bytes,
        () =>
          `torch: storage ${quote(storage.key)}, ${storage.numel} ${storage.dtype}, takes ${bytes} bytes, its record has ${entry.size}`,
      );
      return read(entry);
    },
  };
}

function parseMetadata(bytes: Uint8Array | undefined): Record<string, string> {
  if (!bytes) return {};
  let metadata: unknown;
  try {
    metadata = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new CheckpointError(`torch: record ${METADATA_RECORD} is not JSON`, { cause: error });
  }
  ensure(
    typeof metadata === "object" &&
      metadata !== null &&
      Object.values(metadata).every((value) => typeof value === "string"),
    () => `torch: record ${METADATA_RECORD} is no object of strings`,
  );
  return metadata as Record<string, string>;
}

/** Five pickles: magic number, protocol, system, the object, the keys of its storages; then a count and numbers of each. */
async function openStream(file: RandomAccess): Promise<Opened> {
  const start = await readRange(file, 0, Math.min(32, file.size), "torch: the file");
  ensure(isTorchStream(start), () => "torch: the file has neither the zip form nor the stream form of torch.save");
  const dialect = torchDialect();
  const stream = new PickleStream(file, dialect);
  ensure((await stream.next()) === MAGIC, () => "torch: the magic number is wrong");
  const protocol = await stream.next();
  ensure(protocol === PROTOCOL, () => `torch: the stream's protocol is not ${PROTOCOL}`);
  const system = await stream.next();
  ensure(
    system instanceof Dict && system.entries.get("little_endian") === true,
    () => "torch: the file was written by a big-endian machine; only little-endian files are read",
  );
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
    position += 8 + count * itemSize(storage.dtype);
    ensure(position <= file.size, () => `${what} ends at byte ${position} of ${file.size}; the file is cut short`);
  }
  return {
    format: "torch-legacy",
    root,
    pickleSize,
    metadata: {},
    read: async ({ key, dtype, numel }) => {
      const offset = offsets.get(key);
      ensure(offset !== undefined, () => `torch: there are no numbers for storage ${quote(key)}`);
      return readRange(file, offset, numel * itemSize(dtype), `torch: storage ${quote(key)}`);
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

/** NumPy's .npz files: zip archives of .npy files, stored or deflated. */
import type { TensorData } from "../graph/index.ts";
import { concatenate, inMemory, type RandomAccess, readRange } from "./access.ts";
import { crc32 as ownCrc32 } from "./crc32.ts";
import { CheckpointError, ensure, quote } from "./error.ts";
import { encodeNpy, readNpy } from "./npy.ts";
import { locateZipEntry, readZipDirectory, type ZipEntry } from "./zip.ts";
import { encodeZip } from "./zip-write.ts";

const DEFLATED = 8;
const SUFFIX = ".npy";

/**
 * The arrays in a .npz file, as `np.savez` and `np.savez_compressed` write it, by name.
 *
 * Throws a CheckpointError where the file is damaged or holds something else than arrays of numbers.
 */
export async function readNpz(source: RandomAccess | Uint8Array): Promise<Map<string, TensorData>> {
  const file = source instanceof Uint8Array ? inMemory(source) : source;
  const arrays = new Map<string, TensorData>();
  for (const [name, entry] of await readZipDirectory(file)) {
    const key = name.endsWith(SUFFIX) ? name.slice(0, -SUFFIX.length) : name;
    const bytes = await readEntry(file, entry);
    try {
      arrays.set(key, readNpy(bytes));
    } catch (error) {
      throw new CheckpointError(`array ${quote(key)}: ${(error as Error).message}`, { cause: error });
    }
  }
  return arrays;
}

/** A .npz file, piece by piece: each tensor as an array of its name, not compressed. */
export function encodeNpz(
  tensors: ReadonlyMap<string, TensorData>,
  { crc32 = ownCrc32 }: { readonly crc32?: (bytes: Uint8Array) => number } = {},
): Generator<Uint8Array, void, undefined> {
  const entries = [...tensors].map(([name, tensor]) => ({ name: `${name}${SUFFIX}`, bytes: encodeNpy(tensor) }));
  return encodeZip(entries, crc32);
}

async function readEntry(file: RandomAccess, entry: ZipEntry): Promise<Uint8Array> {
  const what = `zip: entry ${quote(entry.name)}`;
  if (entry.method !== DEFLATED) {
    const { offset, length } = await locateZipEntry(file, entry);
    return readRange(file, offset, length, what);
  }
  const { offset, length } = await locateZipEntry(file, { ...entry, method: 0, size: entry.stored });
  return inflate(await readRange(file, offset, length, what), entry.size, what);
}

/** Inflates exactly `size` bytes. An entry that holds more is refused before it fills the memory. */
async function inflate(deflated: Uint8Array, size: number, what: string): Promise<Uint8Array> {
  const stream = new Blob([deflated as Uint8Array<ArrayBuffer>])
    .stream()
    .pipeThrough(new DecompressionStream("deflate-raw"));
  const pieces: Uint8Array[] = [];
  let length = 0;
  try {
    for (const reader = stream.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      ensure(length <= size, () => `${what} unpacks to more than the ${size} bytes that it claims`);
      pieces.push(value);
    }
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(`${what} cannot be unpacked: ${(error as Error).message}`, { cause: error });
  }
  ensure(length === size, () => `${what} unpacks to ${length} bytes instead of ${size}; the file is damaged`);
  return concatenate(pieces);
}

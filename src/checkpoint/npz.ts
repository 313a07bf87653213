/** NumPy's .npz files: zip archives of .npy files, stored or deflated. */
import type { TensorData } from "../graph/index.ts";
import { inMemory, type RandomAccess } from "./access.ts";
import { crc32 as ownCrc32 } from "./crc32.ts";
import { CheckpointError, quote } from "./error.ts";
import { encodeNpy, readNpy } from "./npy.ts";
import { readZipDirectory } from "./zip.ts";
import { readZipEntry } from "./zip-entry.ts";
import { encodeZip } from "./zip-write.ts";

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
    const bytes = await readZipEntry(file, entry);
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

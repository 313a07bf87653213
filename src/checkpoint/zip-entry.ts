import { concatenate, type RandomAccess, readRange } from "./access.ts";
import { CheckpointError, ensure, quote } from "./error.ts";
import { locateZipEntry, type ZipEntry } from "./zip.ts";

const DEFLATED = 8;

/** The bytes of an entry of a zip file, stored or deflated. Throws a CheckpointError if it is damaged. */
export async function readZipEntry(file: RandomAccess, entry: ZipEntry): Promise<Uint8Array> {
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

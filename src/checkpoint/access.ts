import { CheckpointError, ensure } from "./error.ts";

/** Bytes that can be read at any place, so that a file larger than memory's comfort is never held whole. */
export interface RandomAccess {
  /** In bytes. */
  readonly size: number;
  /** The bytes [offset, offset + length), all of which exist. The caller may keep them. */
  read(offset: number, length: number): Uint8Array | Promise<Uint8Array>;
}

/** Bytes in memory, read as views. */
export function inMemory(bytes: Uint8Array): RandomAccess {
  return { size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) };
}

/** A browser's File or Blob, read piece by piece. */
export function fromBlob(blob: Blob): RandomAccess {
  return {
    size: blob.size,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
  };
}

/** A range that a file claims to have. Throws where it reaches past the end; `what` names it in the message. */
export async function readRange(file: RandomAccess, offset: number, length: number, what: string): Promise<Uint8Array> {
  ensure(
    offset >= 0 && length >= 0 && offset + length <= file.size,
    () =>
      `${what} takes bytes ${offset} to ${offset + length}, but the file has ${file.size}; it is cut short or damaged`,
  );
  const bytes = await file.read(offset, length);
  if (bytes.length !== length) {
    throw new CheckpointError(
      `${what}: ${bytes.length} of ${length} bytes could be read at ${offset}; the file has changed`,
    );
  }
  return bytes;
}

/** 64 bits, little-endian, as a number: exact up to 2^53, and still larger than any file size above that. */
export function uint64(view: DataView, offset: number): number {
  return view.getUint32(offset + 4, true) * 2 ** 32 + view.getUint32(offset, true);
}

export function dataView(bytes: Uint8Array): DataView<ArrayBuffer> {
  return new DataView(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.byteLength);
}

/** Pieces as one. */
export function concatenate(pieces: Iterable<Uint8Array>): Uint8Array {
  const list = [...pieces];
  const bytes = new Uint8Array(list.reduce((length, piece) => length + piece.length, 0));
  let end = 0;
  for (const piece of list) {
    bytes.set(piece, end);
    end += piece.length;
  }
  return bytes;
}

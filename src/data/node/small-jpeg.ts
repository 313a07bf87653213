/**
 * Small JPEG files, decoded by libjpeg-turbo in WebAssembly. sharp decodes with SIMD, but takes a millisecond for each file before
 * it begins; below some hundred thousand pixels this is faster. Both give the bytes of libjpeg, which are Pillow's.
 */
import { type Image, interleaved } from "../image.ts";
import type { JpegHeader } from "./jpeg.ts";

/** Pixels from which on sharp is faster. */
const SMALL = 2 ** 17;

/** Whether `decodeSmallJpeg` is the decoder for such a file. */
export const isSmall = ({ isUsual, orientation, width, height }: JpegHeader) =>
  isUsual && orientation === 1 && width * height > 0 && width * height <= SMALL;

/** What the package exports, as far as it is used. Views are valid until the next call. */
interface Codec {
  readonly JPEGDecoder: new () => Decoder;
}

interface Decoder {
  getEncodedBuffer(length: number): Uint8Array;
  /** Throws a number. */
  decode(): void;
  /** [H, W, 1] of gray files, [H, W, 3] of others */
  getDecodedBuffer(): Uint8Array | Uint8ClampedArray;
}

let decoder: Promise<Decoder | undefined> | undefined;

/** The decoder of this thread; undefined if the package is not installed or cannot run here. */
async function load(): Promise<Decoder | undefined> {
  try {
    const name = "@cornerstonejs/codec-libjpeg-turbo-8bit/decodewasmjs";
    const { default: create } = (await import(name)) as { default: () => Promise<Codec> };
    return new (await create()).JPEGDecoder();
  } catch {
    return undefined;
  }
}

/**
 * Decodes a small file of a usual kind (`isSmall`). Undefined if it is damaged, or if there is no decoder: sharp then decodes the
 * file, or says what is wrong with it.
 *
 *     bytes → image [H, W, 3], or [H, W, 1] of a gray file
 */
export async function decodeSmallJpeg(bytes: Uint8Array, header: JpegHeader): Promise<Image | undefined> {
  decoder ??= load();
  const own = await decoder;
  if (!own) return undefined;
  const { width, height, channels } = header;
  try {
    own.getEncodedBuffer(bytes.length).set(bytes);
    own.decode();
    const { buffer, byteOffset, length } = own.getDecodedBuffer();
    return interleaved(new Uint8Array(buffer, byteOffset, length).slice(), height, width, channels);
  } catch {
    return undefined;
  }
}

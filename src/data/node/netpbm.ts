/** Netpbm's images: .pbm, .pgm, .ppm, as text (P1 to P3) and as bytes (P4 to P6). Source: netpbm.sourceforge.net/doc/ppm.html */
import { type Image, interleaved } from "../image.ts";

/** Size in pixels, as a header says. */
export interface Header {
  readonly width: number;
  readonly height: number;
}

/** Whether bytes begin like one of Netpbm's files. */
export const isNetpbm = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x50 && bytes[1]! >= 0x31 && bytes[1]! <= 0x36 && (isSpace(bytes[2]) || bytes[2] === HASH);

const HASH = 0x23;
const isSpace = (byte: number | undefined) => byte === 0x20 || (byte !== undefined && byte >= 0x09 && byte <= 0x0d);
const isDigit = (byte: number | undefined) => byte !== undefined && byte >= 0x30 && byte <= 0x39;

function cutOff(): never {
  throw new Error("Netpbm: the file ends too early");
}

/** The next number of a text at `at`, behind spaces and comments, and where it ends. */
function numberAt(bytes: Uint8Array, at: number): readonly [value: number, end: number] {
  while (isSpace(bytes[at]) || bytes[at] === HASH) {
    if (bytes[at] === HASH) while (at < bytes.length && bytes[at] !== 0x0a) at++;
    else at++;
  }
  if (at >= bytes.length) cutOff();
  const start = at;
  let value = 0;
  for (; isDigit(bytes[at]) && at - start < 10; at++) value = value * 10 + bytes[at]! - 0x30;
  if (at === start) throw new Error(`Netpbm: a number was expected at byte ${at}`);
  return [value, at];
}

interface NetpbmHeader extends Header {
  /** 1 … 6 */
  readonly kind: number;
  readonly largest: number;
  /** Where the pixels begin. */
  readonly at: number;
}

/** What the header says. Throws an Error where it is damaged. */
export function netpbmHeader(bytes: Uint8Array): NetpbmHeader {
  const kind = bytes[1]! - 0x30;
  const isBits = kind === 1 || kind === 4;
  const [width, afterWidth] = numberAt(bytes, 2);
  const [height, afterHeight] = numberAt(bytes, afterWidth);
  const [largest, at] = isBits ? [1, afterHeight] : numberAt(bytes, afterHeight);
  if (width === 0 || height === 0) throw new Error(`Netpbm: the header says ${width}×${height} pixels`);
  if (largest < 1 || largest > 65535) throw new Error(`Netpbm: the largest value is ${largest}; it can be 1 to 65535`);
  return { kind, width, height, largest, at: at + 1 };
}

/** Decodes to [H, W, 3]. Values are scaled to 0 … 255, rounded; of 16-bit gray the upper 8 bits are kept. */
export function decodeNetpbm(bytes: Uint8Array): Image {
  const { kind, width, height, largest, at } = netpbmHeader(bytes);
  const channels = kind === 3 || kind === 6 ? 3 : 1;
  const count = width * height * channels;
  const isBits = kind === 1 || kind === 4;
  const stride = Math.ceil(width / 8);
  const size = largest > 255 ? 2 : 1;
  // in texts, every value takes a byte at least
  const needed = kind === 4 ? stride * height : kind <= 3 ? count : count * size;
  if (bytes.length - at < needed) cutOff();
  const out = new Uint8Array(width * height * 3);
  const scaled = (value: number) => {
    if (largest === 255) return value;
    if (largest > 255 && channels === 1) return Math.min(65535, rounded((value * 65535) / largest)) >> 8;
    return Math.min(255, rounded((value * 255) / largest));
  };
  const put = (i: number, value: number) => {
    // in bitmaps, 1 is black
    const byte = isBits ? (value === 0 ? 255 : 0) : scaled(value);
    if (channels === 3) out[i] = byte;
    else out.fill(byte, i * 3, i * 3 + 3);
  };
  if (kind <= 3) {
    let next = at - 1;
    for (let i = 0; i < count; i++) {
      const [value, end] = kind === 1 ? bitAt(bytes, next) : numberAt(bytes, next);
      put(i, value);
      next = end;
    }
  } else if (kind === 4) {
    for (let i = 0; i < count; i++) {
      const [y, x] = [Math.floor(i / width), i % width];
      put(i, (bytes[at + y * stride + (x >> 3)]! >> (7 - (x & 7))) & 1);
    }
  } else {
    for (let i = 0; i < count; i++)
      put(i, size === 1 ? bytes[at + i]! : bytes[at + 2 * i]! * 256 + bytes[at + 2 * i + 1]!);
  }
  return interleaved(out, height, width, 3);
}

/** A bit of a text, which need not be separated from the next. */
function bitAt(bytes: Uint8Array, at: number): readonly [value: number, end: number] {
  while (isSpace(bytes[at]) || bytes[at] === HASH) {
    if (bytes[at] === HASH) while (at < bytes.length && bytes[at] !== 0x0a) at++;
    else at++;
  }
  if (at >= bytes.length) cutOff();
  if (bytes[at] !== 0x30 && bytes[at] !== 0x31) throw new Error(`Netpbm: 0 or 1 was expected at byte ${at}`);
  return [bytes[at]! - 0x30, at + 1];
}

/** Half to even, as Python rounds. */
function rounded(value: number): number {
  const low = Math.floor(value);
  const rest = value - low;
  return rest > 0.5 || (rest === 0.5 && low % 2 === 1) ? low + 1 : low;
}

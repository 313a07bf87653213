/**
 * Windows bitmaps: 1, 4, 8, 16, 24 and 32 bits per pixel, with palettes, bit fields and run-length encoding.
 *
 * Source: Microsoft, "Bitmap Storage" and "Bitmap Compression" (BITMAPINFOHEADER). The bytes are those that Pillow gives.
 */
import { type Image, interleaved } from "../image.ts";

const RGB = 0;
const RLE8 = 1;
const RLE4 = 2;
const BITFIELDS = 3;
const ALPHA_BITFIELDS = 6;
const HEADERS = [12, 40, 52, 56, 64, 108, 124];
const COMPRESSIONS = ["none", "RLE8", "RLE4", "bit fields", "JPEG", "PNG", "bit fields"];

/** Whether bytes begin like a bitmap file. */
export const isBmp = (bytes: Uint8Array): boolean => bytes[0] === 0x42 && bytes[1] === 0x4d;

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** What the header of a bitmap says. Throws an Error for a header that is damaged or of an unknown form. */
export function bmpHeader(bytes: Uint8Array) {
  const fail = (reason: string): never => {
    throw new Error(`BMP: ${reason}`);
  };
  if (bytes.length < 26) fail(`${bytes.length} bytes hold no header; the file is cut off`);
  const view = viewOf(bytes);
  const headerSize = view.getUint32(14, true);
  if (!HEADERS.includes(headerSize)) fail(`a header of ${headerSize} bytes is unknown`);
  if (bytes.length < 14 + headerSize) fail("the header is cut off");
  const isCore = headerSize === 12;
  const width = isCore ? view.getUint16(18, true) : view.getInt32(18, true);
  const signed = isCore ? view.getUint16(20, true) : view.getInt32(22, true);
  const bits = view.getUint16(isCore ? 24 : 28, true);
  const compression = isCore ? RGB : view.getUint32(30, true);
  if (width <= 0 || signed === 0) fail(`the header says ${width}×${Math.abs(signed)} pixels`);
  const isRun = (compression === RLE8 && bits === 8) || (compression === RLE4 && bits === 4);
  const isFields = (compression === BITFIELDS || compression === ALPHA_BITFIELDS) && (bits === 16 || bits === 32);
  if (![1, 4, 8, 16, 24, 32].includes(bits) || !(compression === RGB || isRun || isFields))
    fail(`${bits} bits per pixel with compression ${COMPRESSIONS[compression] ?? compression} are not supported`);
  const pixels = view.getUint32(10, true);
  const used = isCore ? 0 : view.getUint32(46, true);
  const colors = bits > 8 ? 0 : Math.min(used || 1 << bits, 1 << bits);
  // the masks lie in a longer header or right behind the shortest
  if (isFields && bytes.length < 66) fail("the bit fields are cut off");
  const masks = isFields
    ? ([54, 58, 62].map((at) => view.getUint32(at, true)) as [number, number, number])
    : bits === 16
      ? ([0x7c00, 0x3e0, 0x1f] as const)
      : ([0xff0000, 0xff00, 0xff] as const);
  const palette = 14 + headerSize + (isFields && headerSize === 40 ? 12 : 0);
  const entry = isCore ? 3 : 4;
  if (palette + colors * entry > bytes.length) fail("the palette is cut off");
  return { width, height: Math.abs(signed), isTopDown: signed < 0, bits, isRun, pixels, colors, palette, entry, masks };
}

type BmpHeader = ReturnType<typeof bmpHeader>;

/** Decodes a bitmap to [H, W, 3]. Throws an Error where it is damaged. */
export function decodeBmp(bytes: Uint8Array): Image {
  const header = bmpHeader(bytes);
  const { width, height, bits } = header;
  const out = new Uint8Array(width * height * 3);
  const row = (y: number) => (header.isTopDown ? y : height - 1 - y) * width * 3;
  if (bits <= 8) {
    const colors = paletteOf(bytes, header);
    const indices = header.isRun ? unrolled(bytes, header) : undefined;
    const stride = rowBytes(bytes, header, indices !== undefined);
    const perByte = 8 / bits;
    for (let y = 0; y < height; y++) {
      for (let x = 0, o = row(y); x < width; x++) {
        const at = header.pixels + y * stride + Math.floor(x / perByte);
        const shift = 8 - bits - (x % perByte) * bits;
        const index = indices ? indices[y * width + x]! : (bytes[at]! >> shift) & ((1 << bits) - 1);
        for (let c = 0; c < 3; c++) out[o++] = colors[index * 3 + c]!;
      }
    }
    return interleaved(out, height, width, 3);
  }
  const stride = rowBytes(bytes, header, false);
  const size = bits / 8;
  const channels = header.masks.map(channelOf);
  const view = viewOf(bytes);
  for (let y = 0; y < height; y++) {
    for (let x = 0, o = row(y); x < width; x++) {
      const at = header.pixels + y * stride + x * size;
      const pixel =
        size === 2
          ? view.getUint16(at, true)
          : bytes[at]! + bytes[at + 1]! * 256 + bytes[at + 2]! * 65536 + (size === 4 ? bytes[at + 3]! * 2 ** 24 : 0);
      for (const read of channels) out[o++] = read(pixel);
    }
  }
  return interleaved(out, height, width, 3);
}

/** Bytes of a row, padded to a multiple of four. Throws unless all rows are there. */
function rowBytes(bytes: Uint8Array, { width, height, bits, pixels }: BmpHeader, isRun: boolean) {
  const stride = Math.ceil((width * bits) / 32) * 4;
  // the padding of the last row may be missing
  const needed = pixels + stride * (height - 1) + Math.ceil((width * bits) / 8);
  if (!isRun && needed > bytes.length)
    throw new Error(
      `BMP: the file ends too early: ${width}×${height} pixels end at byte ${needed}, it has ${bytes.length}`,
    );
  return stride;
}

/** Bytes [256, 3]; the palette stores blue first. */
function paletteOf(bytes: Uint8Array, { colors, palette, entry }: BmpHeader): Uint8Array {
  const out = new Uint8Array(256 * 3);
  for (let i = 0; i < colors; i++) for (let c = 0; c < 3; c++) out[i * 3 + c] = bytes[palette + i * entry + 2 - c]!;
  return out;
}

/** How a channel is read from a pixel: its bits, scaled to 0 … 255. */
function channelOf(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 0;
  const lowest = Math.log2((mask & -mask) >>> 0);
  const largest = (mask >>> lowest) as number;
  if (largest === 255) return (pixel) => (pixel >>> lowest) & 255;
  return (pixel) => Math.floor((((pixel & mask) >>> lowest) * 255) / largest);
}

/** Run-length encoding: (count, value) pairs; 0 0 ends a row, 0 1 the image, 0 2 moves on, 0 n precedes n literal values. */
function unrolled(bytes: Uint8Array, { width, height, bits, pixels }: BmpHeader): Uint8Array {
  const out = new Uint8Array(width * height);
  const isNibbles = bits === 4;
  let [x, y, at] = [0, 0, pixels];
  const put = (value: number) => {
    if (x < width && y < height) out[y * width + x] = value;
    x++;
  };
  while (at + 1 < bytes.length && y < height) {
    const [count, value] = [bytes[at]!, bytes[at + 1]!];
    at += 2;
    if (count > 0) {
      for (let i = 0; i < count; i++) put(isNibbles ? (i % 2 === 0 ? value >> 4 : value & 15) : value);
    } else if (value === 0) {
      [x, y] = [0, y + 1];
    } else if (value === 1) return out;
    else if (value === 2) {
      x += bytes[at] ?? 0;
      y += bytes[at + 1] ?? 0;
      at += 2;
    } else {
      const size = isNibbles ? Math.ceil(value / 2) : value;
      if (at + size > bytes.length) break;
      for (let i = 0; i < value; i++)
        put(isNibbles ? (bytes[at + (i >> 1)]! >> (i % 2 === 0 ? 4 : 0)) & 15 : bytes[at + i]!);
      at += size + (size % 2);
    }
  }
  if (y < height - 1) throw new Error(`BMP: the file ends too early: ${y} of ${height} rows are there`);
  return out;
}

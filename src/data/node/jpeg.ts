/** What the header of a JPEG file says, so that a decoder need not open the file twice. */
export interface JpegHeader {
  /** pixels, as stored */
  readonly width: number;
  /** pixels, as stored */
  readonly height: number;
  /** 1 for gray, 3 for color, 4 for CMYK */
  readonly channels: number;
  /** Baseline or progressive, 8 bits, gray or color, with chroma of full, half or quarter size: what nearly all files are. */
  readonly isUsual: boolean;
  /** How the image has to be turned, 1 … 8 as in EXIF; 1 is upright. 0 if the EXIF block cannot be read. */
  readonly orientation: number;
}

/** Start of frame, for every way of coding: SOF0 … SOF15 without DHT, JPG and DAC, which lie among them. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
const APP1 = 0xe1;

/** Sampling factors of the components, one byte each: 4:4:4, 4:2:2 and 4:2:0; and those of a gray image. */
const USUAL_SAMPLING = ["17,17,17", "33,17,17", "34,17,17", "17"];

/** Reads the header; undefined if the bytes are no JPEG file, or one that is damaged before its frame (ITU-T T.81, annex B). */
export function jpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let orientation: number | undefined;
  for (let at = 2; at + 10 <= bytes.length; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff) return undefined;
    // fill bytes may precede a marker
    if (marker === 0xff) at++;
    else if (isFrame(marker)) {
      const channels = bytes[at + 9]!;
      const sampling = Array.from({ length: channels }, (_, c) => bytes[at + 11 + 3 * c]);
      return {
        height: view.getUint16(at + 5),
        width: view.getUint16(at + 7),
        channels,
        isUsual: marker <= 0xc2 && bytes[at + 4] === 8 && USUAL_SAMPLING.includes(sampling.join()),
        orientation: orientation ?? 1,
      };
    } else {
      const end = at + 2 + view.getUint16(at + 2);
      if (marker === APP1) orientation ??= exifOrientation(bytes.subarray(at + 4, end));
      at = end;
    }
  }
  return undefined;
}

const EXIF = [0x45, 0x78, 0x69, 0x66, 0, 0];
const ORIENTATION_TAG = 0x112;
const SHORT = 3;

/** The orientation that an APP1 segment tells; undefined if it is no EXIF block, 0 if the block is damaged (EXIF 2.3, 4.5 and 4.6). */
function exifOrientation(segment: Uint8Array): number | undefined {
  if (EXIF.some((byte, i) => segment[i] !== byte)) return undefined;
  const tiff = new DataView(segment.buffer, segment.byteOffset + EXIF.length, segment.length - EXIF.length);
  try {
    const isLittle = tiff.getUint16(0) === 0x4949;
    if (!isLittle && tiff.getUint16(0) !== 0x4d4d) return 0;
    const directory = tiff.getUint32(4, isLittle);
    const count = tiff.getUint16(directory, isLittle);
    for (let entry = directory + 2; entry < directory + 2 + 12 * count; entry += 12) {
      if (tiff.getUint16(entry, isLittle) !== ORIENTATION_TAG) continue;
      if (tiff.getUint16(entry + 2, isLittle) !== SHORT || tiff.getUint32(entry + 4, isLittle) !== 1) return 0;
      return tiff.getUint16(entry + 8, isLittle);
    }
    return 1;
  } catch {
    return 0; // it points beyond its end
  }
}

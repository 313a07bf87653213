/** What the header of a JPEG file says, so that a decoder need not open the file twice. */
export interface JpegHeader {
  /** pixels, as stored */
  readonly width: number;
  /** pixels, as stored */
  readonly height: number;
  /** 1 for gray, 3 for color, 4 for CMYK */
  readonly channels: number;
}

/** Start of frame, for every way of coding: SOF0 … SOF15 without DHT, JPG and DAC, which lie among them. */
const isFrame = (marker: number) => marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);

/** Reads the header; undefined if the bytes are no JPEG file, or one that is damaged before its frame (ITU-T T.81, annex B). */
export function jpegHeader(bytes: Uint8Array): JpegHeader | undefined {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 2; at + 10 <= bytes.length; ) {
    const marker = bytes[at + 1]!;
    if (bytes[at] !== 0xff) return undefined;
    // fill bytes may precede a marker
    if (marker === 0xff) at++;
    else if (isFrame(marker))
      return { height: view.getUint16(at + 5), width: view.getUint16(at + 7), channels: bytes[at + 9]! };
    else at += 2 + view.getUint16(at + 2);
  }
  return undefined;
}

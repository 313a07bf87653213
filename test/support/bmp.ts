/** A bitmap of 3×2 pixels with this many bits each, run-length encoded for the compressions 1 and 2. */
export function bmp(bits = 24, compression = 0): Uint8Array {
  const bytes = new Uint8Array(54 + 64 + 64);
  const view = new DataView(bytes.buffer);
  bytes.set([0x42, 0x4d]);
  for (const [at, value] of [
    [10, 118],
    [14, 40],
    [18, 3],
    [22, 2],
    [30, compression],
    [46, 16],
  ] as const)
    view.setUint32(at, value, true); // prettier-ignore
  view.setUint16(26, 1, true);
  view.setUint16(28, bits, true);
  for (let i = 54; i < bytes.length; i++) bytes[i] = (i * 37) & 255;
  return bytes;
}

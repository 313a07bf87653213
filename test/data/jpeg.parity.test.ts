/** JPEG files: what their headers say, and that both decoders give the same bytes. */
import sharp, { type JpegOptions } from "sharp";
import { describe, expect, it, vi } from "vitest";
import { toInterleaved } from "../../src/data/image.ts";
import { decodeImage } from "../../src/data/node/index.ts";
import { jpegHeader } from "../../src/data/node/jpeg.ts";
import { decodeSmallJpeg, isSmall } from "../../src/data/node/small-jpeg.ts";
import { testPicture } from "./pil.ts";

vi.setConfig({ testTimeout: 60_000 }); // other processes may want the cores, too

const START = [0xff, 0xd8];
const COLOR = [3, 1, 0x22, 0, 2, 0x11, 1, 3, 0x11, 1];
const frame = (marker: number, components: readonly number[] = COLOR, bits = 8) => [
  0xff,
  marker,
  0,
  8 + 3 * components[0]!,
  bits,
  0x01,
  0x2c,
  0x02,
  0x58,
  ...components,
  0,
  0,
]; // prettier-ignore
const header = (...bytes: number[]) => jpegHeader(Uint8Array.of(...START, ...bytes));

describe("the header", () => {
  it("is found behind other segments and fill bytes", () => {
    const comment = [0xff, 0xfe, 0, 4, 0xff, 0xc0];
    const expected = { height: 300, width: 600, channels: 3, isUsual: true, orientation: 1 };
    expect(header(...frame(0xc2))).toEqual(expected);
    expect(header(...comment, 0xff, 0xff, ...frame(0xc2))).toEqual(expected);
    expect(header(...comment)).toBeUndefined();
    expect(jpegHeader(Uint8Array.of(0x89, 0x50, 0x4e, 0x47))).toBeUndefined();
  });

  it("tells unusual files: other ways of coding, bits, channels and sampling", () => {
    const components = (...sampling: number[]) => [sampling.length, ...sampling.flatMap((s, c) => [c + 1, s, 0])];
    const usual = [[0x22, 0x11, 0x11], [0x21, 0x11, 0x11], [0x11, 0x11, 0x11], [0x11]]; // prettier-ignore
    for (const sampling of usual) expect(header(...frame(0xc0, components(...sampling)))?.isUsual).toBe(true);
    const others = [[0x12, 0x11, 0x11], [0x41, 0x11, 0x11], [0x22], [0x11, 0x11, 0x11, 0x11]]; // prettier-ignore
    for (const sampling of others) expect(header(...frame(0xc0, components(...sampling)))?.isUsual).toBe(false);
    expect(header(...frame(0xc9))?.isUsual).toBe(false);
    expect(header(...frame(0xc1, COLOR, 12))?.isUsual).toBe(false);
  });

  it("has the orientation of the EXIF block, in either byte order", () => {
    const exif = (...tiff: number[]) => [0xff, 0xe1, 0, 8 + tiff.length, 0x45, 0x78, 0x69, 0x66, 0, 0, ...tiff];
    const entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0];
    const little = exif(0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, ...entry);
    const big = exif(0x4d, 0x4d, 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0);
    const without = exif(0x49, 0x49, 42, 0, 8, 0, 0, 0, 0, 0);
    const cutOff = exif(0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, ...entry.slice(0, 5));
    const orientations = [little, big, without, cutOff].map((block) => header(...block, ...frame(0xc0))?.orientation);
    expect(orientations).toEqual([6, 8, 1, 0]);
  });
});

describe("small files", () => {
  const file = (height: number, width: number, channels: 1 | 3, options: JpegOptions = {}) =>
    sharp(toInterleaved(testPicture(height, width, channels)), { raw: { height, width, channels } })
      .toColourspace(channels === 1 ? "b-w" : "srgb")
      .jpeg(options)
      .toBuffer();

  it("have the bytes that sharp decodes", async () => {
    const options: JpegOptions[] = [
      { quality: 20 },
      { quality: 100, chromaSubsampling: "4:4:4" },
      { quality: 80, progressive: true },
      { quality: 80, progressive: true, chromaSubsampling: "4:4:4" },
      { quality: 60, trellisQuantisation: true, optimizeScans: true },
    ];
    const sizes = [
      [1, 1],
      [3, 2],
      [9, 17],
      [16, 16],
      [33, 47],
      [120, 200],
    ] as const; // prettier-ignore
    for (const [height, width] of sizes)
      for (const channels of [1, 3] as const)
        for (const each of options) {
          const bytes = await file(height, width, channels, each);
          const head = jpegHeader(bytes)!;
          expect(isSmall(head)).toBe(true);
          const image = await decodeSmallJpeg(bytes, head);
          const theirs = await sharp(bytes)
            .toColourspace(channels === 1 ? "b-w" : "srgb")
            .raw()
            .toBuffer();
          expect(theirs.equals(toInterleaved(image!)), `${height}×${width}×${channels}, ${JSON.stringify(each)}`).toBe(
            true,
          );
          expect((await decodeImage(bytes, { channels })).channels).toBe(channels);
        }
  });

  it("keep their bytes when others are decoded, and after a damaged file", async () => {
    const [first, second] = [await file(40, 50, 3), await file(50, 40, 3)];
    const image = (await decodeSmallJpeg(first, jpegHeader(first)!))!;
    const before = image.data.slice();
    const cut = second.subarray(0, second.length - 40);
    expect(await decodeSmallJpeg(cut, jpegHeader(cut)!)).toBeUndefined();
    await expect(decodeImage(cut, {}, "cut.jpg")).rejects.toThrow("cut.jpg: cannot decode: ");
    expect(await decodeSmallJpeg(second, jpegHeader(second)!)).toBeDefined();
    expect(image.data).toEqual(before);
  });

  it("that have to be turned, and large files, are decoded by sharp", async () => {
    const turned = await sharp(await file(4, 6, 3))
      .withMetadata({ orientation: 6 })
      .jpeg()
      .toBuffer(); // prettier-ignore
    expect(isSmall(jpegHeader(turned)!)).toBe(false);
    expect(await decodeImage(turned)).toMatchObject({ height: 6, width: 4 });
    expect(isSmall({ width: 640, height: 480, channels: 3, isUsual: true, orientation: 1 })).toBe(false);
  });
});

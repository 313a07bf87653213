/** Images from files in any usual format. */

import { rgbToGrayscale } from "../color.ts";
import type { DecodeOptions } from "../dataset.ts";
import { DataError } from "../errors.ts";
import { type Image, interleaved } from "../image.ts";
import { bmpHeader, decodeBmp, isBmp } from "./bmp.ts";
import { readBytes } from "./files.ts";
import { jpegHeader } from "./jpeg.ts";
import { decodeNetpbm, type Header, isNetpbm, netpbmHeader } from "./netpbm.ts";
import { decodeSmallJpeg, isSmall } from "./small-jpeg.ts";

export const MAX_PIXELS = 178_956_970;

/** File name endings of the formats that are decoded. */
export const IMAGE_EXTENSIONS: readonly string[] = [
  ...[".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".webp", ".tif", ".tiff", ".gif", ".avif"],
  ...[".bmp", ".dib", ".ppm", ".pgm", ".pbm", ".pnm"],
];

/** Decodes an image file. Throws a `DataError` with its name for everything that can be wrong with it. */
export async function decodeFile(file: string, options: DecodeOptions = {}): Promise<Image> {
  return decodeImage(await readBytes(file), options, file);
}

/**
 * Decodes an image like PIL's `convert("RGB")`, turned upright by its EXIF orientation.
 *
 *     bytes → image [H, W, 3], or [H, W, 1] with `channels: 1`
 *
 * Colour profiles are ignored, transparency is dropped, of 16 bits the upper 8 are kept, CMYK is converted without a
 * profile, and of several frames the first is taken. All of that gives PIL's bytes. The exception is 16-bit greyscale:
 * PIL cuts it at 255, here it is scaled.
 */
export async function decodeImage(
  bytes: Uint8Array,
  { channels = 3, maxPixels = MAX_PIXELS }: DecodeOptions = {},
  file?: string,
): Promise<Image> {
  const grayIf = (image: Image) => (channels === 3 ? image : rgbToGrayscale(image));
  const checkSize = ({ width, height }: Header) => {
    if (width * height <= maxPixels) return;
    throw new DataError(
      `cannot decode: the image has ${width}×${height} = ${width * height} pixels, more than the limit of ${maxPixels}; ` +
        "make it smaller, or raise maxPixels if you trust it",
      { file, skippable: true },
    );
  };
  try {
    if (bytes.length === 0) throw new Error("the file is empty");
    // libvips as sharp has it reads neither of these
    for (const { is, header, decode } of OWN) {
      if (!is(bytes)) continue;
      checkSize(header(bytes));
      return grayIf(decode(bytes));
    }
    const jpeg = jpegHeader(bytes);
    if (jpeg) checkSize(jpeg);
    const small = jpeg && isSmall(jpeg) ? await decodeSmallJpeg(bytes, jpeg) : undefined;
    if (small) return grayIf(channels === 3 && small.channels === 1 ? threeChannels(small) : small);
    const { default: sharp } = await import("sharp");
    // "error" takes what decoders merely warn of, such as a broken EXIF block, but no image that ends too early.
    const decoder = sharp(bytes, { failOn: "error", limitInputPixels: false, ignoreIcc: true, autoOrient: true });
    // opening a file takes sharp as long as decoding a small one
    const metadata = jpeg ? undefined : await decoder.metadata();
    if (metadata) checkSize(metadata);
    const isCmyk = jpeg?.channels === 4 || metadata?.space === "cmyk";
    if (isCmyk) decoder.pipelineColourspace("cmyk").toColourspace("cmyk");
    else decoder.toColourspace("srgb").removeAlpha();
    const { data, info } = await decoder.raw().toBuffer({ resolveWithObject: true });
    const rgb = isCmyk ? rgbFromCmyk(data) : new Uint8Array(data.buffer, data.byteOffset, data.length);
    return grayIf(interleaved(rgb, info.height, info.width, 3));
  } catch (cause) {
    if (cause instanceof DataError) throw cause;
    const message = reasonOf(bytes) ?? (cause as Error).message.replaceAll(/\s+/g, " ").trim();
    const remedy = message.includes("; ") ? "" : "; replace it, or remove it";
    throw new DataError(`cannot decode: ${message}${remedy}`, { file, cause, skippable: true });
  }
}

/** Formats that sharp does not read. */
const OWN: readonly {
  readonly is: (bytes: Uint8Array) => boolean;
  readonly header: (bytes: Uint8Array) => Header;
  readonly decode: (bytes: Uint8Array) => Image;
}[] = [
  { is: isBmp, header: bmpHeader, decode: decodeBmp },
  { is: isNetpbm, header: netpbmHeader, decode: decodeNetpbm },
];

/** What the bytes are, for things that are often saved under the name of an image. */
function reasonOf(bytes: Uint8Array): string | undefined {
  const text = new TextDecoder("latin1").decode(bytes.subarray(0, 64));
  if (/^.{4}ftyp(hei|hev|mif)/s.test(text)) return "it is a HEIC image, which is not supported; save it as JPEG or PNG";
  if (/^.{4}ftyp/s.test(text) && !/^.{4}ftypavi/s.test(text)) return "it is a video";
  if (/^version https:\/\/git-lfs/.test(text)) return "it is a Git LFS pointer; run `git lfs pull`";
  if (/^\s*<(!doctype html|html)/i.test(text)) return "it is an HTML page, perhaps the answer to a failed download";
  return undefined;
}

/** A gray image as red, green and blue. */
function threeChannels({ data, height, width }: Image): Image {
  const rgb = new Uint8Array(3 * data.length);
  for (let i = 0, o = 0; i < data.length; i++, o += 3) rgb[o] = rgb[o + 1] = rgb[o + 2] = data[i]!;
  return interleaved(rgb, height, width);
}

/** R = 255 − K − C·(255 − K)/255, and so on: PIL's conversion, which knows no profiles. */
function rgbFromCmyk(cmyk: Uint8Array): Uint8Array {
  const rgb = new Uint8Array((cmyk.length / 4) * 3);
  for (let i = 0, o = 0; i < cmyk.length; i += 4) {
    const white = 255 - cmyk[i + 3]!;
    for (let c = 0; c < 3; c++) rgb[o++] = white - divideBy255(cmyk[i + c]! * white);
  }
  return rgb;
}

/** Rounded, in integers. */
function divideBy255(x: number): number {
  x += 128;
  return ((x >> 8) + x) >> 8;
}

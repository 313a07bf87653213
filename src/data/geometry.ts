/** Geometry of images, with the names and the rounding of `torchvision.transforms.functional`. */
import { DataError } from "./errors.ts";
import { type Image, interleaved } from "./image.ts";
import { type Interpolation, resample } from "./resample.ts";

/** Pixels added on each side. */
export type Padding = readonly [left: number, top: number, right: number, bottom: number];
/** What padding is filled with: a constant, the edge pixel, or the image mirrored without (`reflect`) or with (`symmetric`) its edge. */
export type PaddingMode = "constant" | "edge" | "reflect" | "symmetric";

/** A rectangle in an image, in pixels from its top left corner. */
export interface Box {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/** The part of the image in a box, which must lie inside it. A view: nothing is copied. */
export function crop(image: Image, { top, left, height, width }: Box): Image {
  if (top < 0 || left < 0 || top + height > image.height || left + width > image.width) {
    throw new Error(
      `crop: ${height}×${width} at (${top}, ${left}) does not lie inside ${image.height}×${image.width}; pad first`,
    );
  }
  const offset = image.offset + top * image.strides[1] + left * image.strides[2];
  return { ...image, height, width, offset };
}

/**
 * The middle of the image. A smaller image is padded with black first.
 *
 * The corner is rounded half to even, as Python's `round` does in torchvision.
 */
export function centerCrop(image: Image, height: number, width: number): Image {
  const missingH = Math.max(0, height - image.height);
  const missingW = Math.max(0, width - image.width);
  if (missingH > 0 || missingW > 0) {
    image = pad(image, [missingW >> 1, missingH >> 1, (missingW + 1) >> 1, (missingH + 1) >> 1]);
  }
  return crop(image, centerBox(image, height, width));
}

/** The middle of an image that is not smaller than it. */
function centerBox(image: { readonly height: number; readonly width: number }, height: number, width: number): Box {
  const top = roundHalfToEven((image.height - height) / 2);
  const left = roundHalfToEven((image.width - width) / 2);
  return { top, left, height, width };
}

/** Python's `round`. */
export function roundHalfToEven(x: number): number {
  const floor = Math.floor(x);
  const up = x - floor > 0.5 || (x - floor === 0.5 && floor % 2 !== 0);
  return up ? floor + 1 : floor;
}

/** The image mirrored left to right. A view: nothing is copied. */
export function hflip(image: Image): Image {
  const [sC, sH, sW] = image.strides;
  return { ...image, offset: image.offset + (image.width - 1) * sW, strides: [sC, sH, -sW] };
}

/**
 * The image with a border around it: `fill` (constant), the border pixel (edge), or the image mirrored without
 * (reflect) or with (symmetric) its border pixel. Padding is in pixels.
 *
 * Throws where `fill` has another number of channels, or the padding is too large to mirror.
 */
export function pad(
  image: Image,
  [left, top, right, bottom]: Padding,
  { fill = 0, mode = "constant" }: { fill?: number | readonly number[]; mode?: PaddingMode } = {},
): Image {
  const { data, channels, offset, strides } = image;
  const rows = sources(image.height, top, bottom, mode);
  const columns = sources(image.width, left, right, mode);
  const fills = typeof fill === "number" ? new Array<number>(channels).fill(fill) : fill;
  if (fills.length !== channels) {
    throw new Error(`pad: fill has ${fills.length} values, but the image has ${channels} channels`);
  }
  const out = new Uint8Array(rows.length * columns.length * channels);
  let o = 0;
  for (const y of rows) {
    for (const x of columns) {
      const pixel = offset + y * strides[1] + x * strides[2];
      const inside = y >= 0 && x >= 0;
      for (let c = 0; c < channels; c++) out[o++] = inside ? data[pixel + c * strides[0]]! : fills[c]!;
    }
  }
  return interleaved(out, rows.length, columns.length, channels);
}

/** For each row (or column) of the padded image, the one it is taken from; −1 where it is filled. */
function sources(size: number, before: number, after: number, mode: PaddingMode): Int32Array {
  if (mode === "reflect" && Math.max(before, after) >= size) {
    throw new DataError(
      `pad: reflect needs a padding smaller than the image, but ${Math.max(before, after)} ≥ ${size}`,
    );
  }
  if (mode === "symmetric" && Math.max(before, after) > size) {
    throw new DataError(
      `pad: symmetric needs a padding no larger than the image, but ${Math.max(before, after)} > ${size}`,
    );
  }
  return Int32Array.from({ length: before + size + after }, (_, i) => {
    const x = i - before;
    if (x >= 0 && x < size) return x;
    switch (mode) {
      case "constant":
        return -1;
      case "edge":
        return x < 0 ? 0 : size - 1;
      case "reflect":
        return x < 0 ? -x : 2 * size - 2 - x;
      case "symmetric":
        return x < 0 ? -x - 1 : 2 * size - 1 - x;
      default:
        return mode satisfies never;
    }
  });
}

/**
 * Height and width after torchvision's `Resize`: a pair is taken as it is, a number becomes the shorter side and the
 * longer one follows, rounded down; `maxSize` then bounds the longer side.
 */
export function resizedSize(
  { height, width }: { readonly height: number; readonly width: number },
  size: number | readonly [height: number, width: number],
  maxSize?: number,
): [height: number, width: number] {
  if (typeof size !== "number") return [...size];
  const long = Math.trunc((size * Math.max(height, width)) / Math.min(height, width));
  const bounded: [number, number] =
    maxSize !== undefined && long > maxSize ? [Math.trunc((maxSize * size) / long), maxSize] : [size, long];
  const [shorter, longer] = bounded;
  return width <= height ? [longer, shorter] : [shorter, longer];
}

/** Pixels that an image may grow to by resizing: the number above which PIL takes a file for a bomb. */
const MAX_RESIZED = 178_956_970;

/**
 * The image in another size, antialiased as PIL does it.
 *
 * Throws a DataError where the result would have more than 178,956,970 pixels.
 */
export function resize(image: Image, height: number, width: number, interpolation: Interpolation = "bilinear"): Image {
  if (image.height === height && image.width === width) return image;
  if (height * width > MAX_RESIZED) {
    throw new DataError(
      `resize: an image of ${image.height}×${image.width} pixels would become ${height}×${width}, more than ${MAX_RESIZED} pixels; ` +
        "crop it first, or set maxSize",
      { skippable: true },
    );
  }
  return resample(image, [height, width], interpolation);
}

/**
 * `centerCrop(resize(image, …), …)`, without computing what the crop leaves out: an image of 1×20,000 pixels whose shorter side
 * becomes 256 would have 1.3 billion.
 */
export function resizedCenter(
  image: Image,
  [height, width]: readonly [height: number, width: number],
  [cropHeight, cropWidth]: readonly [height: number, width: number],
  interpolation: Interpolation = "bilinear",
): Image {
  const isSame = image.height === height && image.width === width;
  if (isSame || cropHeight > height || cropWidth > width)
    return centerCrop(resize(image, height, width, interpolation), cropHeight, cropWidth);
  return resample(image, [height, width], interpolation, centerBox({ height, width }, cropHeight, cropWidth));
}

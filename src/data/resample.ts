/** The antialiased resampling of PIL, in its own fixed-point arithmetic, so that the bytes are PIL's. */
import { type Image, interleaved, planar, toInterleaved } from "./image.ts";
import { bytes, kernels, reserve } from "./simd.ts";

export const INTERPOLATIONS = ["bilinear", "bicubic"] as const;
/** How `resize` interpolates between pixels; antialiased, as in Pillow. */
export type Interpolation = (typeof INTERPOLATIONS)[number];

/** Kernels over a distance in (output) pixels, and half of their width. */
const KERNELS = {
  bilinear: { support: 1, weight: (x: number) => Math.max(0, 1 - Math.abs(x)) },
  /** Keys' cubic convolution with a = −1/2. */
  bicubic: {
    support: 2,
    weight: (x: number) => {
      x = Math.abs(x);
      if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
      return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
    },
  },
} as const satisfies Record<Interpolation, { support: number; weight: (x: number) => number }>;

/** Bits behind the binary point of a weight: 32, less 8 of the pixel and 2 for the sum of a kernel that overshoots. */
const PRECISION = 22;
/** Bits of a weight in its lower half. */
const LOWER = 11;
const MASK = 2 ** LOWER - 1;

/**
 * The weights of one axis: output i is the sum over t < counts[i] of weight t · input[starts[i] + t]. Its weights stand from
 * weights[i · taps] on, packed for the kernels: the lower 11 bits of two weights in one number, the bits above them in the next.
 */
interface Weights {
  /** even */
  readonly taps: number;
  readonly starts: Int32Array;
  readonly counts: Int32Array;
  readonly weights: Int32Array;
}

/** Weights of outputs [first, first + length). The kernel is stretched where the image shrinks, which is what antialiases. */
function weightsFor(
  from: number,
  to: number,
  { support, weight }: (typeof KERNELS)[Interpolation],
  [first, length]: readonly [first: number, length: number],
): Weights {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const taps = Math.ceil(reach) * 2 + 2;
  const starts = new Int32Array(length);
  const counts = new Int32Array(length);
  const weights = new Int32Array(length * taps);
  const row = new Float64Array(taps);
  for (let i = 0; i < length; i++) {
    const center = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(center - reach + 0.5));
    const count = Math.min(from, Math.trunc(center + reach + 0.5)) - start;
    let sum = 0;
    for (let t = 0; t < count; t++) {
      row[t] = weight((t + start - center + 0.5) * (1 / stretch));
      sum += row[t]!;
    }
    row[count] = 0;
    for (let t = 0; t < count; t += 2) {
      const [a, b] = [fixedPoint(row[t]! / sum), fixedPoint(row[t + 1]! / sum)];
      weights[i * taps + t] = (a & MASK) | ((b & MASK) << 16);
      weights[i * taps + t + 1] = ((a >> LOWER) & 0xffff) | ((b >> LOWER) << 16);
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { taps, starts, counts, weights };
}

function fixedPoint(weight: number): number {
  const fixed = weight * 2 ** PRECISION;
  return Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
}

/** What to keep of a resized image, in its pixels. */
export interface Kept {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * An image in another size: first along the rows, then along the columns, each pass rounded to bytes. With `kept`, only that part
 * of the result is computed; its bytes are those of the whole.
 *
 *     image [H, W, C] → [height, width, C], or [kept.height, kept.width, C]
 *
 * Source: the rule of PIL's `Image.resize`, which torchvision uses for images.
 */
export function resample(
  image: Image,
  [height, width]: readonly [height: number, width: number],
  interpolation: Interpolation,
  kept: Kept = { top: 0, left: 0, height, width },
): Image {
  const kernel = KERNELS[interpolation];
  const axes = {
    horizontal: weightsFor(image.width, width, kernel, [kept.left, kept.width]),
    vertical: image.height === height ? undefined : weightsFor(image.height, height, kernel, [kept.top, kept.height]),
  };
  const { data, channels, offset, strides } = image;
  if (channels === 3 && strides[0] === 1 && strides[2] === 3)
    return interleaved(pass(image, 3, axes, kept), kept.height, kept.width);
  const planes = Array.from({ length: channels }, (_, c) =>
    pass(plane({ ...image, data, channels: 1, offset: offset + c * strides[0] }), 1, axes, kept),
  );
  const all = new Uint8Array(channels * kept.height * kept.width);
  for (const [c, values] of planes.entries()) all.set(values, c * values.length);
  return planar(all, channels, kept.height, kept.width);
}

/** One channel whose pixels stand side by side in their rows. */
function plane(image: Image): Image {
  return image.strides[2] === 1 ? image : interleaved(toInterleaved(image), image.height, image.width, 1);
}

/** Bytes of an image that are worked on at once; more would stay reserved after a large image. */
const BAND = 2 ** 22;

/** Both passes over pixels of so many bytes each: in [H, W, depth] → bytes [kept.height, kept.width, depth] */
function pass(
  { data, offset, strides, width }: Image,
  depth: 1 | 3,
  { horizontal, vertical }: { readonly horizontal: Weights; readonly vertical: Weights | undefined },
  { top, height, width: outWidth }: Kept,
): Uint8Array<ArrayBuffer> {
  // only the rows that the kept ones are made of
  const first = vertical ? vertical.starts[0]! : top;
  const end = vertical ? vertical.starts.at(-1)! + vertical.counts.at(-1)! : top + height;
  const length = width * depth;
  const outLength = outWidth * depth;
  const band = Math.max(1, Math.min(end - first, Math.floor(BAND / length)));
  const wasm = kernels();
  const [inAt, rowsAt, outAt, horizontalAt, verticalAt] = reserve(
    band * length,
    (end - first) * outLength,
    vertical ? height * outLength : 0,
    horizontal.weights.byteLength + 8 * outWidth,
    vertical ? vertical.weights.byteLength + 8 * height : 0,
  );
  const memory = bytes();
  const across = place(memory, horizontal, horizontalAt, 0);
  const rows = depth === 3 ? wasm.rgbRows : wasm.grayRows;
  for (let y = first; y < end; y += band) {
    const count = Math.min(band, end - y);
    copyRows(memory, inAt, { data, at: offset + y * strides[1], stride: strides[1], length, count });
    rows(inAt, length, count, ...across, outWidth, rowsAt + (y - first) * outLength);
  }
  if (!vertical) return memory.slice(rowsAt, rowsAt + height * outLength);
  wasm.columns(rowsAt, outLength, ...place(memory, vertical, verticalAt, first), height, outAt);
  return memory.slice(outAt, outAt + height * outLength);
}

/** Copies rows of `length` bytes, `stride` bytes apart, one after the other to an address. */
function copyRows(
  memory: Uint8Array,
  to: number,
  { data, at, stride, length, count }: { data: Uint8Array; at: number; stride: number; length: number; count: number },
): void {
  if (stride === length) memory.set(data.subarray(at, at + count * length), to);
  else
    for (let y = 0; y < count; y++)
      memory.set(data.subarray(at + y * stride, at + y * stride + length), to + y * length);
}

/** Writes an axis to an address, its starts counted from `first`; returns the arguments that name it. */
function place(
  memory: Uint8Array,
  { taps, starts, counts, weights }: Weights,
  at: number,
  first: number,
): [startsAt: number, countsAt: number, weightsAt: number, taps: number] {
  const size = starts.length;
  const all = new Int32Array(memory.buffer, at, 2 * size + weights.length);
  for (let i = 0; i < size; i++) all[i] = starts[i]! - first;
  all.set(counts, size);
  all.set(weights, 2 * size);
  return [at, at + 4 * size, at + 8 * size, taps];
}

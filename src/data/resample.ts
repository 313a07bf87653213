/** The antialiased resampling of PIL, in its own fixed-point arithmetic, so that the bytes are PIL's. */
import { type Image, interleaved } from "./image.ts";

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

/** The weights of one axis: output i is the sum over t < counts[i] of weights[i · taps + t] · input[starts[i] + t]. */
interface Weights {
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
  const taps = Math.ceil(reach) * 2 + 1;
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
    for (let t = 0; t < count; t++) {
      const fixed = (row[t]! / sum) * 2 ** PRECISION;
      weights[i * taps + t] = Math.trunc(fixed + (fixed < 0 ? -0.5 : 0.5));
    }
    starts[i] = start;
    counts[i] = count;
  }
  return { taps, starts, counts, weights };
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
  const horizontal = weightsFor(image.width, width, kernel, [kept.left, kept.width]);
  const vertical = weightsFor(image.height, height, kernel, [kept.top, kept.height]);
  if (image.height === height) {
    const rows = alongRows(image, [kept.top, kept.top + kept.height], horizontal);
    return interleaved(new Uint8Array(rows.buffer), kept.height, kept.width, image.channels);
  }
  // only the rows that the kept ones are made of
  const first = vertical.starts[0]!;
  const end = vertical.starts.at(-1)! + vertical.counts.at(-1)!;
  const rows = alongRows(image, [first, end], horizontal);
  const starts = vertical.starts.map((start) => start - first);
  return alongColumns(rows, { ...vertical, starts }, kept, image.channels);
}

const HALF = 1 << (PRECISION - 1);

/** image [H, W, C], its rows [first, end) → bytes [end − first, width, C] */
function alongRows(
  image: Image,
  [first, end]: readonly [first: number, end: number],
  axis: Weights,
): Uint8ClampedArray<ArrayBuffer> {
  const { channels, offset } = image;
  const [sC, sH, sW] = image.strides;
  const width = axis.starts.length;
  const out = new Uint8ClampedArray((end - first) * width * channels);
  for (let y = 0; y < end - first; y++) {
    const row = offset + (first + y) * sH;
    if (channels === 3) weighRgb(image.data, row, sW, sC, axis, out, y * width * 3);
    else
      for (let c = 0; c < channels; c++)
        weigh(image.data, row + c * sC, sW, axis, out, y * width * channels + c, channels);
  }
  return out;
}

/** One line of one channel. */
function weigh(
  data: Uint8Array,
  first: number,
  step: number,
  { taps, starts, counts, weights }: Weights,
  out: Uint8ClampedArray,
  at: number,
  stride: number,
): void {
  for (let x = 0, o = at; x < starts.length; x++, o += stride) {
    let sum = HALF;
    const end = x * taps + counts[x]!;
    for (let t = x * taps, i = first + starts[x]! * step; t < end; t++, i += step) {
      sum = (sum + Math.imul(data[i]!, weights[t]!)) | 0;
    }
    out[o] = sum >> PRECISION;
  }
}

/** One line of three channels: each weight is read once, which is what the time goes into. */
function weighRgb(
  data: Uint8Array,
  first: number,
  step: number,
  sC: number,
  { taps, starts, counts, weights }: Weights,
  out: Uint8ClampedArray,
  at: number,
): void {
  for (let x = 0, o = at; x < starts.length; x++, o += 3) {
    let r = HALF;
    let g = HALF;
    let b = HALF;
    const end = x * taps + counts[x]!;
    for (let t = x * taps, i = first + starts[x]! * step; t < end; t++, i += step) {
      const weight = weights[t]!;
      r = (r + Math.imul(data[i]!, weight)) | 0;
      g = (g + Math.imul(data[i + sC]!, weight)) | 0;
      b = (b + Math.imul(data[i + 2 * sC]!, weight)) | 0;
    }
    out[o] = r >> PRECISION;
    out[o + 1] = g >> PRECISION;
    out[o + 2] = b >> PRECISION;
  }
}

/** bytes [H, width, C] → image [height, width, C] */
function alongColumns(
  rows: Uint8ClampedArray,
  { taps, starts, counts, weights }: Weights,
  { height, width }: Kept,
  channels: number,
): Image {
  const length = width * channels;
  const bytes = new ArrayBuffer(height * length);
  const out = new Uint8ClampedArray(bytes);
  for (let y = 0; y < height; y++) {
    const begin = y * taps;
    const end = begin + counts[y]!;
    const top = starts[y]! * length;
    for (let i = 0, o = y * length; i < length; i++, o++) {
      let sum = HALF;
      for (let t = begin, p = top + i; t < end; t++, p += length) sum = (sum + Math.imul(rows[p]!, weights[t]!)) | 0;
      out[o] = sum >> PRECISION;
    }
  }
  return interleaved(new Uint8Array(bytes), height, width, channels);
}

/** The antialiased resampling of PIL, in its own fixed-point arithmetic, so that the bytes are PIL's. */
import { type Image, interleaved } from "./image.ts";

export const INTERPOLATIONS = ["bilinear", "bicubic"] as const;
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

/** A kernel that is stretched by the scale where the picture shrinks: this is what makes it antialiased. */
function weightsFor(from: number, to: number, { support, weight }: (typeof KERNELS)[Interpolation]): Weights {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const reach = support * stretch;
  const taps = Math.ceil(reach) * 2 + 1;
  const starts = new Int32Array(to);
  const counts = new Int32Array(to);
  const weights = new Int32Array(to * taps);
  const row = new Float64Array(taps);
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
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

/**
 * A picture in another size: first along the rows, then along the columns, each pass rounded to bytes.
 *
 *     image [H, W, C] → [height, width, C]
 *
 * Source: the rule of PIL's `Image.resize`, which torchvision uses for pictures.
 */
export function resample(image: Image, height: number, width: number, interpolation: Interpolation): Image {
  const kernel = KERNELS[interpolation];
  const horizontal = weightsFor(image.width, width, kernel);
  const vertical = weightsFor(image.height, height, kernel);
  const rows = alongRows(image, width, horizontal);
  return alongColumns(rows, image.height, height, width, image.channels, vertical);
}

const HALF = 1 << (PRECISION - 1);

/** image [H, W, C] → bytes [H, width, C] */
function alongRows(image: Image, width: number, { taps, starts, counts, weights }: Weights): Uint8ClampedArray {
  const { data, channels, offset, height } = image;
  const [sC, sH, sW] = image.strides;
  const out = new Uint8ClampedArray(height * width * channels);
  for (let x = 0; x < width; x++) {
    const first = offset + starts[x]! * sW;
    const begin = x * taps;
    const end = begin + counts[x]!;
    for (let y = 0; y < height; y++) {
      let o = (y * width + x) * channels;
      for (let c = 0; c < channels; c++) {
        let sum = HALF;
        for (let t = begin, i = first + y * sH + c * sC; t < end; t++, i += sW) {
          sum = (sum + Math.imul(data[i]!, weights[t]!)) | 0;
        }
        out[o++] = sum >> PRECISION;
      }
    }
  }
  return out;
}

/** bytes [H, width, C] → image [height, width, C] */
function alongColumns(
  rows: Uint8ClampedArray,
  from: number,
  height: number,
  width: number,
  channels: number,
  { taps, starts, counts, weights }: Weights,
): Image {
  const length = width * channels;
  const bytes = new ArrayBuffer(height * length);
  const out = new Uint8ClampedArray(bytes);
  if (from === height) {
    out.set(rows);
  } else {
    const sums = new Int32Array(length);
    for (let y = 0; y < height; y++) {
      sums.fill(HALF);
      for (let t = 0; t < counts[y]!; t++) {
        const weight = weights[y * taps + t]!;
        const row = (starts[y]! + t) * length;
        for (let i = 0; i < length; i++) sums[i]! += Math.imul(rows[row + i]!, weight);
      }
      for (let i = 0; i < length; i++) out[y * length + i] = sums[i]! >> PRECISION;
    }
  }
  return interleaved(new Uint8Array(bytes), height, width, channels);
}

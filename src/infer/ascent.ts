import { Random } from "../random.ts";

/** Share of the image that each step takes away, so that only what the channel wants stays. */
const DECAY = 0.01;
/** Pixels by which the image is shifted at most, in each direction, so that no pattern locks to the grid of the strides. */
const SHIFT = 4;

type Shape = readonly [C: number, H: number, W: number];

/** The noise that gradient ascent starts from. */
export function noise([C, H, W]: Shape, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: C * H * W }, () => random.normal() * 0.1);
}

/** Shifts of each step, the same for a seed. */
export function shifts(steps: number, seed: number): readonly (readonly [number, number])[] {
  const random = new Random(seed, "shifts");
  const shift = () => random.integer(2 * SHIFT + 1) - SHIFT;
  return Array.from({ length: steps }, () => [shift(), shift()] as const);
}

/** The image moved down and to the right; what leaves it comes in at the other side. */
export function rolled(image: Float32Array, [C, H, W]: Shape, [down, right]: readonly [number, number]): Float32Array {
  const result = new Float32Array(image.length);
  for (let c = 0; c < C; c++)
    for (let y = 0; y < H; y++) {
      const to = (c * H + ((y + down + H) % H)) * W;
      const from = (c * H + y) * W;
      for (let x = 0; x < W; x++) result[to + ((x + right + W) % W)] = image[from + x]!;
    }
  return result;
}

/** One step uphill: along the gradient, smoothed by a 3×3 binomial filter and scaled to the same length in each step. */
export function climb(image: Float32Array, gradient: Float32Array, shape: Shape, rate: number): Float32Array {
  const smooth = smoothed(gradient, shape);
  const squares = smooth.reduce((sum, value) => sum + value * value, 0);
  const scale = rate / (Math.sqrt(squares / smooth.length) + 1e-12);
  return image.map((value, i) => value * (1 - DECAY) + smooth[i]! * scale);
}

function smoothed(image: Float32Array, [C, H, W]: Shape): Float32Array {
  const pass = (from: Float32Array, step: number, length: number, at: (i: number) => number) =>
    from.map((value, i) => {
      const position = at(i);
      const before = position > 0 ? from[i - step]! : value;
      const after = position < length - 1 ? from[i + step]! : value;
      return 0.25 * before + 0.5 * value + 0.25 * after;
    });
  const rows = pass(image, 1, W, (i) => i % W);
  return C * H * W === 0 ? rows : pass(rows, W, H, (i) => Math.floor(i / W) % H);
}

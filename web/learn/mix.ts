/** A 1×1 convolution on a generated image, small enough to be computed as the slider moves. */
import { Random, shapes } from "convnets";

export const SIDE = 32;
export const PIXELS = SIDE * SIDE;
/** An image whose channels differ. */
const [SEED, INDEX] = [4, 6] as const;

/** Red, green and blue of an image, each pixel 0 … 1; `order` puts other pixels in their places. */
function channels(order?: Uint32Array): readonly Float32Array[] {
  const { data, offset, strides } = shapes({ length: 10, size: SIDE, seed: SEED }).get(INDEX).image;
  const byte = (c: number, i: number) =>
    data[offset + c * strides[0] + Math.floor(i / SIDE) * strides[1] + (i % SIDE) * strides[2]]!;
  return [0, 1, 2].map((c) => Float32Array.from({ length: PIXELS }, (_, i) => byte(c, order?.[i] ?? i) / 255));
}

/** One place for each pixel, at random. */
const order = new Random(1, "shuffle").permutation(PIXELS);
const images = { plain: channels(), shuffled: channels(order) };

/** y [H, W] = Σ weight · channel: at each pixel, and from nothing but that pixel. */
export function mixed(image: readonly Float32Array[], weights: readonly number[]): Float32Array {
  return Float32Array.from({ length: PIXELS }, (_, i) =>
    image.reduce((sum, channel, c) => sum + weights[c]! * channel[i]!, 0),
  );
}

/** The image, what the weights make of it, and how many pixels keep their number when all are shuffled. */
export function mixture(weights: readonly number[], isShuffled: boolean) {
  const plain = mixed(images.plain, weights);
  const shuffled = mixed(images.shuffled, weights);
  const same = shuffled.reduce((count, value, i) => count + (value === plain[order[i]!] ? 1 : 0), 0);
  return isShuffled ? { image: images.shuffled, output: shuffled, same } : { image: images.plain, output: plain, same };
}

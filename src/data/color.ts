/**
 * Colours of images, with the names of `torchvision.transforms.functional` and the arithmetic that it has for PIL
 * images: float32, rounded down to bytes after each step.
 */
import { type Image, interleaved, toInterleaved } from "./image.ts";

const { fround } = Math;

/** PIL's luma of a pixel, ITU-R 601-2 in 16-bit fixed point. */
function luma(r: number, g: number, b: number): number {
  return (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16;
}

/** One byte per pixel, the luma: [H, W, 3] → [H, W]. */
function lumas(image: Image): Uint8Array {
  const pixels = toInterleaved(image);
  if (image.channels === 1) return pixels;
  const out = new Uint8Array(image.height * image.width);
  for (let i = 0, p = 0; i < out.length; i++, p += 3) out[i] = luma(pixels[p]!, pixels[p + 1]!, pixels[p + 2]!);
  return out;
}

/** The image without colour, as one channel or as three that are equal. */
export function rgbToGrayscale(image: Image, outputChannels: 1 | 3 = 1): Image {
  checkChannels("rgbToGrayscale", image);
  const grey = lumas(image);
  const { height, width } = image;
  if (outputChannels === 1) return interleaved(grey, height, width, 1);
  return { data: grey, channels: 3, height, width, offset: 0, strides: [0, width, 1] };
}

/** The line from `degenerate` (factor 0) through `value` (factor 1), cut to a byte. */
function blend(degenerate: number, value: number, factor: number): number {
  const x = fround(degenerate + fround(factor * (value - degenerate)));
  return x <= 0 ? 0 : x >= 255 ? 255 : Math.trunc(x);
}

function mapBytes(image: Image, table: (value: number) => number): Image {
  const values = Uint8Array.from({ length: 256 }, (_, value) => table(value));
  const pixels = toInterleaved(image);
  const out = new Uint8Array(pixels.length);
  for (let i = 0; i < out.length; i++) out[i] = values[pixels[i]!]!;
  return interleaved(out, image.height, image.width, image.channels);
}

/** 0 is black, 1 the image, 2 twice as bright. */
export function adjustBrightness(image: Image, factor: number): Image {
  factor = fround(factor);
  return mapBytes(image, (value) => blend(0, value, factor));
}

/** 0 is the mean luma everywhere, 1 the image. */
export function adjustContrast(image: Image, factor: number): Image {
  checkChannels("adjustContrast", image);
  const grey = lumas(image);
  let sum = 0;
  for (const value of grey) sum += value;
  const mean = Math.trunc(sum / grey.length + 0.5);
  factor = fround(factor);
  return mapBytes(image, (value) => blend(mean, value, factor));
}

/** 0 is grey, 1 the image. An image of one channel stays as it is. */
export function adjustSaturation(image: Image, factor: number): Image {
  checkChannels("adjustSaturation", image);
  if (image.channels === 1) return image;
  const pixels = toInterleaved(image);
  const out = new Uint8Array(pixels.length);
  factor = fround(factor);
  for (let p = 0; p < out.length; p += 3) {
    const grey = luma(pixels[p]!, pixels[p + 1]!, pixels[p + 2]!);
    for (let c = p; c < p + 3; c++) out[c] = blend(grey, pixels[c]!, factor);
  }
  return interleaved(out, image.height, image.width, 3);
}

/**
 * Turns the hue by `factor` of a full circle, −0.5 … 0.5. An image of one channel stays as it is.
 *
 * Through PIL's HSV of three bytes, which loses a little: 0 does not give every pixel back, neither there nor here.
 */
export function adjustHue(image: Image, factor: number): Image {
  checkChannels("adjustHue", image);
  if (!(factor >= -0.5 && factor <= 0.5)) throw new Error(`adjustHue: factor must be in [-0.5, 0.5], got ${factor}`);
  if (image.channels === 1) return image;
  const pixels = toInterleaved(image);
  const out = new Uint8Array(pixels.length);
  const turn = Math.trunc(factor * 255);
  for (let p = 0; p < out.length; p += 3) turnHue(pixels, out, p, turn);
  return interleaved(out, image.height, image.width, 3);
}

/** RGB → HSV (bytes) → hue + turn → RGB, at position p. Source: the hexcone model, rounded where PIL rounds. */
function turnHue(pixels: Uint8Array, out: Uint8Array, p: number, turn: number): void {
  const r = pixels[p]!;
  const g = pixels[p + 1]!;
  const b = pixels[p + 2]!;
  const value = Math.max(r, g, b);
  const range = value - Math.min(r, g, b);
  const saturation = range === 0 ? 0 : Math.trunc(fround(range / value) * 255);
  if (saturation === 0) {
    out[p] = out[p + 1] = out[p + 2] = value;
    return;
  }
  const distance = (channel: number) => fround((value - channel) / range);
  const sector =
    r === value
      ? fround(distance(b) - distance(g))
      : g === value
        ? fround(2 + distance(r) - distance(b))
        : fround(4 + distance(g) - distance(r));
  const circle = sector / 6 < 0 ? sector / 6 + 1 : sector / 6 + 1 - 1; // PIL adds 1 to both, and rounds so
  const hue = (Math.trunc(fround(circle) * 255) + turn) & 255;

  const sixth = Math.floor((hue * 6) / 255);
  const rest = fround((hue * 6) / 255 - sixth);
  const strength = fround(saturation / 255);
  const low = Math.round(value * (1 - strength));
  const falling = Math.round(value * (1 - strength * rest));
  const rising = Math.round(value * (1 - strength * (1 - rest)));
  // Six sectors of the circle: which of red, green and blue is highest, lowest, and on its way.
  const turned = sixth % 6;
  out[p] = pick(turned, value, falling, low, low, rising, value);
  out[p + 1] = pick(turned, rising, value, value, falling, low, low);
  out[p + 2] = pick(turned, low, low, rising, value, value, falling);
}

/** The argument at a position, without an array for each pixel. */
function pick(index: number, a: number, b: number, c: number, d: number, e: number, f: number): number {
  return index < 3 ? (index === 0 ? a : index === 1 ? b : c) : index === 3 ? d : index === 4 ? e : f;
}

function checkChannels(what: string, { channels }: Image): void {
  if (channels !== 1 && channels !== 3)
    throw new Error(`${what}: needs 1 or 3 channels, but the image has ${channels}`);
}

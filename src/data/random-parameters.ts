/** What the random transforms draw: torchvision's distributions, from our generator. */
import type { Random } from "../random.ts";
import { adjustBrightness, adjustContrast, adjustHue, adjustSaturation } from "./color.ts";
import { type Box, roundHalfToEven } from "./geometry.ts";
import type { Image } from "./image.ts";

type Range = readonly [low: number, high: number];

function uniform(random: Random, [low, high]: Range): number {
  return low + (high - low) * random.uniform();
}

/** A box of random area (a part of the image's) and aspect ratio (uniform in its logarithm). */
function randomBox(
  area: number,
  { scale, ratio }: { readonly scale: Range; readonly ratio: Range },
  random: Random,
): { wide: number; narrow: number } {
  const target = area * uniform(random, scale);
  const aspect = Math.exp(uniform(random, [Math.log(ratio[0]), Math.log(ratio[1])]));
  return {
    wide: roundHalfToEven(Math.sqrt(target * aspect)),
    narrow: roundHalfToEven(Math.sqrt(target / aspect)),
  };
}

/**
 * The crop of RandomResizedCrop: ten tries, then the largest central crop within the aspect ratios.
 *
 * Source: torchvision's `RandomResizedCrop.get_params`; Szegedy et al. 2015, section 6, for the numbers.
 */
export function resizedCropBox(
  { height: H, width: W }: Pick<Image, "height" | "width">,
  options: { readonly scale: Range; readonly ratio: Range },
  random: Random,
): Box {
  for (let attempt = 0; attempt < 10; attempt++) {
    const { wide: width, narrow: height } = randomBox(H * W, options, random);
    if (width > 0 && width <= W && height > 0 && height <= H) {
      return { top: random.integer(H - height + 1), left: random.integer(W - width + 1), height, width };
    }
  }
  const [low, high] = options.ratio;
  const width = W / H > high ? Math.max(1, roundHalfToEven(H * high)) : W;
  const height = W / H < low ? Math.max(1, roundHalfToEven(W / low)) : H;
  return { top: (H - height) >> 1, left: (W - width) >> 1, height, width };
}

/** The box of RandomErasing; undefined where ten tries found none that is smaller than the image both ways. */
export function erasedBox(
  [, H, W]: readonly [C: number, H: number, W: number],
  options: { readonly scale: Range; readonly ratio: Range },
  random: Random,
): Box | undefined {
  for (let attempt = 0; attempt < 10; attempt++) {
    const { wide: height, narrow: width } = randomBox(H * W, options, random);
    if (height < H && width < W) {
      return { top: random.integer(H - height + 1), left: random.integer(W - width + 1), height, width };
    }
  }
  return undefined;
}

export interface ColorJitterOptions {
  readonly brightness: number | Range;
  readonly contrast: number | Range;
  readonly saturation: number | Range;
  readonly hue: number | Range;
}

/** The four adjustments in random order. A number x stands for factors in [max(0, 1 − x), 1 + x], and of hue in [−x, x]. */
export function colorJitter(image: Image, options: ColorJitterOptions, random: Random): Image {
  const around = (x: number | Range, center: number): Range =>
    typeof x === "number" ? [center === 0 ? -x : Math.max(0, center - x), center + x] : x;
  const adjustments = [
    { adjust: adjustBrightness, range: around(options.brightness, 1), neutral: 1 },
    { adjust: adjustContrast, range: around(options.contrast, 1), neutral: 1 },
    { adjust: adjustSaturation, range: around(options.saturation, 1), neutral: 1 },
    { adjust: adjustHue, range: around(options.hue, 0), neutral: 0 },
  ];
  for (const i of random.permutation(adjustments.length)) {
    const { adjust, range, neutral } = adjustments[i]!;
    if (range[0] === neutral && range[1] === neutral) continue;
    image = adjust(image, uniform(random, range));
  }
  return image;
}

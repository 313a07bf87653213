/** Colors of numbers: red, green and blue from 0 to 255. */
export type Rgb = readonly [red: number, green: number, blue: number];

/** Viridis of Matplotlib (Smith and van der Walt, CC0) at seventeen places, between which it is all but straight. */
const VIRIDIS: readonly Rgb[] =
  "440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c 1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725"
    .split(" ")
    .map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)) as unknown as Rgb);

const NEUTRAL = { light: [244, 245, 247], dark: [32, 39, 49] } as const satisfies Record<string, Rgb>;
const ENDS = {
  light: { below: [39, 96, 189], above: [201, 84, 26] },
  dark: { below: [110, 163, 242], above: [240, 147, 90] },
} as const satisfies Record<string, { below: Rgb; above: Rgb }>;

const between = (a: Rgb, b: Rgb, share: number) =>
  [0, 1, 2].map((i) => a[i]! + (b[i]! - a[i]!) * share) as unknown as Rgb;

/** A number from 0 to 1 as a color from violet to yellow that is brighter for larger numbers, for everybody who sees. */
export function viridis(share: number): Rgb {
  const at = Math.min(1, Math.max(0, share)) * (VIRIDIS.length - 1);
  const from = Math.min(VIRIDIS.length - 2, Math.floor(at));
  return between(VIRIDIS[from]!, VIRIDIS[from + 1]!, at - from);
}

/** A number from −1 to 1 around a neutral middle: blue below zero, orange above. */
export function diverging(value: number, theme: "light" | "dark" = "light"): Rgb {
  const end = value < 0 ? ENDS[theme].below : ENDS[theme].above;
  return between(NEUTRAL[theme], end, Math.min(1, Math.abs(value)));
}

/** How numbers become colors: around zero if some are below it, else from 0 to the largest. */
export interface ColorScale {
  readonly signed: boolean;
  /** The number with the strongest color. */
  readonly most: number;
  color(value: number): Rgb;
}

/** The scale of numbers: their largest magnitude, or with `most` another one, gets the strongest color. */
export function colorScale(
  numbers: ArrayLike<number>,
  { theme = "light", signed, most }: { theme?: "light" | "dark"; signed?: boolean; most?: number } = {},
): ColorScale {
  let [least, largest] = [0, 0];
  for (let i = 0; i < numbers.length; i++) {
    least = Math.min(least, numbers[i]!);
    largest = Math.max(largest, numbers[i]!);
  }
  const isSigned = signed ?? least < 0;
  const end = most ?? (Math.max(largest, isSigned ? -least : 0) || 1);
  return {
    signed: isSigned,
    most: end,
    color: (value) => (isSigned ? diverging(value / end, theme) : viridis(value / end)),
  };
}

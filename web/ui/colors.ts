/** Colors of numbers. */

type Color = readonly [red: number, green: number, blue: number];

const NEUTRAL = { light: [244, 245, 247], dark: [32, 39, 49] } as const satisfies Record<string, Color>;
const ENDS = {
  light: { below: [39, 96, 189], above: [201, 84, 26] },
  dark: { below: [110, 163, 242], above: [240, 147, 90] },
} as const satisfies Record<string, { below: Color; above: Color }>;

/** A number from −1 to 1 around a neutral middle: blue below zero, orange above. */
export function diverging(value: number, theme: "light" | "dark"): Color {
  const end = value < 0 ? ENDS[theme].below : ENDS[theme].above;
  const part = Math.min(1, Math.abs(value));
  const middle = NEUTRAL[theme];
  return [0, 1, 2].map((i) => middle[i]! + (end[i]! - middle[i]!) * part) as unknown as Color;
}

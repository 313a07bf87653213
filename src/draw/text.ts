/*
 * How wide a text will be. The reader's font is not known, so widths are those of DejaVu Sans, which is wider than the
 * other usual ones; what fits by this measure fits everywhere.
 */

/** Characters by width in hundredths of the font's size. */
const WIDTHS: readonly (readonly [width: number, characters: string])[] = [
  [30, "ijlIJ'"],
  [36, "f/-\\ .,:;|·"],
  [46, 'rt()[]!"'],
  [58, "szckL?*F`_"],
  [65, "abdeghnopquvxy0123456789SPYTEK{}$"],
  [72, "ACVBRXZ"],
  [84, "DGHNOQUw&#×→+−=<>÷~^"],
  [100, "mMW%@…"],
];

const WIDTH = new Map(WIDTHS.flatMap(([width, characters]) => [...characters].map((character) => [character, width])));

const BOLD = 1.14;

/** Width of a text in pixels, in a font of this size in pixels. */
export function textWidth(text: string, size: number, bold = false): number {
  let hundredths = 0;
  for (const character of text) hundredths += WIDTH.get(character) ?? 100;
  return (hundredths / 100) * size * (bold ? BOLD : 1);
}

/** The text, cut where it would be wider than there is room for. */
export function fitText(text: string, room: number, size: number, bold = false): string {
  if (textWidth(text, size, bold) <= room) return text;
  const characters = [...text];
  while (characters.length > 0 && textWidth(`${characters.join("")}…`, size, bold) > room) characters.pop();
  return characters.length === 0 ? "" : `${characters.join("")}…`;
}

const UNITS = [
  [1e12, "T"],
  [1e9, "G"],
  [1e6, "M"],
  [1e3, "k"],
] as const;

/** Three digits and a unit: 138.4 M. */
export function short(count: number): string {
  const found = UNITS.find(([size]) => count >= size * 0.9995);
  if (!found) return String(count);
  const [size, unit] = found;
  return `${(count / size).toPrecision(3)} ${unit}`;
}

/** 192×28×28 */
export function shapeText(shape: readonly (number | string)[]): string {
  return shape.join("×");
}

/*
 * How wide a text is, by the widths of DejaVu Sans, which are those of Verdana as well: no other common sans-serif font is wider, so
 * that texts fit their places in whatever font the reader has.
 */

export const FONTS = 'Helvetica,Arial,"Liberation Sans",sans-serif';

/** Characters by width in thousandths of the font's size. */
const WIDTHS: readonly (readonly [width: number, characters: string])[] = [
  [278, "'ijl"],
  [318, " ,.·IJ"],
  [337, "/:;\\|f"],
  [361, "-"],
  [392, "()[]t"],
  [411, "!r"],
  [500, '*_`"s'],
  [531, "?z"],
  [557, "cL"],
  [592, "vxyFk"],
  [615, "PTYoae"],
  [636, "EhnuSbdgpq$0123456789{}"],
  [698, "KAVXZBRC"],
  [752, "UNH"],
  [787, "DG&OQ"],
  [838, "w#+<=>^~÷×−→"],
  [863, "M"],
  [989, "%mW"],
];

const WIDTH = new Map(WIDTHS.flatMap(([width, characters]) => [...characters].map((character) => [character, width])));

/** Width of characters that are not in the table, such as Chinese ones and the ellipsis. */
const FULL = 1000;
/** Bold letters are wider by about this factor. */
const BOLD = 1.14;

/** Width of a text in pixels, for a font size in pixels. */
export function textWidth(text: string, size: number, bold = false): number {
  let width = 0;
  for (const character of text) width += WIDTH.get(character) ?? FULL;
  return (width / 1000) * size * (bold ? BOLD : 1);
}

/** The text, shortened with an ellipsis if it is wider than the room in pixels. */
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

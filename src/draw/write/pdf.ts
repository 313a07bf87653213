import type { Scene, Text } from "../layout/scene.ts";
import type { Segment } from "../paint/segments.ts";
import { type Stroke, strokesOf } from "../paint/strokes.ts";
import { palette } from "../paint/theme.ts";

/*
 * A page of PDF 1.7 (ISO 32000-1) that is as large as its drawing. Texts are set in Helvetica, which every viewer has, so that nothing
 * is embedded; what its encoding lacks, such as Chinese names, in a font that viewers replace by one of theirs.
 */

/** Points of a page for each pixel. */
const POINTS = 0.75;

/** Characters of Helvetica by width in thousandths of the font's size (Adobe's font metrics); all others are as wide as digits. */
const HELVETICA: readonly (readonly [width: number, characters: string])[] = [
  [191, "'"],
  [222, "ijl"],
  [278, "ftI!,./:;[\\] ·"],
  [260, "|"],
  [333, "r()-`"],
  [355, '"'],
  [389, "*"],
  [500, "cksvxyzJ"],
  [584, "+<=>~×−÷"],
  [611, "FTZ"],
  [667, "ABEKPSVXY&"],
  [722, "wCDHNRU"],
  [778, "GOQ"],
  [833, "mM"],
  [889, "%"],
  [944, "W"],
  [1000, "…"],
];
const WIDTH = new Map(HELVETICA.flatMap(([width, characters]) => [...characters].map((one) => [one, width])));
const [DIGIT, FULL, BOLD] = [556, 1000, 1.07] as const;

/** Characters that Windows-1252 has elsewhere than Unicode. */
const WINDOWS = new Map([
  ["…", 0x85],
  ["–", 0x96],
  ["—", 0x97],
  ["−", 0x96],
]);

/** A scene as a PDF document of one page. */
export function pdf(scene: Scene, title: string, theme: "light" | "dark"): Uint8Array<ArrayBuffer> {
  const colors = palette(theme);
  const { strokes, texts } = strokesOf(scene, theme);
  const [width, height] = [POINTS * scene.width, POINTS * scene.height];
  const opacities = [...new Set(strokes.flatMap(({ opacity }) => opacity ?? []))];
  const content = [
    `${POINTS} 0 0 -${POINTS} 0 ${n(height)} cm`,
    ...strokes.map((stroke) => painted(stroke, opacities)),
    ...texts.map((text) => written(text, text.tone === "muted" ? colors.muted : colors.ink)),
  ].join("\n");
  const font = (name: string) => `<</Type/Font/Subtype/Type1/BaseFont/${name}/Encoding/WinAnsiEncoding>>`;
  const states = opacities.map((opacity, i) => `/A${i}<</ca ${opacity}>>`).join("");
  return document([
    "<</Type/Catalog/Pages 2 0 R>>",
    "<</Type/Pages/Kids[3 0 R]/Count 1>>",
    `<</Type/Page/Parent 2 0 R/MediaBox[0 0 ${n(width)} ${n(height)}]/Contents 4 0 R/Resources<</Font<</F0 5 0 R/F1 6 0 R/F2 7 0 R>>/ExtGState<<${states}>>>>>>`,
    `<</Length ${content.length}>>stream\n${content}\nendstream`,
    font("Helvetica"),
    font("Helvetica-Bold"),
    "<</Type/Font/Subtype/Type0/BaseFont/STSong-Light/Encoding/UniGB-UCS2-H/DescendantFonts[8 0 R]>>",
    "<</Type/Font/Subtype/CIDFontType0/BaseFont/STSong-Light/CIDSystemInfo<</Registry(Adobe)/Ordering(GB1)/Supplement 4>>/DW 1000/FontDescriptor 9 0 R>>",
    "<</Type/FontDescriptor/FontName/STSong-Light/Flags 4/FontBBox[-25 -254 1000 880]/ItalicAngle 0/Ascent 880/Descent -120/CapHeight 880/StemV 93>>",
    `<</Title<feff${hexOf(title)}>/Producer(convnets)>>`,
  ]);
}

/** Objects with their table of positions; the last one is the document's information. Everything is ASCII. */
function document(objects: readonly string[]): Uint8Array<ArrayBuffer> {
  let text = "%PDF-1.7\n";
  const places = objects.map((object, i) => {
    const place = text.length;
    text += `${i + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(place).padStart(10, "0")} 00000 n \n`;
  });
  const count = objects.length + 1;
  const table = `xref\n0 ${count}\n0000000000 65535 f \n${places.join("")}`;
  const trailer = `trailer\n<</Size ${count}/Root 1 0 R/Info ${objects.length} 0 R>>\nstartxref\n${text.length}\n%%EOF\n`;
  return new TextEncoder().encode(text + table + trailer);
}

/** A number with at most two decimals. */
const n = (value: number): string => String(Math.round(value * 100) / 100);
const at = ([x, y]: readonly [number, number]): string => `${n(x)} ${n(y)}`;

/** Red, green and blue from 0 to 1. */
const rgb = (hex: string): string => [1, 3, 5].map((i) => n(Number.parseInt(hex.slice(i, i + 2), 16) / 255)).join(" ");

function painted({ segments, fill, opacity, stroke, width, dashed }: Stroke, opacities: readonly number[]): string {
  const state = [
    ...(opacity === undefined ? [] : [`/A${opacities.indexOf(opacity)} gs`]),
    ...(fill ? [`${rgb(fill)} rg`] : []),
    ...(stroke ? [`${rgb(stroke)} RG ${width} w`] : []),
    ...(dashed ? ["[3 2] 0 d"] : []),
  ];
  return ["q", ...state, ...segments.map(operation), fill && stroke ? "B" : fill ? "f" : "S", "Q"].join(" ");
}

function operation(segment: Segment): string {
  if (segment.kind === "close") return "h";
  if (segment.kind === "move") return `${at(segment.to)} m`;
  if (segment.kind === "line") return `${at(segment.to)} l`;
  return `${segment.controls.map(at).join(" ")} ${at(segment.to)} c`;
}

interface Run {
  readonly font: string;
  readonly hex: string;
}

function written({ x, y, text, size, tone, anchor, turned }: Text, color: string): string {
  const bold = tone === "bold";
  const width = (widthOf(text) / 1000) * size * (bold ? BOLD : 1);
  const before = anchor === "middle" ? width / 2 : anchor === "end" ? width : 0;
  const matrix = turned ? `0 -1 -1 0 ${at([x, y + before])}` : `1 0 0 -1 ${at([x - before, y])}`;
  const shown = runsOf(text, bold).map(({ font, hex }) => `/${font} ${size} Tf <${hex}> Tj`);
  return `BT ${rgb(color)} rg ${matrix} Tm ${shown.join(" ")} ET`;
}

function codeOf(character: string): number | undefined {
  const code = character.codePointAt(0)!;
  return WINDOWS.get(character) ?? ((code >= 0x20 && code < 0x7f) || (code > 0xa0 && code <= 0xff) ? code : undefined);
}

const widthOf = (text: string): number =>
  [...clean(text)].reduce(
    (sum, character) => sum + (WIDTH.get(character) ?? (codeOf(character) === undefined ? FULL : DIGIT)),
    0,
  );

/** Without what has no glyph; characters beyond the basic plane become question marks. */
const clean = (text: string): string => text.replaceAll(/\p{Cc}/gu, " ").replaceAll(/[\u{10000}-\u{10ffff}]/gu, "?");

function runsOf(text: string, bold: boolean): Run[] {
  const runs: Run[] = [];
  for (const character of clean(text)) {
    const code = codeOf(character);
    const font = code === undefined ? "F2" : bold ? "F1" : "F0";
    const hex = code === undefined ? hexOf(character) : code.toString(16).padStart(2, "0");
    const last = runs.at(-1);
    if (last?.font === font) runs[runs.length - 1] = { font, hex: last.hex + hex };
    else runs.push({ font, hex });
  }
  return runs;
}

/** UTF-16, big-endian. */
const hexOf = (text: string): string =>
  Array.from({ length: text.length }, (_, i) => text.charCodeAt(i).toString(16).padStart(4, "0")).join("");

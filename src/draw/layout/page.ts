import type { Kind } from "../read/layers.ts";
import { fitText, textWidth } from "../text.ts";
import { padded } from "./compose.ts";
import { FONT, MARGIN, PAGE_WIDTH } from "./measure.ts";
import type { Box, Scene, Text } from "./scene.ts";

/** What the legend calls each kind of layer, in its order. */
export const KINDS = {
  conv: "convolution",
  pointwise: "1×1 convolution",
  linear: "fully connected",
  pool: "pooling",
  norm: "normalization",
  activation: "activation",
  softmax: "softmax",
  dropout: "dropout",
  join: "concatenation, sum",
  other: "other",
} as const satisfies Record<Kind, string>;

const TITLE = 17;
const SWATCH = { width: 16, height: 11, text: 22, between: 18 } as const;

/** Puts a headline and facts above a scene, and a legend of the colors below. */
export function withTitleAndLegend(
  scene: Scene,
  title: string,
  facts: string,
  names: Readonly<Record<string, string>> = KINDS,
): Scene {
  const entries = legendOf(scene, names);
  const nameOf = (kind: Kind) => names[kind]!;
  const rows: { kind: Kind; x: number }[][] = [[]];
  let x = 0;
  const widthOf = (kind: Kind) => SWATCH.text + textWidth(nameOf(kind), FONT.text) + SWATCH.between;
  const least = Math.max(textWidth(facts, FONT.text), Math.min(textWidth(title, TITLE, true), PAGE_WIDTH));
  const inner = Math.max(
    scene.width,
    least,
    Math.min(
      420,
      entries.reduce((sum, kind) => sum + widthOf(kind), 0),
    ),
  );
  for (const kind of entries) {
    if (x > 0 && x + widthOf(kind) - SWATCH.between > inner) {
      rows.push([]);
      x = 0;
    }
    rows.at(-1)!.push({ kind, x });
    x += widthOf(kind);
  }
  const head = MARGIN + 52;
  const foot = entries.length === 0 ? MARGIN : MARGIN + 10 + 20 * rows.length;
  const page = padded(scene, inner + 2 * MARGIN, head, foot);
  const text = (words: string, x: number, y: number, rest: Partial<Text> = {}): Text => ({
    x,
    y,
    text: words,
    size: FONT.text,
    tone: "plain",
    anchor: "start",
    room: inner,
    ...rest,
  });
  const top = page.height - MARGIN - 20 * (rows.length - 1);
  const legend = rows.flatMap((row, r) => row.map(({ kind, x }) => ({ kind, x: MARGIN + x, y: top + 20 * r })));
  return {
    ...page,
    texts: [
      text(fitText(title, inner, TITLE, true), MARGIN, MARGIN + 16, { size: TITLE, tone: "bold" }),
      text(facts, MARGIN, MARGIN + 36, { tone: "muted" }),
      ...page.texts,
      ...legend.map(({ kind, x, y }) => text(nameOf(kind), x + SWATCH.text, y)),
    ],
    legend: legend.map(({ kind, x, y }) => ({ kind, x, y: y - 10, width: SWATCH.width, height: SWATCH.height })),
  };
}

/** The kinds that are visible, in the order of the legend; blocks and frames have no color of their own. */
function legendOf(scene: Scene, names: Readonly<Record<string, string>>): Kind[] {
  const seen = new Set<Kind>();
  const look = ({ item, miniature = [], form }: Box): void => {
    if (form !== "frame" && item.kind) seen.add(item.kind);
    for (const { kind } of item.folded) seen.add(kind);
    miniature.forEach(look);
  };
  scene.boxes.forEach(look);
  return (Object.keys(names) as Kind[]).filter((kind) => seen.has(kind));
}

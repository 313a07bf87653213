import type { Graph, Shape } from "../graph/index.ts";
import type { Module, Trace } from "../nn/index.ts";
import { checkDrawing, type DrawOptions, sourceOf, titleOf } from "./draw.ts";
import { flowScene, padded } from "./layout/compose.ts";
import { FONT } from "./layout/measure.ts";
import { withTitleAndLegend } from "./layout/page.ts";
import type { Box, Scene, Text } from "./layout/scene.ts";
import { svg } from "./paint/svg.ts";
import { compareItems, type Mark } from "./read/compare.ts";
import { factsOf } from "./read/facts.ts";
import { blocksTo, type Item, itemsOf, nestedItemsOf } from "./read/items.ts";
import type { Kind } from "./read/layers.ts";
import { type Network, networkOf } from "./read/parts.ts";
import { fitText } from "./text.ts";
import { pdf } from "./write/pdf.ts";
import { tikz } from "./write/tikz.ts";

type Drawn = Module | Trace | Graph;

/** Options of `drawDiff`. */
export interface DiffOptions extends DrawOptions {
  /** What the networks are called. Default: their names. */
  names?: readonly [first: string, second: string];
  /** Shape of the second network's input. Default: that of the first. */
  otherInput?: Shape;
  /** Default `"svg"`. */
  format?: "svg" | "pdf" | "tex";
}

const BETWEEN = 34;

/**
 * Draws two networks one above the other and colors what they share and where they part: layers and blocks that are in both, that
 * changed (another kernel, width or activation), and that only one of them has. Names of layers and sizes of maps do not count.
 *
 *     const svg = drawDiff(createModel("resnet18"), createModel("resnet34"), { input: [1, 3, 224, 224] });
 *
 * Throws as `draw` does.
 */
export function drawDiff(first: Drawn, second: Drawn, options?: DiffOptions & { format?: "svg" | "tex" }): string;
export function drawDiff(
  first: Drawn,
  second: Drawn,
  options: DiffOptions & { format: "pdf" },
): Uint8Array<ArrayBuffer>;
export function drawDiff(first: Drawn, second: Drawn, options: DiffOptions = {}): string | Uint8Array<ArrayBuffer> {
  checkDrawing("drawDiff", options, ["names", "otherInput", "format"]);
  const { level = "layer", depth, theme = "auto", format = "svg", input, otherInput = input } = options;
  const names = options.names ?? [titleOf(first), titleOf(second)];
  const { title = `${names[0]} and ${names[1]}` } = options;
  const networks = [
    networkOf(sourceOf("drawDiff", first, options)),
    networkOf(sourceOf("drawDiff", second, { ...options, ...(otherInput && { input: otherInput }) })),
  ] as const;
  const items = networks.map((network) =>
    depth === undefined ? itemsOf(network, level) : nestedItemsOf(network, blocksTo(network, depth)),
  ) as [Item[], Item[]];
  const open = depth === undefined && level === "layer";
  const marks = compareItems(...items, open);
  const above = flowScene(items[0], { open, ...(options.direction && { direction: options.direction }) });
  const below = flowScene(items[1], { open, direction: above.direction });
  const halves = [above, below].map((scene, i) => named(marked(scene, marks), names[i]!, networks[i]!));
  const legend = { same: "in both", changed: "changed", first: `only in ${names[0]}`, second: `only in ${names[1]}` };
  const scene = withTitleAndLegend(stacked(halves[0]!, halves[1]!), title, countsOf(marks), legend);
  const painted = theme === "dark" ? "dark" : "light";
  if (format === "pdf") return pdf(scene, title, painted);
  if (format === "tex") return tikz(scene, title, painted);
  return svg(scene, { theme, title, description: `Two neural networks compared. ${countsOf(marks)}.`, diff: true });
}

function countsOf(marks: ReadonlyMap<Item, Mark>): string {
  const count = (wanted: Mark) =>
    [...marks].filter(([{ role }, mark]) => mark === wanted && (role === "layer" || role === "block")).length;
  // what both have is drawn twice
  return [
    `${Math.round(count("same") / 2)} in both`,
    `${Math.round(count("changed") / 2)} changed`,
    `${count("first")} only in the first`,
    `${count("second")} only in the second`,
  ].join("  ·  ");
}

/** Boxes in the color of what becomes of them, instead of that of their family; the sheet of a diff knows these as kinds. */
function marked(scene: Scene, marks: ReadonlyMap<Item, Mark>): Scene {
  const box = (one: Box, mark: Mark | undefined): Box => {
    if (!mark || one.form === "frame") return one;
    const kind = mark as unknown as Kind;
    const item = { ...one.item, kind, folded: one.item.folded.map((face) => ({ ...face, kind })) };
    return { ...one, item, ...(one.miniature && { miniature: one.miniature.map((small) => box(small, mark)) }) };
  };
  return { ...scene, boxes: scene.boxes.map((one) => box(one, marks.get(one.item))) };
}

/** The scene below its network's name and numbers. */
function named(scene: Scene, name: string, network: Network): Scene {
  const page = padded(scene, scene.width, 40, 0);
  const text = (words: string, y: number, tone: Text["tone"]): Text => {
    const room = page.width;
    const shown = fitText(words, room, FONT.text, tone === "bold");
    return { x: 0, y, text: shown, size: FONT.text, tone, anchor: "start", room };
  };
  return { ...page, texts: [text(name, 8, "bold"), text(factsOf(network), 25, "muted"), ...page.texts] };
}

/** One scene above the other, both at the left edge. */
function stacked(above: Scene, below: Scene): Scene {
  const width = Math.max(above.width, below.width);
  const [one, other] = [
    padded({ ...above, width }, width, 0, 0),
    padded({ ...below, width }, width, above.height + BETWEEN, 0),
  ];
  return {
    ...other,
    boxes: [...one.boxes, ...other.boxes],
    wires: [...one.wires, ...other.wires],
    texts: [...one.texts, ...other.texts],
  };
}

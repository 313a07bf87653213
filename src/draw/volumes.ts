import type { Dim } from "../graph/index.ts";
import { type Item, itemsOf, type Level } from "./items.ts";
import { mapSize } from "./layers.ts";
import { BAND, FONT, PAGE_WIDTH } from "./measure.ts";
import type { Network } from "./parts.ts";
import type { Box, Scene, Text, Wire } from "./scene.ts";
import { fitText, short, textWidth } from "./text.ts";

/*
 * A chain of layers as a row of solids, the picture of VGG-like networks in papers: height and depth follow the size of the
 * maps, each halving taking the same share away, and width the logarithm of the channels. Solids stand centred on one axis.
 */

const TALLEST = 190;
const SHORTEST = 22;
/** How far a solid reaches back, to the right, as a share of its height. */
const DEPTH = 0.32;
const VECTOR_DEPTH = 10;
const THIN = 8;
const BETWEEN_SOLIDS = 3;
const BETWEEN_GROUPS = 18;
const LINE = 15;

interface Solid {
  readonly item: Item;
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly labels: readonly string[];
}

interface Group {
  readonly solids: readonly Solid[];
  readonly lines: readonly { readonly text: string; readonly tone: Text["tone"] }[];
}

export function volumeScene(network: Network, layers: readonly Item[], level: Level): Scene {
  const groups = groupsOf(network, layers, level);
  const boxes: Box[] = [];
  const wires: Wire[] = [];
  const texts: Text[] = [];
  const brackets: { x: number; y: number; width: number }[] = [];
  let width = 0;
  let top = 0;
  for (const row of rowsOf(groups)) {
    const solids = row.flatMap((group) => group.solids);
    const rise = (solid: Solid) => solid.height / 2 + solid.depth / 4;
    const axis = top + Math.max(...solids.map(rise));
    let x = 0;
    let bottom = axis;
    row.forEach((group) => {
      const { left, right } = extentOf(group);
      const room = roomOf(group);
      const pad = Math.max(0, room - (right - left)) / 2;
      let along = x + pad - left;
      const before = boxes.at(-1);
      let low = axis;
      group.solids.forEach((solid, i) => {
        along += i === 0 ? 0 : advance(group.solids[i - 1]!, solid);
        const box = boxOf(solid, along, axis);
        boxes.push(box);
        low = Math.max(low, box.y + box.height + LINE * solid.labels.length + 4);
        along += solid.width;
      });
      const [first, last] = [boxes[boxes.length - group.solids.length]!, boxes.at(-1)!];
      if (before && x > 0) {
        const from = before.x + before.width + (before.depth ?? 0) / 2;
        wires.push({
          from: before.item,
          to: first.item,
          points: [
            [from, axis],
            [first.x - 2, axis],
          ],
        });
      }
      const [start, end] = [first.x, last.x + last.width];
      brackets.push({ x: start, y: low + 10, width: end - start });
      group.lines.forEach(({ text, tone }, i) => {
        texts.push({
          x: (start + end) / 2,
          y: low + 25 + LINE * i,
          text,
          size: FONT.text,
          tone,
          anchor: "middle",
          room,
        });
      });
      bottom = Math.max(bottom, low + 25 + LINE * group.lines.length);
      x += Math.max(room, right - left) + BETWEEN_GROUPS;
    });
    width = Math.max(width, x - BETWEEN_GROUPS);
    top = bottom + 24;
  }
  return { direction: "right", width, height: top - 24, boxes, wires, texts, legend: [], brackets };
}

/** Way along the axis from the end of one solid to the beginning of the next, which may hide none of it. */
function advance(a: Solid, b: Solid): number {
  return BETWEEN_SOLIDS + Math.max(0, b.depth - a.depth) / 2;
}

/** What a group takes to the left and right of where its first solid begins on the axis. */
function extentOf({ solids }: Group): { left: number; right: number } {
  let along = 0;
  let [left, right] = [0, 0];
  solids.forEach((solid, i) => {
    along += i === 0 ? 0 : advance(solids[i - 1]!, solid);
    left = Math.min(left, along - solid.depth / 2);
    along += solid.width;
    right = Math.max(right, along + solid.depth / 2);
  });
  return { left, right };
}

/** Width that the texts under a group need. */
function roomOf({ lines }: Group): number {
  return Math.max(...lines.map(({ text, tone }) => textWidth(text, FONT.text, tone === "bold")));
}

function boxOf({ item, width, height, depth, labels }: Solid, along: number, axis: number): Box {
  // centred on the axis in depth as well
  const x = along - depth / 2;
  const y = axis - height / 2 + depth / 4;
  const texts = labels.map((text, i): Text => {
    const tone = i === 0 ? "plain" : "muted";
    const room = width + BETWEEN_SOLIDS;
    return { x: x + width / 2, y: y + height + LINE * (i + 1), text, size: FONT.text, tone, anchor: "middle", room };
  });
  return { form: "volume", item, x, y, width, height, depth, texts };
}

/** Groups in rows no longer than the page. */
function rowsOf(groups: readonly Group[]): Group[][] {
  const rows: Group[][] = [];
  let length = Infinity;
  for (const group of groups) {
    const { left, right } = extentOf(group);
    const own = Math.max(roomOf(group), right - left);
    if (length + own > PAGE_WIDTH) {
      rows.push([]);
      length = 0;
    }
    rows.at(-1)!.push(group);
    length += own + BETWEEN_GROUPS;
  }
  return rows;
}

/** The input, then blocks, and layers between blocks by the size of the maps that they read. */
function groupsOf(network: Network, layers: readonly Item[], level: Level): Group[] {
  const items = itemsOf(network, "block");
  const largest = Math.max(...layers.map(({ shape }) => sizeOf(shape) ?? 0));
  const solid = (item: Item) => solidOf(item, largest);
  const groups: { name?: string; items: Item[]; size: string }[] = [];
  for (const item of items) {
    if (item.role === "input" || item.role === "output") continue;
    const size = sizeText(item.units[0]!.reads[0]!.shape);
    const last = groups.at(-1);
    if (item.role === "block") groups.push({ name: item.title, items: [...item.inside], size });
    else if (last && last.name === undefined && last.size === size) last.items.push(item);
    else groups.push({ items: [item], size });
  }
  const [input] = items;
  return [
    {
      solids: [solid(input!)],
      lines: [
        { text: input!.title, tone: "bold" },
        { text: sizeText([1, ...input!.shape]), tone: "plain" },
      ],
    },
    ...groups.map(({ name, items, size }): Group => {
      const params = items.reduce((total, item) => total + item.params, 0);
      return {
        solids: (level === "block" ? merged(items) : items).map(solid),
        lines: [
          ...(name === undefined ? [] : [{ text: fitText(name, 120, FONT.text, true), tone: "bold" as const }]),
          ...(size === "" ? [] : [{ text: size, tone: "plain" as const }]),
          ...(params > 0 ? [{ text: short(params), tone: "muted" as const }] : []),
        ],
      };
    }),
  ];
}

/** Convolutions in a row as one, for a picture of blocks; dropout is left out. */
function merged(items: readonly Item[]): Item[] {
  const result: Item[] = [];
  for (const item of items) {
    const last = result.at(-1);
    if (item.kind === "dropout") continue;
    const convolves = (one: Item | undefined) => one?.kind === "conv" || one?.kind === "pointwise";
    if (last && convolves(last) && convolves(item)) {
      result[result.length - 1] = {
        ...last,
        shape: item.shape,
        gives: item.gives,
        params: last.params + item.params,
        units: [...last.units, ...item.units],
      };
    } else result.push(item);
  }
  return result;
}

/** Height of maps without their batch in front. */
function sizeOf(shape: readonly Dim[]): number | undefined {
  return mapSize([1, ...shape])?.[0];
}

function sizeText(shape: readonly Dim[]): string {
  return mapSize(shape)?.join("×") ?? "";
}

function solidOf(item: Item, largest: number): Solid {
  const [channels] = item.shape;
  const size = sizeOf(item.shape);
  const share = (size ?? 1) / largest;
  const height = size === undefined ? vectorHeight(channels!) : Math.max(SHORTEST, TALLEST * Math.sqrt(share));
  const depth = size === undefined ? VECTOR_DEPTH : height * DEPTH;
  if (item.kind === "pool" || item.kind === "dropout") return { item, width: THIN, height, depth, labels: [] };
  const labels = [String(channels), ...(item.note ? [item.note] : [])];
  const text = Math.max(...labels.map((label) => textWidth(label, FONT.text)));
  const bands = BAND * item.folded.length;
  const width = Math.max(text, item.role === "input" ? 0 : 4 * Math.log2(Number(channels)) + bands);
  return { item, width: Math.ceil(width), height, depth, labels };
}

function vectorHeight(features: Dim): number {
  return typeof features === "number" ? 12 * Math.log2(features) + 10 : TALLEST / 2;
}

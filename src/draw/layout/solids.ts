import type { Dim } from "../../graph/index.ts";
import { type Item, itemsOf, type Level } from "../read/items.ts";
import type { Network } from "../read/parts.ts";
import { mapSize } from "../read/sizes.ts";
import { fitText, textWidth } from "../text.ts";
import { BAND, FONT, paramsText } from "./measure.ts";
import type { Text } from "./scene.ts";

/*
 * The layers of a chain as solids: height and depth follow the size of the maps, reduced by the same share at each halving; width
 * follows the logarithm of the channels. Layers that keep the channels are thin.
 */

/** One solid, for one layer or several of the same kind. */
type Shown = Item & { readonly count?: number };

export interface Solid {
  readonly item: Item;
  readonly width: number;
  readonly height: number;
  /** How far it reaches back: to the right, and half as far up. */
  readonly depth: number;
  /** Channels, kernel and count, one below the other. */
  readonly labels: readonly string[];
}

/** Solids above one bracket. */
export interface Group {
  readonly solids: readonly Solid[];
  readonly lines: readonly { readonly text: string; readonly tone: Text["tone"] }[];
}

const TALLEST = 190;
const SHORTEST = 20;
/** Depth of a square map as a share of its height. */
const DEPTH = 0.3;
const PER_DOUBLING = 3.4;
const THIN = 8;
const VECTOR = { width: 15, depth: 10, perDoubling: 11, least: 12 } as const;
const NAME_ROOM = 120;

/** The input, blocks, and layers between blocks grouped by the size of their maps. `scale` shrinks everything but the texts. */
export function groupsOf(network: Network, layers: readonly Item[], level: Level, scale: number): Group[] {
  const [input, ...items] = itemsOf(network, "block");
  const largest = Math.max(...layers.flatMap(({ shape }) => sizeOf(shape) ?? []));
  const solids = (shown: readonly Shown[]) => shown.map((item) => solidOf(item, largest, scale));
  const size = sizeOf(input!.shape);
  const groups = gather(items).map(({ name, items }): Group => {
    const params = items.reduce((total, item) => total + item.params, 0);
    const sized = items.find(isWeighted) ?? items[0]!;
    return {
      solids: solids(level === "block" ? merged(items) : items),
      lines: [
        ...(name === undefined ? [] : [{ text: fitText(name, NAME_ROOM, FONT.text, true), tone: "bold" as const }]),
        ...(sizeOf(sized.shape) ? [{ text: sizeOf(sized.shape)!.join("×"), tone: "plain" as const }] : []),
        ...(params > 0 ? [{ text: paramsText(params), tone: "muted" as const }] : []),
      ],
    };
  });
  const first: Group = {
    solids: solids([input!]),
    lines: [{ text: input!.title, tone: "bold" }, ...(size ? [{ text: size.join("×"), tone: "plain" as const }] : [])],
  };
  return [first, ...groups.filter(({ solids }) => solids.length > 0)];
}

/** Blocks as they are; other layers grouped by the maps they give. Pools and the like stay with the layer before them. */
function gather(items: readonly Item[]): { name?: string; items: Item[] }[] {
  const groups: { name?: string; items: Item[]; key: string }[] = [];
  for (const item of items) {
    if (item.role === "input" || item.role === "output") continue;
    if (item.role === "block") {
      groups.push({ name: item.title, items: [...item.inside], key: "" });
      continue;
    }
    const last = groups.at(-1);
    const key = String(sizeOf(item.shape) ?? "");
    const read = mapSize(item.reads[0]?.shape ?? []);
    const joins = isWeighted(item) ? last?.key === key : last?.key === "" ? !read : read !== undefined;
    if (last && last.name === undefined && joins) last.items.push(item);
    else groups.push({ items: [item], key });
  }
  return groups;
}

/** Equal convolutions in a row as one, at block level; dropout is left out. */
function merged(items: readonly Item[]): Shown[] {
  const result: Shown[] = [];
  for (const item of items) {
    if (item.kind === "dropout") continue;
    const last = result.at(-1);
    const alike = last && sizeOf(item.shape) && isWeighted(item) && item.kind === last.kind && item.note === last.note;
    if (!alike) result.push(item);
    else {
      const { shape, gives, params, macs, units } = item;
      result[result.length - 1] = {
        ...last,
        shape,
        gives,
        params: last.params + params,
        macs: last.macs + macs,
        units: [...last.units, ...units],
        count: (last.count ?? 1) + 1,
      };
    }
  }
  return result;
}

export function isWeighted({ kind }: Item): boolean {
  return kind === "conv" || kind === "pointwise" || kind === "linear";
}

/** Height and width of maps, from a shape without the batch. */
function sizeOf(shape: readonly Dim[]): readonly [number, number] | undefined {
  return mapSize([1, ...shape]);
}

function solidOf(item: Shown, largest: number, scale: number): Solid {
  const { shape, note, count = 1, role, folded } = item;
  const [channels = 1] = shape;
  const size = sizeOf(shape);
  const bands = BAND * folded.length;
  const reach = (pixels: number) => Math.max(SHORTEST, scale * TALLEST * Math.sqrt(pixels / largest));
  const height = size ? reach(size[0]) : vectorHeight(channels, scale);
  const depth = size ? DEPTH * reach(size[1]) : VECTOR.depth;
  if (role === "input") return { item, width: THIN, height, depth, labels: [String(channels)] };
  if (!isWeighted(item)) return { item, width: THIN + bands, height, depth, labels: [] };
  const labels = [String(channels), ...(note ? [note] : []), ...(count > 1 ? [`×${count}`] : [])];
  const width = size ? scale * PER_DOUBLING * Math.log2(Number(channels) + 1) : VECTOR.width;
  return { item, width: Math.ceil(Math.max(THIN, width)) + bands, height, depth, labels };
}

function vectorHeight(features: Dim, scale: number): number {
  if (typeof features !== "number") return (scale * TALLEST) / 2;
  return Math.min(scale * TALLEST, scale * VECTOR.perDoubling * Math.log2(features) + VECTOR.least);
}

/** Width of the text below a solid, in pixels. */
export function labelWidth({ labels }: Solid): number {
  return Math.max(0, ...labels.map((label) => textWidth(label, FONT.text)));
}

import type { Item } from "../read/items.ts";
import { shapeText, short, textWidth } from "../text.ts";
import type { Direction, Form, Text } from "./scene.ts";

/** Sizes of boxes, in pixels. */
export interface Size {
  readonly form: Form;
  readonly width: number;
  readonly height: number;
}

/** How a layout measures the items it places, in pixels. */
export interface Style {
  readonly direction: Direction;
  /** Whether blocks are frames around their inside, or closed boxes. */
  readonly open: boolean;
  /** Whether shapes are written only where they change. */
  readonly terse: boolean;
  /** Room along the flow between boxes in a row, and for lines to change lanes. */
  readonly gap: number;
  readonly fork: number;
  /** Room across the flow between lanes. */
  readonly lane: number;
  /** Half the width of a lane that only has a line. */
  readonly line: number;
  size(item: Item, framed: boolean): Size;
  /** Length of the line that holds the shape of a box's output. */
  stub(item: Item): number;
  /** Room across the flow for that text. */
  label(item: Item): number;
  /** Padding of a frame across the flow, and room for its headline. */
  readonly rim: number;
  readonly headline: number;
}

export const FONT = { name: 13, text: 12 } as const;

export const PAGE_WIDTH = 940;
export const MARGIN = 20;

const PADDING = 8;
/** In frames, which have more layers in a row. */
const FRAMED_PADDING = 6;
export const BAND = 5;
const BAR = 24;
const SUM = 24;
export const MINIATURE = { width: 96, height: 44 } as const;

/** Title of a layer: "conv 3×3 /2". */
export function layerTitle({ title, note }: Item): string {
  if (note === undefined) return title;
  return note === "global" ? `${note} ${title}` : `${title} ${note}`;
}

export function paramsText(params: number): string {
  return `${short(params)} params`;
}

/** Measures of boxes on a page. */
export function pageStyle(direction: Direction, open: boolean, terse = false): Style {
  const label = (item: Item) => textWidth(shapeText(item.shape), FONT.text);
  return {
    direction,
    open,
    terse,
    gap: 9,
    fork: direction === "right" ? (terse ? 16 : 24) : 26,
    lane: direction === "right" ? 10 : 18,
    line: 8,
    size: (item, framed) => pageSize(item, framed, direction),
    stub: (item) => (item.role === "output" || item.role === "port" ? 0 : direction === "right" ? label(item) + 8 : 22),
    label: (item) => (direction === "right" ? 0 : label(item) + 8),
    rim: 12,
    headline: 24,
  };
}

function pageSize(item: Item, framed: boolean, direction: Direction): Size {
  switch (item.role) {
    case "port":
      return { form: "end", width: 0, height: 0 };
    case "input":
    case "output":
      return { form: "end", width: textWidth(item.title, FONT.name) + 2 * PADDING + 6, height: 28 };
    case "block": {
      const texts = [textWidth(item.title, FONT.name, true), textWidth(paramsText(item.params), FONT.text)];
      return { form: "block", width: Math.max(MINIATURE.width, ...texts) + 2 * PADDING, height: 92 };
    }
    case "layer":
      return layerSize(item, framed, direction);
    default:
      return item.role satisfies never;
  }
}

function layerSize(item: Item, framed: boolean, direction: Direction): Size {
  if (item.kind === "join" && item.title === "concat") return { form: "bar", width: BAR, height: BAR };
  if (item.kind === "join") return { form: "sum", width: SUM, height: SUM };
  const lines = layerLines(item, framed);
  const padding = framed ? FRAMED_PADDING : PADDING;
  const width = Math.max(...lines.map(({ text, size }) => textWidth(text, size))) + 2 * padding;
  const height = lines.length > 1 ? 42 : 30;
  const bands = BAND * item.folded.length;
  const right = direction === "right";
  return {
    form: "layer",
    width: Math.ceil(Math.max(52, right ? width + bands : width)),
    height: right ? height : height + bands,
  };
}

/** Lines of text on a layer; only one inside a frame, which shows the parameters itself. */
export function layerLines(item: Item, framed: boolean): { text: string; size: number; tone: Text["tone"] }[] {
  const line = (text: string) => [{ text, size: FONT.name, tone: "plain" as const }];
  const small = (text: string) => [{ text, size: FONT.text, tone: "muted" as const }];
  if (framed) return [{ text: layerTitle(item), size: FONT.text, tone: "plain" }];
  if (item.params > 0) return [...line(layerTitle(item)), ...small(short(item.params))];
  return [...line(item.title), ...(item.note ? small(item.note) : [])];
}

/** Measures of boxes without text, for the miniatures on blocks. */
export const MINIATURE_STYLE: Style = {
  direction: "right",
  open: false,
  terse: false,
  gap: 2,
  fork: 4,
  lane: 2.5,
  line: 1,
  size: (item) => {
    if (item.role === "port") return { form: "end", width: 0, height: 0 };
    if (item.kind === "join" && item.title === "concat") return { form: "bar", width: 4, height: 4 };
    return item.kind === "join" ? { form: "sum", width: 5, height: 5 } : { form: "layer", width: 10, height: 6 };
  },
  stub: () => 0,
  label: () => 0,
  rim: 0,
  headline: 0,
};

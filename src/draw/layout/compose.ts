import type { Item } from "../read/items.ts";
import { fitText, shapeText, textWidth } from "../text.ts";
import { layoutFlow, layoutInside, TURN } from "./flow.ts";
import {
  BAND,
  FONT,
  layerLines,
  MINIATURE,
  MINIATURE_STYLE,
  PAGE_WIDTH,
  pageStyle,
  paramsText,
  type Style,
} from "./measure.ts";
import type { Area, Placed } from "./pieces.ts";
import type { Box, Direction, Point, Scene, Text, Wire } from "./scene.ts";

/** A pleasant ratio of width to height. */
const ASPECT = 1.6;

export interface FlowOptions {
  /** Whether blocks are frames around their inside, unless an item says so itself. Default false. */
  readonly open?: boolean;
  /** Width of the page in pixels. */
  readonly width?: number;
  /** Default: whichever fits the page better. */
  readonly direction?: Direction;
}

/** Boxes and lines, in rows or in a column. Unchanged shapes are written if there is room. */
export function flowScene(
  items: readonly Item[],
  { open = false, width = PAGE_WIDTH, direction }: FlowOptions = {},
): Scene {
  const laidOut = (style: Style) => {
    const area = layoutFlow(items, style, style.direction === "right" ? width - 2 * TURN : Infinity);
    return { area, style, ...sizeOf(area, style) };
  };
  const directions: readonly Direction[] = direction ? [direction] : ["right", "down"];
  const tried = directions.map((direction) => laidOut(pageStyle(direction, open)));
  const [first] = tried;
  if (first!.style.direction === "right" && first!.width > width) tried.push(laidOut(pageStyle("right", open, true)));
  const cost = (one: { readonly width: number; readonly height: number }) =>
    Math.abs(Math.log(one.width / one.height / ASPECT)) + 8 * Math.max(0, Math.log(one.width / width));
  const { area, style } = tried.reduce((best, one) => (cost(one) < cost(best) ? one : best));
  return compose(area, style);
}

/** Size on the page. */
function sizeOf({ length, before, after }: Area, { direction }: Style): { width: number; height: number } {
  const across = before + after;
  return direction === "right" ? { width: length, height: across } : { width: across, height: length };
}

/** Turns positions along and across the flow into positions on the page. */
function compose(area: Area, style: Style): Scene {
  const composer = new Composer(style);
  composer.add(area, 0, area.before, false);
  const { boxes, wires, texts } = composer;
  return { direction: style.direction, ...sizeOf(area, style), boxes, wires, texts, legend: [], brackets: [] };
}

class Composer {
  readonly boxes: Box[] = [];
  readonly wires: Wire[] = [];
  readonly texts: Text[] = [];
  readonly #style: Style;

  constructor(style: Style) {
    this.#style = style;
  }

  add(area: Area, u: number, v: number, framed: boolean): void {
    for (const { points, ...wire } of area.wires) {
      this.wires.push({ ...wire, points: points.map(([a, b]) => this.#point(a + u, b + v)) });
    }
    for (const placed of area.boxes) this.#box({ ...placed, u: placed.u + u, v: placed.v + v }, framed);
  }

  #point(u: number, v: number): Point {
    return this.#style.direction === "right" ? [u, v] : [v, u];
  }

  #box(placed: Placed, framed: boolean): void {
    const { item, form, u, v, length, before, after, inside } = placed;
    if (item.role === "port") return;
    const [x, y] = this.#point(u, v - before);
    const [width, height] = this.#point(length, before + after);
    const frame = { form, item, x, y, width, height };
    this.#shape(placed);
    if (inside) {
      const { headline, direction } = this.#style;
      const texts = frameTexts(item, x + 10, y + 17, width - 20);
      this.boxes.push({ ...frame, texts });
      this.add(inside, u + (direction === "right" ? 0 : headline), v, true);
      return;
    }
    this.boxes.push({
      ...frame,
      texts: textsOf(frame, framed, this.#style.direction),
      ...(form === "block" && { miniature: miniature(frame) }),
    });
  }

  /** The shape of a box's output, on its line. */
  #shape({ item, u, v, length, stub, written, out }: Placed): void {
    if (!written) return;
    const text = shapeText(item.shape);
    const room = textWidth(text, FONT.text) + 1;
    const base = { text, size: FONT.text, tone: "muted" as const, room };
    if (this.#style.direction === "right") {
      this.texts.push({ ...base, x: u + length + stub / 2 + 2, y: v + out - 5, anchor: "middle" });
    } else {
      this.texts.push({ ...base, x: v + 7, y: u + length + 15, anchor: "start" });
    }
  }
}

/** Name of a frame's block, and its parameters if there is room. */
function frameTexts(item: Item, x: number, y: number, room: number): Text[] {
  const name = fitText(item.title, room, FONT.text, true);
  const params = paramsText(item.params);
  const begin = textWidth(name, FONT.text, true) + 8;
  const base = { y, size: FONT.text, anchor: "start" as const };
  return [
    { ...base, x, text: name, tone: "bold", room },
    ...(item.params > 0 && begin + textWidth(params, FONT.text) <= room
      ? [{ ...base, x: x + begin, text: params, tone: "muted" as const, room: room - begin }]
      : []),
  ];
}

type Frame = Omit<Box, "texts" | "miniature">;

function textsOf(frame: Frame, framed: boolean, direction: Direction): Text[] {
  const { form, item, x, y, width, height } = frame;
  const middle = x + width / 2;
  const line = (text: string, baseline: number, rest: Partial<Text> = {}): Text => {
    const size = rest.size ?? FONT.name;
    const room = rest.room ?? width - 6;
    return {
      x: middle,
      y: baseline,
      size,
      tone: "plain",
      anchor: "middle",
      room,
      ...rest,
      text: fitText(text, room, size, rest.tone === "bold"),
    };
  };
  switch (form) {
    case "layer": {
      const lines = layerLines(item, framed);
      const bands = BAND * item.folded.length;
      const [right, below] = direction === "right" ? [bands, 0] : [0, bands];
      const top = y + (height - below) / 2 + (lines.length > 1 ? -3 : 4.5);
      return lines.map(({ text, size, tone }, i) =>
        line(text, top + 16 * i, { size, tone, x: middle - right / 2, room: width - right - 4 }),
      );
    }
    case "bar":
      return height > width
        ? [line(item.title, y + height / 2, { size: FONT.text, turned: true, x: middle + 4, room: height - 6 })]
        : [line(item.title, y + height / 2 + 4, { size: FONT.text })];
    case "sum":
      return [line(item.title, y + height / 2 + 5.5, { size: 16, room: width })];
    case "end":
      return [line(item.title, y + height / 2 + 4.5)];
    case "block":
      return [
        line(item.title, y + 18, { tone: "bold" }),
        ...(item.params > 0
          ? [line(paramsText(item.params), y + height - 9, { size: FONT.text, tone: "muted" as const })]
          : []),
      ];
    default:
      return [];
  }
}

/** The inside of a block, small enough to fit into its box. */
function miniature({ item, x, y, width }: Frame): Box[] {
  const room = { width: width - 16, height: item.params > 0 ? MINIATURE.height : MINIATURE.height + 14 };
  const row = compose(layoutInside(item, MINIATURE_STYLE, Infinity), MINIATURE_STYLE);
  const { boxes, ...size } = inRows(row, room.width / room.height);
  const scale = Math.min(2.2, room.width / size.width, room.height / Math.max(size.height, 1));
  const left = x + (width - size.width * scale) / 2;
  const top = y + 25 + (room.height - size.height * scale) / 2 + (item.params > 0 ? 0 : -2);
  return boxes.map((box) => ({
    ...box,
    x: left + box.x * scale,
    y: top + box.y * scale,
    width: box.width * scale,
    height: box.height * scale,
    texts: [],
  }));
}

/** Boxes in one long row, in several rows of about this ratio of width to height; they have no lines that would break. */
function inRows({ boxes, width, height }: Scene, aspect: number): { boxes: Box[]; width: number; height: number } {
  const pitch = 1.4 * height;
  const count = Math.max(1, Math.round(Math.sqrt(width / (aspect * pitch))));
  const rows: Box[][] = [];
  for (const box of [...boxes].sort((a, b) => a.x - b.x)) {
    const row = rows.at(-1);
    if (!row || (rows.length < count && box.x - row[0]!.x >= width / count)) rows.push([box]);
    else row.push(box);
  }
  const placed = rows.flatMap((row, r) => row.map((box) => ({ ...box, x: box.x - row[0]!.x, y: box.y + r * pitch })));
  const right = Math.max(...placed.map((box) => box.x + box.width));
  return { boxes: placed, width: right, height: height + (rows.length - 1) * pitch };
}

/** Adds a margin around a scene, and room above and below. */
export function padded(scene: Scene, width: number, above: number, below: number): Scene {
  const dx = (width - scene.width) / 2;
  const dy = above;
  const shift = <T extends { readonly x: number; readonly y: number }>(thing: T): T => ({
    ...thing,
    x: thing.x + dx,
    y: thing.y + dy,
  });
  const box = (one: Box): Box => ({
    ...shift(one),
    texts: one.texts.map(shift),
    ...(one.miniature && { miniature: one.miniature.map(box) }),
  });
  return {
    ...scene,
    width,
    height: scene.height + above + below,
    boxes: scene.boxes.map(box),
    wires: scene.wires.map((wire) => ({ ...wire, points: wire.points.map(([x, y]): Point => [x + dx, y + dy]) })),
    texts: scene.texts.map(shift),
    brackets: scene.brackets.map(shift),
  };
}

/** What has to hold of any scene, as lists of what is wrong. */

import { PAGE_WIDTH } from "../../src/draw/layout/measure.ts";
import type { Box, Point, Scene, Text } from "../../src/draw/layout/scene.ts";
import type { Item } from "../../src/draw/read/items.ts";
import { textWidth } from "../../src/draw/text.ts";

interface Rect {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** Pixels that rounding may take. */
const SLACK = 0.1;
/** Share of the font's size that characters reach above and below the line. */
const [ASCENT, DESCENT] = [0.76, 0.24];

const rectOf = ({ x, y, width, height }: Box): Rect => ({ left: x, top: y, right: x + width, bottom: y + height });

/** What a box covers; solids reach back to the right and up. */
function outline(box: Box): Rect {
  const { left, top, right, bottom } = rectOf(box);
  const depth = box.depth ?? 0;
  return { left, top: top - depth / 2, right: right + depth, bottom };
}

function textRect({ x, y, text, size, tone, anchor, turned }: Text): Rect {
  const width = textWidth(text, size, tone === "bold");
  const before = anchor === "middle" ? width / 2 : anchor === "end" ? width : 0;
  const [up, down] = [ASCENT * size, DESCENT * size];
  return turned
    ? { left: x - up, right: x + down, top: y - (width - before), bottom: y + before }
    : { left: x - before, right: x - before + width, top: y - up, bottom: y + down };
}

const overlap = (a: Rect, b: Rect) =>
  a.left < b.right - SLACK && b.left < a.right - SLACK && a.top < b.bottom - SLACK && b.top < a.bottom - SLACK;

const within = (a: Rect, b: Rect) =>
  a.left >= b.left - SLACK && a.right <= b.right + SLACK && a.top >= b.top - SLACK && a.bottom <= b.bottom + SLACK;

const nameOf = ({ title, path }: Item) => (path ? `${title} (${path})` : title);

/** Pairs of boxes of which neither contains the other, that share a pixel. Of solids, the fronts count. */
export function overlappingBoxes({ boxes }: Scene): string[] {
  return pairs(boxes).flatMap(([a, b]) => {
    const [one, other] = [rectOf(a), rectOf(b)];
    const framed = (a.form === "frame" && within(other, one)) || (b.form === "frame" && within(one, other));
    return overlap(one, other) && !framed ? [`${nameOf(a.item)} lies over ${nameOf(b.item)}`] : [];
  });
}

/** Boxes, lines and texts that leave the page. */
export function outside({ width, height, boxes, wires, texts, legend }: Scene): string[] {
  const page = { left: 0, top: 0, right: width, bottom: height };
  return [
    ...boxes.flatMap((box) => (within(outline(box), page) ? [] : [nameOf(box.item)])),
    ...boxes.flatMap((box) =>
      (box.miniature ?? []).flatMap((small) =>
        within(rectOf(small), rectOf(box)) ? [] : [`miniature of ${nameOf(box.item)}`],
      ),
    ),
    ...wires.flatMap(({ points }) => points.filter(([x, y]) => x < 0 || y < 0 || x > width || y > height).map(String)),
    ...[...texts, ...boxes.flatMap((box) => box.texts)].flatMap((text) =>
      within(textRect(text), page) ? [] : [`“${text.text}”`],
    ),
    ...legend.flatMap(({ kind, x, y, width, height }) =>
      within({ left: x, top: y, right: x + width, bottom: y + height }, page) ? [] : [`legend of ${kind}`],
    ),
  ];
}

/** Texts that are wider than their room, leave their box, lie over each other or over boxes that they do not belong to. */
export function misplacedTexts({ boxes, texts }: Scene): string[] {
  const owned = boxes.flatMap((box) => box.texts.map((text) => ({ text, box })));
  const all = [...owned, ...texts.map((text) => ({ text, box: undefined }))];
  const wide = all.flatMap(({ text }) =>
    textWidth(text.text, text.size, text.tone === "bold") > text.room + SLACK
      ? [`“${text.text}” is wider than its room`]
      : [],
  );
  // what is written on a solid stands below it
  const leaving = owned.flatMap(({ text, box }) =>
    box.form === "volume" || within(textRect(text), rectOf(box)) ? [] : [`“${text.text}” leaves its box`],
  );
  const crossing = pairs(all).flatMap(([a, b]) =>
    overlap(textRect(a.text), textRect(b.text)) ? [`“${a.text.text}” lies over “${b.text.text}”`] : [],
  );
  const covering = all.flatMap(({ text, box }) =>
    boxes.flatMap((other) => {
      if (other === box || other.form === "frame" || !overlap(textRect(text), rectOf(other))) return [];
      return [`“${text.text}” lies over ${nameOf(other.item)}`];
    }),
  );
  return [...wide, ...leaving, ...crossing, ...covering];
}

/** Lines that lead backward, do not begin and end at their boxes, or run through others. */
export function wrongWires({ boxes, wires, direction }: Scene): string[] {
  const placed = new Map(boxes.map((box) => [box.item, box]));
  return wires.flatMap(({ from, to, points }) => {
    const [a, b] = [from && placed.get(from), to && placed.get(to)];
    const name = `${a ? nameOf(a.item) : "port"} → ${b ? nameOf(b.item) : "port"}`;
    const problems: string[] = [];
    if (a && !touches(points[0]!, outline(a))) problems.push(`${name} does not begin at its box`);
    if (b && !touches(points.at(-1)!, outline(b))) problems.push(`${name} does not end at its box`);
    if (a && b && !isForward(a, b, direction)) problems.push(`${name} leads backward`);
    for (const box of boxes) {
      if (box === a || box === b || box.form === "frame" || box.form === "volume") continue;
      if (points.some((point, i) => i > 0 && crosses(points[i - 1]!, point, rectOf(box)))) {
        problems.push(`${name} runs through ${nameOf(box.item)}`);
      }
    }
    return problems;
  });
}

/** Whether a box comes after another one: farther along the flow, or in a later row. */
function isForward(a: Box, b: Box, direction: Scene["direction"]): boolean {
  const [one, other] = [rectOf(a), rectOf(b)];
  if (direction === "down") return other.top >= one.bottom - SLACK;
  return other.left >= one.right - SLACK || other.top >= one.bottom - SLACK;
}

/** Two pixels are left between a solid and the tip of an arrow. */
function touches([x, y]: Point, { left, top, right, bottom }: Rect): boolean {
  return x >= left - 2 - SLACK && x <= right + SLACK && y >= top - SLACK && y <= bottom + SLACK;
}

/** Whether a straight piece of a line has a point inside a rectangle; curves are looked at where they begin and end. */
function crosses([ax, ay]: Point, [bx, by]: Point, rect: Rect): boolean {
  if (ax !== bx && ay !== by) return false;
  const line = { left: Math.min(ax, bx), right: Math.max(ax, bx), top: Math.min(ay, by), bottom: Math.max(ay, by) };
  const grown = {
    ...line,
    left: line.left - 2 * SLACK,
    right: line.right + 2 * SLACK,
    top: line.top - 2 * SLACK,
    bottom: line.bottom + 2 * SLACK,
  };
  return overlap(grown, rect);
}

/** Texts that are too small to read where the drawing is as wide as a page. */
export function tooSmall({ width, boxes, texts }: Scene): string[] {
  const scale = Math.min(1, 1000 / width);
  return [...texts, ...boxes.flatMap((box) => box.texts)].flatMap(({ text, size }) =>
    size * scale < 10 ? [`“${text}” is ${(size * scale).toFixed(1)} px high`] : [],
  );
}

/** All that is wrong with a scene. */
export function problems(scene: Scene): string[] {
  return [...overlappingBoxes(scene), ...outside(scene), ...misplacedTexts(scene), ...wrongWires(scene)];
}

function pairs<T>(list: readonly T[]): (readonly [T, T])[] {
  return list.flatMap((a, i) => list.slice(i + 1).map((b) => [a, b] as const));
}

export { PAGE_WIDTH };

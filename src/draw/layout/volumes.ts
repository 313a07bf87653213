import type { Item, Level } from "../read/items.ts";
import type { Network } from "../read/parts.ts";
import { textWidth } from "../text.ts";
import { FONT, PAGE_WIDTH } from "./measure.ts";
import type { Box, Point, Scene, Text, Wire } from "./scene.ts";
import { type Group, groupsOf, labelWidth, type Solid } from "./solids.ts";

/*
 * A chain of layers as a row of solids, as papers show VGG-like networks. Solids are centered on one axis, in depth as well; a
 * row too long for the page is drawn smaller and, if that is not enough, broken.
 */

const SCALES = [1, 0.94, 0.88, 0.82, 0.76, 0.7] as const;
const BETWEEN_SOLIDS = 3;
const BETWEEN_LABELS = 7;
const BETWEEN_GROUPS = 18;
const BETWEEN_ROWS = 34;
/** How far outside the rows the line from one row to the next runs. */
const TURN = 10;
const LINE = 15;
/** Room from a solid's front to the tip of the arrow. */
const TIP = 2;

/** A group with the position of each solid: where its front begins, from any origin. */
interface Span {
  readonly group: Group;
  readonly fronts: readonly number[];
  /** Extent of the solids and all texts. */
  readonly left: number;
  readonly right: number;
}

export function volumeScene(network: Network, layers: readonly Item[], level: Level, page = PAGE_WIDTH): Scene {
  const attempts = SCALES.map((scale) => groupsOf(network, layers, level, scale).map(spanOf));
  const fitting = attempts.find((spans) => rowsOf(spans, page).length === 1);
  const rows = rowsOf(fitting ?? attempts[0]!, page);
  const boxes: Box[] = [];
  const wires: Wire[] = [];
  const texts: Text[] = [];
  const brackets: { x: number; y: number; width: number }[] = [];
  const width = Math.max(...rows.map(lengthOf));
  let top = 0;
  let last: { box: Box; axis: number } | undefined;
  for (const row of rows) {
    const axis = top + Math.max(...row.flatMap(({ group }) => group.solids.map(rise)));
    let bottom = axis;
    let x = 0;
    row.forEach(({ group, fronts, left, right }, i) => {
      const placed = group.solids.map((solid, s) => boxOf(solid, fronts[s]! + x - left, axis));
      const [first, final] = [placed[0]!, placed.at(-1)!];
      if (last) {
        const turn = i === 0 ? turnOf(last, width, top - BETWEEN_ROWS / 2, axis) : [];
        const points: Point[] = [[leaves(last.box), last.axis], ...turn, [first.x - TIP, axis]];
        wires.push({ from: last.box.item, to: first.item, points });
      }
      last = { box: final, axis };
      boxes.push(...placed);
      const low = Math.max(...placed.map(({ y, height, texts }) => y + height + LINE * texts.length)) + 14;
      const [start, end] = [first.x, final.x + final.width];
      if (placed.length > 1) brackets.push({ x: start, y: low, width: end - start });
      const under = low + (placed.length > 1 ? 15 : 5);
      group.lines.forEach(({ text, tone }, l) => {
        const room = textWidth(text, FONT.text, tone === "bold") + 1;
        texts.push({ x: (start + end) / 2, y: under + LINE * l, text, size: FONT.text, tone, anchor: "middle", room });
      });
      bottom = Math.max(bottom, under + LINE * (group.lines.length - 1) + 4);
      x += right - left + BETWEEN_GROUPS;
    });
    top = bottom + BETWEEN_ROWS;
  }
  return { direction: "right", width, height: top - BETWEEN_ROWS, boxes, wires, texts, legend: [], brackets };
}

/** How far a solid reaches above the axis. */
function rise({ height, depth }: Solid): number {
  return height / 2 + depth / 4;
}

/** Middle of a solid's right side. */
function leaves({ x, width, depth = 0 }: Box): number {
  return x + width + depth / 2;
}

/** The line around the end of a row to the beginning of the next. */
function turnOf(last: { axis: number }, width: number, between: number, axis: number): Point[] {
  return [
    [width + TURN, last.axis],
    [width + TURN, between],
    [-TURN, between],
    [-TURN, axis],
  ];
}

function boxOf(solid: Solid, x: number, axis: number): Box {
  const { item, width, height, depth, labels } = solid;
  const y = axis - height / 2 + depth / 4;
  const room = labelWidth(solid) + 1;
  const texts = labels.map((text, i): Text => {
    const tone = i === 0 ? "plain" : "muted";
    return { x: x + width / 2, y: y + height + LINE * (i + 1), text, size: FONT.text, tone, anchor: "middle", room };
  });
  return { form: "volume", item, x, y, width, height, depth, texts };
}

/** Places solids one behind the other, so that none hides a front or a text. */
function spanOf(group: Group): Span {
  const fronts: number[] = [];
  let [left, right] = [Infinity, -Infinity];
  let labelled = -Infinity;
  /** Right edges of solids, and the height at which they end. */
  const edges: { right: number; height: number }[] = [];
  group.solids.forEach((solid, i) => {
    const { width, height, depth } = solid;
    const before = group.solids[i - 1];
    let x = 0;
    // the nearer to the axis, the less of a smaller solid is hidden by the one before
    if (before) x = fronts[i - 1]! + before.width + BETWEEN_SOLIDS + Math.max(0, (before.depth - depth) / 2);
    const label = labelWidth(solid);
    if (label > 0) {
      const hidden = edges.filter((edge) => edge.height > height).map((edge) => edge.right);
      x = Math.max(x, Math.max(labelled + BETWEEN_LABELS, ...hidden) + (label - width) / 2);
      labelled = x + (width + label) / 2;
    }
    fronts.push(x);
    edges.push({ right: x + width + depth + BETWEEN_SOLIDS, height });
    left = Math.min(left, x, x + (width - label) / 2);
    right = Math.max(right, x + width + depth, x + (width + label) / 2);
  });
  const middle = (fronts[0]! + fronts.at(-1)! + group.solids.at(-1)!.width) / 2;
  const half = Math.max(...group.lines.map(({ text, tone }) => textWidth(text, FONT.text, tone === "bold"))) / 2;
  return { group, fronts, left: Math.min(left, middle - half), right: Math.max(right, middle + half) };
}

/** Groups in rows that fit the page. */
function rowsOf(spans: readonly Span[], page: number): Span[][] {
  const rows: Span[][] = [];
  for (const span of spans) {
    const row = rows.at(-1);
    if (row && lengthOf([...row, span]) <= page) row.push(span);
    else rows.push([span]);
  }
  return rows;
}

function lengthOf(row: readonly Span[]): number {
  return row.reduce((sum, { left, right }) => sum + right - left, BETWEEN_GROUPS * (row.length - 1));
}

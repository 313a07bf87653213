import type { Item } from "../read/items.ts";
import type { Form } from "./scene.ts";

/*
 * What layouts are composed of: boxes, and the paths of lines, with the axis u along the flow and v across it.
 */

export interface Placed {
  readonly item: Item;
  readonly index: number;
  readonly form: Form;
  /** Where the box begins, and its axis. */
  u: number;
  v: number;
  readonly length: number;
  readonly before: number;
  readonly after: number;
  /** Line after the box, and whether the shape of its output is written on it. */
  readonly stub: number;
  readonly written: boolean;
  /** Room that the box takes across the flow, including the text next to its stub. */
  readonly reach: number;
  /** Where the line leaves a frame, relative to its axis. */
  readonly out: number;
  /** Depth of nested branches. */
  readonly depth: number;
  readonly inside?: Area;
}

export interface Area {
  readonly boxes: readonly Placed[];
  readonly wires: readonly Wiring[];
  readonly length: number;
  readonly before: number;
  readonly after: number;
  /** Axis at the end of the last row. */
  readonly out: number;
}

export interface Wiring {
  readonly from: Item;
  readonly to: Item;
  /** Points that differ in both coordinates are joined by a curve. */
  readonly points: readonly Spot[];
}

export type Spot = readonly [u: number, v: number];

/** Boxes of a part, with the paths of the lines that pass next to boxes. */
export interface Piece {
  boxes: Placed[];
  routes: Map<string, Route>;
  length: number;
  before: number;
  after: number;
  /** Axes of the branches that end in the piece. */
  lanes: number[];
  /** Stretches along the flow, with the room taken below the axis. */
  zones: Zone[];
}

export interface Zone {
  readonly u: number;
  readonly end: number;
  readonly after: number;
}

/** The items before and after a piece, and its depth of nested branches. */
export interface Neighbours {
  readonly previous: number;
  readonly next: number;
  readonly depth: number;
}

export interface Route {
  readonly points: readonly Spot[];
  /** Whether lines of other values change lanes at the same place: curves keep them apart, steps would not. */
  readonly tangled: boolean;
}

/** A piece without boxes: a lane of this length and half-width. */
export function emptyPiece(length = 0, half = 0): Piece {
  return { boxes: [], routes: new Map(), length, before: half, after: half, lanes: [0], zones: [] };
}

/** Where a line from this lane enters a box. */
export function entry({ u, v, before, after, form }: Placed, lane: number): Spot {
  const within = form === "bar" && lane > v - before && lane < v + after;
  return [u, within ? lane : v];
}

export function move(piece: Piece, u: number, v: number): void {
  for (const box of piece.boxes) {
    box.u += u;
    box.v += v;
  }
  for (const [key, { points, tangled }] of piece.routes) {
    piece.routes.set(key, { points: points.map(([a, b]) => [a + u, b + v] as const), tangled });
  }
  piece.lanes = piece.lanes.map((lane) => lane + v);
  piece.zones = piece.zones.map(({ u: start, end, after }) => ({ u: start + u, end: end + u, after: after + v }));
}

/** Changes of lane as steps, half way along. */
export function stepped(points: readonly Spot[]): Spot[] {
  return points.flatMap((point, i): Spot[] => {
    const before = points[i - 1];
    if (!before || before[0] === point[0] || before[1] === point[1]) return [point];
    const middle = (before[0] + point[0]) / 2;
    return [[middle, before[1]], [middle, point[1]], point];
  });
}

/** Without repeated points, and points on a straight line between their neighbors. */
export function tidy(points: readonly Spot[]): Spot[] {
  const distinct = points.filter(
    (point, i) => i === 0 || point.some((x, axis) => Math.abs(x - points[i - 1]![axis]!) > 0.01),
  );
  return distinct.filter((point, i) => {
    const [before, after] = [distinct[i - 1], distinct[i + 1]];
    if (!before || !after) return true;
    return !([0, 1] as const).some((axis) => before[axis] === point[axis] && point[axis] === after[axis]);
  });
}

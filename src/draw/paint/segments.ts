import { check } from "../../graph/index.ts";
import type { Point } from "../layout/scene.ts";

/** A piece of a path in absolute positions: the end of a move or line, or the two controls and the end of a Bézier curve. */
export type Segment =
  | { readonly kind: "move"; readonly to: Point }
  | { readonly kind: "line"; readonly to: Point }
  | { readonly kind: "curve"; readonly controls: readonly [Point, Point]; readonly to: Point }
  | { readonly kind: "close" };

/** The data of an SVG path as this library writes them (M, L, C, Q, l, h, v and z), for formats with other spellings. */
export function segmentsOf(data: string): Segment[] {
  const segments: Segment[] = [];
  let [x, y] = [0, 0];
  const goTo = (kind: "move" | "line", to: Point) => {
    [x, y] = to;
    segments.push({ kind, to });
  };
  for (const [, command, rest] of data.matchAll(/([a-zA-Z])([^a-zA-Z]*)/g)) {
    const numbers = (rest!.match(/-?[\d.]+/g) ?? []).map(Number);
    const point = (i: number): Point => [numbers[2 * i]!, numbers[2 * i + 1]!];
    switch (command) {
      case "M":
        goTo("move", point(0));
        break;
      case "L":
        goTo("line", point(0));
        break;
      case "l":
        goTo("line", [x + numbers[0]!, y + numbers[1]!]);
        break;
      case "h":
        goTo("line", [x + numbers[0]!, y]);
        break;
      case "v":
        goTo("line", [x, y + numbers[0]!]);
        break;
      case "C":
        segments.push({ kind: "curve", controls: [point(0), point(1)], to: point(2) });
        [x, y] = point(2);
        break;
      case "Q": {
        // a quadratic curve as a cubic one: its controls are two thirds of the way to the only control
        const [[cx, cy], [ex, ey]] = [point(0), point(1)];
        const towards = (px: number, py: number): Point => [px + (2 / 3) * (cx - px), py + (2 / 3) * (cy - py)];
        segments.push({ kind: "curve", controls: [towards(x, y), towards(ex, ey)], to: [ex, ey] });
        [x, y] = [ex, ey];
        break;
      }
      default:
        check(/z/i.test(command!), () => `draw: a path has the unknown command "${command}"`);
        segments.push({ kind: "close" });
    }
  }
  return segments;
}

/** Share of a radius at which the controls of a curve make a quarter of a circle. */
const ROUND = 0.5523;

/** A rectangle with round corners, or an ellipse where the radii are half of its sides. */
export function roundRect(x: number, y: number, width: number, height: number, rx: number, ry = rx): Segment[] {
  const [r, s] = [Math.min(rx, width / 2), Math.min(ry, height / 2)];
  const [right, bottom] = [x + width, y + height];
  const line = (...to: Point): Segment => ({ kind: "line", to });
  if (r <= 0 || s <= 0)
    return [{ kind: "move", to: [x, y] }, line(right, y), line(right, bottom), line(x, bottom), { kind: "close" }];
  const [a, b] = [r * (1 - ROUND), s * (1 - ROUND)];
  const curve = (c: Point, d: Point, to: Point): Segment => ({ kind: "curve", controls: [c, d], to });
  return [
    { kind: "move", to: [x + r, y] },
    line(right - r, y),
    curve([right - a, y], [right, y + b], [right, y + s]),
    line(right, bottom - s),
    curve([right, bottom - b], [right - a, bottom], [right - r, bottom]),
    line(x + r, bottom),
    curve([x + a, bottom], [x, bottom - b], [x, bottom - s]),
    line(x, y + s),
    curve([x, y + b], [x + a, y], [x + r, y]),
    { kind: "close" },
  ];
}

import type { Direction, Point, Wire } from "../layout/scene.ts";

const TURN_RADIUS = 8;
const TIP = 6;

/** A number with at most one decimal. */
export function n(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/**
 * A line as the data of SVG paths: the line itself, which runs straight into the arrow, and the arrow at its end, unless the line
 * only reaches the border of a frame.
 */
export function wirePaths({ points: given, to }: Wire, direction: Direction): { line: string; tip?: string } {
  const points = [...given];
  const end = points.at(-1)!;
  const before = points.at(-2)!;
  if (to?.role !== "port" && !isStraight(before, end)) {
    points.splice(-1, 0, direction === "right" ? [end[0] - TIP, end[1]] : [end[0], end[1] - TIP]);
  }
  const [first, ...rest] = points;
  const path = [`M${n(first![0])} ${n(first![1])}`];
  rest.forEach((point, i) => {
    const from = points[i]!;
    const next = rest[i + 1];
    if (!isStraight(from, point)) path.push(curve(from, point, direction));
    else if (next && isStraight(point, next) && turns(from, point, next)) path.push(corner(from, point, next));
    else path.push(`L${n(point[0])} ${n(point[1])}`);
  });
  const line = path.join("");
  return to?.role === "port" ? { line } : { line, tip: tip(points.at(-2)!, end) };
}

function isStraight([ax, ay]: Point, [bx, by]: Point): boolean {
  return ax === bx || ay === by;
}

function turns([ax, ay]: Point, [bx, by]: Point, [cx, cy]: Point): boolean {
  return (ax === bx) !== (bx === cx) && (ay === by) !== (by === cy);
}

function corner(from: Point, at: Point, to: Point): string {
  const towards = (other: Point): Point => {
    const length = Math.hypot(other[0] - at[0], other[1] - at[1]);
    const part = Math.min(TURN_RADIUS, length / 2) / length;
    return [at[0] + (other[0] - at[0]) * part, at[1] + (other[1] - at[1]) * part];
  };
  const [a, b] = [towards(from), towards(to)];
  return `L${n(a[0])} ${n(a[1])}Q${n(at[0])} ${n(at[1])} ${n(b[0])} ${n(b[1])}`;
}

function curve([ax, ay]: Point, [bx, by]: Point, direction: Direction): string {
  if (direction === "right") {
    const middle = n((ax + bx) / 2);
    return `C${middle} ${n(ay)} ${middle} ${n(by)} ${n(bx)} ${n(by)}`;
  }
  const middle = n((ay + by) / 2);
  return `C${n(ax)} ${middle} ${n(bx)} ${middle} ${n(bx)} ${n(by)}`;
}

/** The arrow at the end of a line that arrives horizontally or vertically. */
function tip([fromX, fromY]: Point, [x, y]: Point): string {
  const [dx, dy] = [TIP * Math.sign(x - fromX), TIP * Math.sign(y - fromY)];
  const [wideX, wideY] = [0.55 * dy, 0.55 * dx];
  const corners = [`${n(x - dx + wideX)} ${n(y - dy - wideY)}`, `${n(x - dx - wideX)} ${n(y - dy + wideY)}`];
  return `M${n(x)} ${n(y)}L${corners.join("L")}z`;
}

import { edgesOf, type Item, keepsShape, withPorts } from "../read/items.ts";
import { decompose, type Edges, type Series, type Structure } from "../read/series.ts";
import { textWidth } from "../text.ts";
import { type Extent, layered } from "./layered.ts";
import { FONT, type Style } from "./measure.ts";
import {
  type Area,
  emptyPiece,
  entry,
  move,
  type Neighbours,
  type Piece,
  type Placed,
  type Route,
  type Spot,
  stepped,
  tidy,
} from "./pieces.ts";
import { breakRows } from "./rows.ts";

/*
 * Layout of boxes and lines. The axis u runs along the flow, v across it; the trunk lies on v = 0. Items in series follow each
 * other, items in parallel are side by side, tangles are laid out in layers, and long rows are broken.
 */

/** Room for the line from the end of a row to the next row. */
const CHANNEL = 30;
export const TURN = 14;
/** Length of a line without text. */
const BARE = 8;
/** Share of a row that a frame hanging on the trunk may take. */
const HANGING = 0.37;
/** The most that a line is lengthened to make rows even. */
const STRETCH = 60;

/** Lays out a whole drawing; rows are broken to stay within the limit, as far as possible. */
export function layoutFlow(items: readonly Item[], style: Style, limit: number): Area {
  return new Flow(items, edgesOf(items), style, limit, false).layout();
}

/** Lays out the inside of a block, from the port at u = 0 to the port at its end. */
export function layoutInside(block: Item, style: Style, limit: number): Area {
  const { items, edges } = withPorts(block);
  return new Flow(items, edges, style, limit, true).layout();
}

class Flow {
  readonly #items: readonly Item[];
  readonly #edges: Edges;
  readonly #style: Style;
  readonly #limit: number;
  readonly #framed: boolean;
  readonly #stubs: readonly number[];
  /** The item whose output it reads, if that shape is not written again. */
  readonly #unwritten: ReadonlySet<number>;
  readonly #insides = new Map<Item, Area>();
  /** Items that only the port of a frame reads. */
  readonly #border: ReadonlySet<number>;
  readonly #hanging: ReadonlySet<Item>;
  readonly #stretch = new Map<number, number>();
  readonly #side: ReadonlyMap<number, readonly Series[]>;
  readonly #trunk: Series;
  /** Size of layers; all the same if there is room. */
  readonly #layer: { readonly width: number; readonly height: number };

  constructor(items: readonly Item[], edges: Edges, style: Style, limit: number, framed: boolean) {
    this.#items = items;
    this.#edges = edges;
    this.#style = style;
    this.#limit = limit;
    this.#framed = framed;
    const { trunk, side } = decompose(items.length, edges);
    this.#trunk = trunk;
    this.#side = side;
    const hanging = [...side.values()].flat(2).flatMap((part) => part.items);
    const read = new Set(edges.flatMap(([from, to]) => (items[to]!.role === "port" ? [] : [from])));
    this.#border = new Set(edges.flatMap(([from]) => (read.has(from) ? [] : [from])));
    this.#hanging = new Set(hanging.map((i) => items[i]!));
    const layers = items.map((item) => style.size(item, framed)).filter(({ form }) => form === "layer");
    // in frames, boxes below each other have lines of equal length after them
    const rank = ({ shape }: Item) => shape.length;
    this.#unwritten = new Set(style.terse ? items.flatMap((_, i) => (keepsShape(items, edges, i) ? [i] : [])) : []);
    this.#stubs = items.map((item, i) => {
      if (this.#unwritten.has(i)) return BARE;
      const alike =
        framed && !style.terse && item.role === "layer" ? items.filter((other) => rank(other) === rank(item)) : [item];
      return Math.max(...alike.map((one) => style.stub(one)));
    });
    this.#layer = {
      width: Math.max(0, ...layers.map(({ width }) => width)),
      height: Math.max(0, ...layers.map(({ height }) => height)),
    };
  }

  layout(): Area {
    const rows = this.#rows();
    const boxes: Placed[] = [];
    const routes = new Map<string, Route>();
    const starts: Spot[] = [];
    const rowOf = new Map<number, number>();
    const indent = rows.length > 1 ? TURN : 0;
    let pieces = rows.map((row, r) => this.#row(row, r > 0));
    if (rows.length > 1) pieces = this.#justified(rows, pieces);
    const end = indent + Math.max(...pieces.map(({ length }) => length));
    let bottom = 0;
    pieces.forEach((piece, r) => {
      const v = r === 0 ? 0 : bottom + CHANNEL + piece.before;
      bottom = v + piece.after;
      move(piece, indent, v);
      starts.push([indent, v]);
      boxes.push(...piece.boxes);
      for (const [key, route] of piece.routes) routes.set(key, route);
      for (const { index } of piece.boxes) rowOf.set(index, r);
    });
    const placed = new Map(boxes.map((box) => [box.index, box]));
    // several inputs that meet late leave nothing on the trunk
    const last = boxes.filter(({ depth }) => depth === 0).at(-1);
    // the ports of a frame lie on its border
    if (last && boxes[0]!.item.role === "port") {
      boxes[0]!.u = 0;
      last.u = end + indent;
    }
    const wires = this.#edges.map(([a, b]) => {
      const [from, to] = [placed.get(a)!, placed.get(b)!];
      const row = rowOf.get(b)!;
      const route = routes.get(`${a},${b}`) ?? { points: [], tangled: false };
      const begin: Spot = [from.u + from.length + from.stub, from.v + from.out];
      const turned = row === rowOf.get(a) ? [] : this.#turn(begin, starts[row]!, pieces[row]!.before, end);
      const points = [[from.u + from.length, begin[1]] as Spot, begin, ...turned];
      const way = [...points, ...this.#way(points.at(-1)!, from, to, route)];
      return { from: from.item, to: to.item, points: tidy(route.tangled ? way : stepped(way)) };
    });
    const out = last ? last.v + last.out : 0;
    return { boxes, wires, length: end + indent, before: pieces[0]!.before, after: bottom, out };
  }

  /** Rows with longer lines, so that they all end at the same place, except the last one and those with hanging parts. */
  #justified(rows: readonly Series[], pieces: readonly Piece[]): Piece[] {
    const longest = Math.max(...pieces.map(({ length }) => length));
    return rows.map((row, r) => {
      const lines = row.slice(0, -1).flatMap((part) => (part.kind === "item" ? [part.item] : []));
      const hangs = row.some((part) => part.kind === "item" && this.#side.has(part.item));
      if (r === rows.length - 1 || hangs || lines.length === 0) return pieces[r]!;
      const extra = Math.min(STRETCH, (longest - pieces[r]!.length) / lines.length);
      for (const index of lines) this.#stretch.set(index, extra);
      return this.#row(row, r > 0);
    });
  }

  /** The line from the end of one row to the beginning of another. */
  #turn(from: Spot, to: Spot, before: number, end: number): Spot[] {
    const channel = to[1] - before - CHANNEL / 2;
    return [
      [end + TURN / 2, from[1]],
      [end + TURN / 2, channel],
      [to[0] - TURN / 2, channel],
      [to[0] - TURN / 2, to[1]],
      to,
    ];
  }

  /** Points of a line from a box, or the beginning of a row, to another box. */
  #way(begin: Spot, from: Placed, to: Placed, { points: route, tangled }: Route): Spot[] {
    const { fork } = this.#style;
    const points: Spot[] = [];
    const v = () => points.at(-1)?.[1] ?? begin[1];
    const [first] = route;
    if (first && first[1] !== v()) points.push([begin[0] + fork, first[1]]);
    points.push(...route);
    // sums are entered from the side, bars wherever the line runs
    if (to.form === "sum" && to.v !== v() && !tangled) {
      const side = v() < to.v ? -to.before : to.after;
      return [...points, [to.u + to.length / 2, v()], [to.u + to.length / 2, to.v + side]];
    }
    const into = entry(to, v());
    if (into[1] !== v()) {
      if (!first && to.depth > from.depth) points.push([begin[0] + fork, into[1]]);
      else points.push([into[0] - fork, v()]);
    }
    points.push(into);
    return points;
  }

  /** The trunk in rows within the limit, as far as possible. */
  #rows(): Series[] {
    if (this.#limit === Infinity) return [this.#trunk];
    // rows break after an item, but not at the ports of a frame
    const cells: Structure[][] = [];
    const isPort = (part: Structure) => part.kind === "item" && this.#items[part.item]!.role === "port";
    let open = true;
    for (const part of this.#trunk) {
      if (open && !(cells.length > 0 && isPort(part))) cells.push([part]);
      else cells.at(-1)!.push(part);
      open = part.kind === "item" && !isPort(part);
    }
    const starts = breakRows(cells.length, this.#limit, (start, end) => {
      const { length, before, after } = this.#row(cells.slice(start, end).flat(), start > 0);
      return { length, height: before + after };
    });
    return starts.map((start, i) => cells.slice(start, starts[i + 1]).flat());
  }

  /** A stretch of the trunk with what hangs on it. */
  #row(parts: Series, indented: boolean): Piece {
    const first = this.#trunk.indexOf(parts[0]!);
    const at = (i: number) => {
      const part = this.#trunk[i];
      return part?.kind === "item" ? part.item : i < 0 ? -1 : this.#items.length;
    };
    const neighbors = { previous: at(first - 1), next: at(first + parts.length), depth: 0 };
    const row = this.#series(parts, neighbors);
    // a region at the beginning of a row needs room for its lines to part
    if (indented && parts[0]!.kind !== "item") {
      move(row, this.#style.fork, 0);
      row.length += this.#style.fork;
    }
    // from the end, so that no line to a branch crosses a branch from farther back
    for (const box of [...row.boxes].sort((a, b) => b.u - a.u)) {
      for (const branch of this.#side.get(box.index) ?? []) {
        const hung = this.#series(branch, { previous: box.index, next: this.#items.length, depth: 1 });
        const { fork, lane } = this.#style;
        const u = box.u + box.length + box.stub + fork;
        const zone = { u: u - fork, end: u + hung.length };
        const above = row.zones.filter((other) => other.end > u && other.u < zone.end + fork);
        const v = Math.max(box.out, ...above.map(({ after }) => after)) + 2 * lane + hung.before;
        move(hung, u, v);
        row.boxes.push(...hung.boxes);
        row.zones.push({ ...zone, after: v + hung.after });
        for (const [key, route] of hung.routes) row.routes.set(key, route);
        row.length = Math.max(row.length, u + hung.length);
        row.after = Math.max(row.after, v + hung.after);
      }
    }
    return row;
  }

  #series(parts: Series, { previous, next, depth }: Neighbours): Piece {
    const piece = emptyPiece();
    const cut = (part: Structure | undefined, otherwise: number) => (part?.kind === "item" ? part.item : otherwise);
    parts.forEach((part, i) => {
      const before = parts[i - 1];
      const around = { previous: cut(before, previous), next: cut(parts[i + 1], next), depth };
      const inner = this.#part(part, around, before?.kind === "parallel" ? piece : undefined);
      const u = before ? piece.length + this.#between(before, part) : 0;
      move(inner, u, 0);
      piece.boxes.push(...inner.boxes);
      for (const [key, route] of inner.routes) piece.routes.set(key, route);
      piece.length = u + inner.length;
      piece.before = Math.max(piece.before, inner.before);
      piece.after = Math.max(piece.after, inner.after);
      piece.lanes = inner.lanes;
      piece.zones.push({ u, end: piece.length, after: inner.after });
    });
    return piece;
  }

  /** Room between two items in series. */
  #between(a: Structure, b: Structure): number {
    const { gap, fork } = this.#style;
    if (a.kind === "item" && this.#side.has(a.item)) return fork + gap;
    if (a.kind === "item" && b.kind === "item") return this.#leavesAside(a.item) ? fork : gap;
    // branches run straight into a bar, and into the sides of a sum
    if (b.kind === "item" && a.kind === "parallel" && this.#items[b.item]!.kind === "join") return gap;
    return fork;
  }

  /** Whether the line out of a frame lies on another axis than the line into it. */
  #leavesAside(index: number): boolean {
    const item = this.#items[index]!;
    return this.#isOpen(item) && this.#inside(item).out !== 0;
  }

  #isOpen({ role, open = this.#style.open }: Item): boolean {
    return role === "block" && open;
  }

  #part(part: Structure, around: Neighbours, branches: Piece | undefined): Piece {
    switch (part.kind) {
      case "item":
        return this.#item(part.item, around.depth, branches);
      case "parallel":
        return this.#parallel(part.branches, around);
      case "tangle":
        return this.#tangle(part.items, around);
      default:
        return part satisfies never;
    }
  }

  #item(index: number, depth: number, branches?: Piece): Piece {
    const box = this.#box(index, depth, branches);
    return {
      boxes: [box],
      routes: new Map(),
      length: box.length + box.stub,
      before: box.before,
      after: box.reach,
      lanes: [box.out],
      zones: [],
    };
  }

  #box(index: number, depth: number, branches?: Piece): Placed {
    const item = this.#items[index]!;
    const { direction, rim, headline } = this.#style;
    const stub = this.#stub(index);
    const written = stub > 0 && !this.#unwritten.has(index);
    const base = { item, index, u: 0, v: 0, depth, stub, written, out: 0 };
    const label = written ? this.#style.label(item) : 0;
    if (this.#isOpen(item)) {
      const inside = this.#inside(item);
      const right = direction === "right";
      const length = inside.length + (right ? 0 : headline);
      const [before, after] = [inside.before + rim + (right ? headline : 0), inside.after + rim];
      return { ...base, form: "frame", length, before, after, reach: Math.max(after, label), out: inside.out, inside };
    }
    const { form, ...own } = this.#style.size(item, this.#framed);
    const { width, height } = form === "layer" && !(this.#framed && direction === "right") ? this.#layer : own;
    const [length, breadth] = direction === "right" ? [width, height] : [height, width];
    let [before, after] = [breadth / 2, breadth / 2];
    if (form === "bar") {
      const half = this.#style.headline > 0 ? textWidth(item.title, FONT.text) / 2 + 8 : 3;
      const lanes = branches?.lanes ?? [0];
      [before, after] = [Math.max(half, -Math.min(...lanes) + half / 2), Math.max(half, Math.max(...lanes) + half / 2)];
    }
    return { ...base, form, length, before, after, reach: Math.max(after, label) };
  }

  /** No text on a line to the port of a frame: the frame has its own line. */
  #stub(index: number): number {
    return this.#border.has(index) ? 0 : this.#stubs[index]! + (this.#stretch.get(index) ?? 0);
  }

  #inside(block: Item): Area {
    let inside = this.#insides.get(block);
    if (!inside) {
      const limit = this.#hanging.has(block) ? HANGING * this.#limit : this.#limit - 2 * TURN;
      inside = layoutInside(block, this.#style, limit);
      this.#insides.set(block, inside);
    }
    return inside;
  }

  /** Branches side by side. Of two, the longer one stays on the axis. */
  #parallel(branches: readonly (Series | undefined)[], around: Neighbours): Piece {
    const { lane, line } = this.#style;
    const inner = { ...around, depth: around.depth + 1 };
    const pieces = branches.map((branch) => (branch ? this.#series(branch, inner) : emptyPiece(0, line)));
    const length = Math.max(...pieces.map((piece) => piece.length));
    const order = pieces.map((_, i) => i);
    if (pieces.length === 2) order.sort((a, b) => pieces[a]!.length - pieces[b]!.length);
    const axes: number[] = [];
    order.forEach((i, place) => {
      const above = pieces[order[place - 1] ?? -1];
      axes[i] = above ? axes[order[place - 1]!]! + above.after + lane + pieces[i]!.before : 0;
    });
    const first = axes[order[0]!]!;
    const last = axes[order.at(-1)!]!;
    const axis = pieces.length === 2 ? last : (first + last) / 2;
    const joined: Piece = { ...emptyPiece(length), lanes: [] };
    pieces.forEach((piece, i) => {
      const v = axes[i]! - axis;
      if (!branches[i]) {
        const points = [0, length].map((u): Spot => [u, v]);
        joined.routes.set(`${around.previous},${around.next}`, { points, tangled: false });
      }
      // the inputs of a join are side by side in front of it
      move(piece, length - piece.length, v);
      joined.boxes.push(...piece.boxes);
      for (const [key, route] of piece.routes) joined.routes.set(key, route);
      joined.before = Math.max(joined.before, piece.before - v);
      joined.after = Math.max(joined.after, piece.after + v);
      joined.lanes.push(...piece.lanes);
    });
    return joined;
  }

  #tangle(items: readonly number[], { previous, next, depth }: Neighbours): Piece {
    const { fork, lane } = this.#style;
    const boxes = new Map(items.map((index) => [index, this.#box(index, depth + 1)]));
    const inside = new Set(items);
    const edges = this.#edges
      .filter(([a, b]) => inside.has(a) || inside.has(b))
      .map(([a, b]) => [inside.has(a) ? a : previous, inside.has(b) ? b : next] as const);
    const extent = (index: number): Extent => {
      const { length, stub, before, reach } = boxes.get(index)!;
      return { length: length + stub, before, after: reach };
    };
    const { places, routes, ...size } = layered(items, edges, [previous, next], extent, { fork: 1.6 * fork, lane });
    for (const [index, box] of boxes) Object.assign(box, places.get(index)!);
    return {
      ...size,
      boxes: [...boxes.values()],
      routes: new Map([...routes].map(([key, points]) => [key, { points, tangled: true }])),
      lanes: [0],
      zones: [],
    };
  }
}

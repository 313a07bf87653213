import type { Edges } from "../read/series.ts";

/*
 * Layout of a graph in layers, after Sugiyama et al. 1981: every node gets a rank, edges over several ranks run through
 * dummies, the order within ranks is chosen so that few edges cross, and positions so that edges are straight. All edges that
 * carry the same value share their dummies, so that a value read in many places is one line with branches.
 *
 * The axis u runs along the flow, v across it.
 */

export interface Extent {
  /** Along the flow. */
  readonly length: number;
  /** Across it, on either side of the node's axis. */
  readonly before: number;
  readonly after: number;
}

export interface Spacing {
  /** Room along u in which edges change lanes. */
  readonly fork: number;
  /** Room along v between lanes. */
  readonly lane: number;
}

export interface Layers {
  readonly length: number;
  readonly before: number;
  readonly after: number;
  /** Where each node begins on u, and its axis on v. */
  readonly places: ReadonlyMap<number, { readonly u: number; readonly v: number }>;
  /** Points on an edge between its nodes. */
  readonly routes: ReadonlyMap<string, readonly (readonly [u: number, v: number])[]>;
}

interface Slot {
  readonly rank: number;
  /** The node, or the node whose value a dummy carries. */
  readonly node: number;
  readonly dummy: boolean;
  readonly before: number;
  readonly after: number;
  v: number;
  readonly previous: Slot[];
  readonly next: Slot[];
}

const DUMMY = 5;
const SWEEPS = 12;

/**
 * Lays out nodes between two ports, `source` and `sink`, which have no extent and lie on the axis v = 0. Edges lead from the
 * source through nodes to the sink; nodes are numbered so that every edge leads to a higher number.
 */
export function layered(
  nodes: readonly number[],
  edges: Edges,
  [source, sink]: readonly [number, number],
  extent: (node: number) => Extent,
  { fork, lane }: Spacing,
): Layers {
  const order = [source, ...[...nodes].sort((a, b) => a - b), sink];
  const ranks = rankNodes(order, edges);
  const size = (node: number) => (node === source || node === sink ? { length: 0, before: 0, after: 0 } : extent(node));
  const slots = new Map(order.map((node) => [node, slotOf(node, ranks.get(node)!, false, size(node))]));
  const columns: Slot[][] = Array.from({ length: ranks.get(sink)! + 1 }, () => []);
  for (const slot of slots.values()) columns[slot.rank]!.push(slot);
  const lanes = connect(order, edges, slots, columns);

  arrange(columns);
  position(columns, lane);
  const middle = slots.get(source)!.v;
  for (const slot of columns.flat()) slot.v -= middle;
  slots.get(sink)!.v = 0;

  // u: ranks one after the other
  const starts: number[] = [];
  const ends: number[] = [];
  columns.forEach((column, rank) => {
    starts[rank] = rank === 0 ? 0 : ends[rank - 1]! + fork;
    ends[rank] = starts[rank]! + Math.max(0, ...column.map(({ node, dummy }) => (dummy ? 0 : size(node).length)));
  });
  // the caller adds the gaps at the ports
  const shift = starts[1]!;

  const routes = new Map<string, [number, number][]>();
  for (const [from, to] of edges) {
    const a = slots.get(from)!;
    const b = slots.get(to)!;
    const points: [number, number][] = from === source ? [] : [[ends[a.rank]! - shift, a.v]];
    for (const dummy of (lanes.get(from) ?? []).slice(0, b.rank - a.rank - 1)) {
      points.push([starts[dummy.rank]! - shift, dummy.v], [ends[dummy.rank]! - shift, dummy.v]);
    }
    routes.set(`${from},${to}`, points);
  }
  const between = columns.slice(1, -1).flat();
  return {
    length: ends.at(-2)! - shift,
    before: Math.max(0, ...between.map(({ v, before }) => before - v)),
    after: Math.max(0, ...between.map(({ v, after }) => after + v)),
    places: new Map(nodes.map((node) => [node, { u: starts[slots.get(node)!.rank]! - shift, v: slots.get(node)!.v }])),
    routes,
  };
}

function slotOf(node: number, rank: number, dummy: boolean, { before, after }: Omit<Extent, "length">): Slot {
  return { node, rank, dummy, before, after, v: 0, previous: [], next: [] };
}

/** Longest path from the source; what only the source feeds moves up to its first reader. */
function rankNodes(order: readonly number[], edges: Edges): Map<number, number> {
  const ranks = new Map(order.map((node, i) => [node, i === 0 ? 0 : 1]));
  for (const [a, b] of [...edges].sort(([a], [b]) => a - b)) ranks.set(b, Math.max(ranks.get(b)!, ranks.get(a)! + 1));
  const sink = order.at(-1)!;
  ranks.set(sink, 1 + Math.max(...order.slice(0, -1).map((node) => ranks.get(node)!)));
  for (const node of order.slice(1, -1)) {
    const sources = edges.filter(([, b]) => b === node);
    if (sources.some(([a]) => a !== order[0])) continue;
    const readers = edges.filter(([a]) => a === node).map(([, b]) => ranks.get(b)!);
    if (readers.length > 0) ranks.set(node, Math.max(1, Math.min(...readers) - 1));
  }
  return ranks;
}

/** Adds the dummies of each node's value, and the links between neighbors in rank. */
function connect(order: readonly number[], edges: Edges, slots: Map<number, Slot>, columns: Slot[][]) {
  const lanes = new Map<number, Slot[]>();
  for (const node of order) {
    const slot = slots.get(node)!;
    const readers = edges.filter(([a]) => a === node).map(([, b]) => slots.get(b)!);
    const lane: Slot[] = [];
    let last = slot;
    for (let rank = slot.rank + 1; rank < Math.max(0, ...readers.map((reader) => reader.rank)); rank++) {
      const dummy = slotOf(node, rank, true, { before: DUMMY, after: DUMMY });
      columns[rank]!.push(dummy);
      lane.push(dummy);
      link(last, dummy);
      last = dummy;
    }
    for (const reader of readers) link(lane[reader.rank - slot.rank - 2] ?? slot, reader);
    lanes.set(node, lane);
  }
  return lanes;
}

function link(a: Slot, b: Slot): void {
  a.next.push(b);
  b.previous.push(a);
}

/** Orders each rank by the mean position of its neighbors, back and forth, and keeps the order with the fewest crossings. */
function arrange(columns: Slot[][]): void {
  let best = columns.map((column) => [...column]);
  let fewest = crossings(columns);
  for (let sweep = 0; sweep < SWEEPS && fewest > 0; sweep++) {
    const forth = sweep % 2 === 0;
    const ordered = forth ? columns : [...columns].reverse();
    for (const [i, column] of ordered.entries()) {
      const places = new Map((ordered[i - 1] ?? []).map((slot, place) => [slot, place]));
      const wish = new Map(
        column.map((slot, place) => {
          const neighbors = (forth ? slot.previous : slot.next).map((other) => places.get(other)!);
          return [slot, neighbors.length === 0 ? place : mean(neighbors)];
        }),
      );
      column.sort((a, b) => wish.get(a)! - wish.get(b)!);
    }
    const count = crossings(columns);
    if (count < fewest) {
      fewest = count;
      best = columns.map((column) => [...column]);
    }
  }
  for (const [rank, column] of best.entries()) columns[rank]!.splice(0, column.length, ...column);
}

function crossings(columns: readonly (readonly Slot[])[]): number {
  let count = 0;
  for (const [rank, column] of columns.entries()) {
    const places = new Map((columns[rank + 1] ?? []).map((slot, place) => [slot, place]));
    const links = column.flatMap((slot) => slot.next.map((other) => places.get(other)!).sort((a, b) => a - b));
    // links in the order of their starts: those that end out of order cross
    for (const [i, a] of links.entries()) for (const b of links.slice(i + 1)) if (b < a) count++;
  }
  return count;
}

/** Moves slots towards their neighbors in other ranks, as far as those in their own rank allow. */
function position(columns: readonly (readonly Slot[])[], lane: number): void {
  for (const column of columns)
    spread(
      column,
      column.map(() => 0),
      lane,
    );
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forth = sweep % 2 === 0;
    for (const column of forth ? columns : [...columns].reverse()) {
      const wishes = column.map((slot) => {
        const neighbors = forth ? slot.previous : slot.next;
        // straight lines are worth more than branches
        const straight = neighbors.filter(({ node, dummy }) => (slot.dummy || dummy) && node === slot.node);
        const towards = straight.length > 0 ? straight : neighbors;
        return towards.length === 0 ? slot.v : mean(towards.map(({ v }) => v));
      });
      spread(column, wishes, lane);
    }
  }
}

/**
 * Positions that keep the order and distances of a rank and are nearest to the desired ones in least squares: the isotonic
 * regression of the desired positions minus the distances, by pooling neighbors that are out of order.
 */
function spread(column: readonly Slot[], wishes: readonly number[], lane: number): void {
  const offsets: number[] = [];
  column.forEach((slot, i) => {
    const above = column[i - 1];
    offsets.push(above ? offsets[i - 1]! + above.after + lane + slot.before : 0);
  });
  const pools: { sum: number; count: number }[] = [];
  wishes.forEach((wish, i) => {
    let pool = { sum: wish - offsets[i]!, count: 1 };
    for (let last = pools.at(-1); last && last.sum / last.count > pool.sum / pool.count; last = pools.at(-1)) {
      pool = { sum: pool.sum + last.sum, count: pool.count + last.count };
      pools.pop();
    }
    pools.push(pool);
  });
  const bases = pools.flatMap(({ sum, count }) => Array<number>(count).fill(sum / count));
  column.forEach((slot, i) => {
    slot.v = bases[i]! + offsets[i]!;
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0) / values.length;
}

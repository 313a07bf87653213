/*
 * What runs in series and what in parallel. Most networks are series-parallel; a part that is not is left as it is, to be laid
 * out in layers.
 */

/** Positions of items; `undefined` among branches is a path around all of them. */
export type Structure =
  | { readonly kind: "item"; readonly item: number; readonly items: readonly number[] }
  | { readonly kind: "parallel"; readonly branches: readonly (Series | undefined)[]; readonly items: readonly number[] }
  | { readonly kind: "tangle"; readonly items: readonly number[] };

export type Series = readonly Structure[];

export type Edges = readonly (readonly [number, number])[];

export interface Decomposition {
  /** From the inputs to the main output. */
  readonly trunk: Series;
  /** What leaves the trunk at an item and does not return, such as auxiliary classifiers. */
  readonly side: ReadonlyMap<number, readonly Series[]>;
}

/**
 * Decomposes a graph. Items are numbered 0 … count − 1 so that every edge leads to a higher number. The trunk leads to the
 * farthest end; what leads to other ends hangs on it, provided it leaves the trunk at one item that all paths pass.
 */
export function decompose(count: number, edges: Edges): Decomposition {
  const next = neighbors(count, edges, 0);
  const previous = neighbors(count, edges, 1);
  const main = reach([farthestEnd(next, previous)], previous);
  const rest = Array.from({ length: count }, (_, i) => i).filter((i) => !main.has(i));
  let side = components(rest, edges);
  // edges to what hangs on the trunk are not part of its paths
  const within = () => edges.filter(([a, b]) => main.has(a) && main.has(b));
  let trunk = series([...main].sort(ascending), within());
  for (;;) {
    const cuts = new Set(trunk.flatMap((part) => (part.kind === "item" ? [part.item] : [])));
    const roots = (branch: readonly number[]) =>
      new Set(branch.flatMap((i) => previous[i]!.filter((p) => main.has(p))));
    const hangs = (branch: readonly number[]) => roots(branch).size === 1 && cuts.has([...roots(branch)][0]!);
    const tangled = side.filter((branch) => !hangs(branch));
    if (tangled.length === 0) {
      const hung = new Map<number, Series[]>();
      for (const branch of side) {
        const [root] = roots(branch);
        hung.set(root!, [...(hung.get(root!) ?? []), series(branch, edges)]);
      }
      return { trunk, side: hung };
    }
    for (const branch of tangled) for (const i of branch) main.add(i);
    side = side.filter(hangs);
    trunk = series([...main].sort(ascending), within());
  }
}

const ascending = (a: number, b: number) => a - b;

function neighbors(count: number, edges: Edges, side: 0 | 1): number[][] {
  const lists: number[][] = Array.from({ length: count }, () => []);
  for (const edge of edges) lists[edge[side]]!.push(edge[1 - side]!);
  return lists;
}

function farthestEnd(next: readonly number[][], previous: readonly number[][]): number {
  const depths: number[] = [];
  previous.forEach((before, i) => {
    depths[i] = 1 + Math.max(0, ...before.map((p) => depths[p]!));
  });
  let farthest = 0;
  next.forEach((after, i) => {
    const current = next[farthest]!.length > 0 ? 0 : depths[farthest]!;
    if (after.length === 0 && depths[i]! > current) farthest = i;
  });
  return farthest;
}

function reach(from: readonly number[], next: readonly number[][]): Set<number> {
  const reached = new Set(from);
  for (const i of reached) for (const j of next[i]!) reached.add(j);
  return reached;
}

/** Connected groups of items, each in order, ordered by their first item. */
function components(items: readonly number[], edges: Edges): number[][] {
  const leader = new Map(items.map((i) => [i, i]));
  const find = (i: number): number => {
    let root = i;
    while (leader.get(root) !== root) root = leader.get(root)!;
    leader.set(i, root);
    return root;
  };
  for (const [a, b] of edges) {
    if (!leader.has(a) || !leader.has(b)) continue;
    const [x, y] = [find(a), find(b)];
    leader.set(Math.max(x, y), Math.min(x, y));
  }
  const groups = new Map<number, number[]>();
  for (const i of items) groups.set(find(i), [...(groups.get(find(i)) ?? []), i]);
  return [...groups.values()];
}

/**
 * Items that all paths pass, and what lies between them. Paths enter at items without an edge from inside, or with one from
 * outside, and leave likewise; `items` must be in ascending order.
 */
export function series(items: readonly number[], edges: Edges): Series {
  const place = new Map(items.map((item, p) => [item, p]));
  const end = items.length;
  // the outside is −1 before and `end` after
  const hops: [number, number][] = [];
  const [left, entered] = [new Set<number>(), new Set<number>()];
  const [inside, outside] = [new Set<number>(), new Set<number>()];
  for (const [a, b] of edges) {
    const [from, to] = [place.get(a), place.get(b)];
    if (from !== undefined && to !== undefined) {
      hops.push([from, to]);
      left.add(from);
      inside.add(to);
    } else if (to !== undefined) entered.add(to);
    else if (from !== undefined) outside.add(from);
  }
  for (let p = 0; p < end; p++) {
    if (!inside.has(p) || entered.has(p)) hops.push([-1, p]);
    if (!left.has(p) || outside.has(p)) hops.push([p, end]);
  }
  const farthest = Array<number>(end + 1).fill(0);
  for (const [from, to] of hops) farthest[from + 1] = Math.max(farthest[from + 1]!, to);

  const parts: Structure[] = [];
  let cut = -1;
  let reached = 0;
  for (let p = 0; p <= end; p++) {
    reached = Math.max(reached, farthest[p]!);
    if (reached > p && p < end) continue;
    const between = items.slice(cut + 1, p);
    if (between.length > 0)
      parts.push(
        region(
          between,
          hops.some(([a, b]) => a === cut && b === p),
          edges,
        ),
      );
    if (p < end) parts.push({ kind: "item", item: items[p]!, items: [items[p]!] });
    cut = p;
  }
  return parts;
}

function region(items: readonly number[], around: boolean, edges: Edges): Structure {
  const branches = components(items, edges);
  if (branches.length === 1 && !around) return { kind: "tangle", items };
  return {
    kind: "parallel",
    branches: [...branches.map((branch) => series(branch, edges)), ...(around ? [undefined] : [])],
    items,
  };
}

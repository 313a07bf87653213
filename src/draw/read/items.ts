import type { Shape, Value } from "../../graph/index.ts";
import { numel, sameShape } from "../../graph/index.ts";
import type { Face, Kind } from "./layers.ts";
import { isUnit, type Network, type Part, type Unit, unitsOf } from "./parts.ts";
import { decompose, type Edges } from "./series.ts";
import { mapSize, perSample } from "./sizes.ts";

/** The level of detail: a box for each block, or for each layer. */
export type Level = "block" | "layer";

/**
 * One thing in a drawing: a layer with the layers folded into it, a block, or an end of the network. A port is where lines
 * enter or leave a frame.
 */
export interface Item {
  /** Tells it from all others of the network: the path of its module, or of the module around it and its operator. */
  readonly id: string;
  readonly role: "layer" | "block" | "input" | "output" | "port";
  /** Undefined for blocks and ends. */
  readonly kind?: Kind;
  /** Name of a block or an end; what a layer does. */
  readonly title: string;
  /** Kernel of a layer, class of a block. */
  readonly note?: string;
  /** Layers folded into this one, in order. */
  readonly folded: readonly Face[];
  readonly path: string;
  readonly params: number;
  /** Multiply-accumulates for one image. */
  readonly macs: number;
  /** Shape of its output, without the batch. */
  readonly shape: Shape;
  readonly reads: readonly Value[];
  readonly gives: readonly Value[];
  /** Layers of a block; of an open one, the layers and blocks that are shown in it. */
  readonly inside: readonly Item[];
  readonly units: readonly Unit[];
  /** Whether a block is drawn as a frame around its inside. Default: as the drawing does with all of its blocks. */
  readonly open?: boolean;
}

/** The items at a level of detail, in the order of computation: inputs, layers and blocks, outputs. */
export function itemsOf(network: Network, level: Level): Item[] {
  const items = new Items(network, level);
  const shown = items.frontier(network.root);
  return items.withEnds(!network.modular && level === "block" ? items.groupBranches(shown) : shown);
}

/** The items of a drawing in which these blocks, at any depth, are open, and all others are closed. */
export function nestedItemsOf(network: Network, open: ReadonlySet<string>): Item[] {
  const items = new Items(network, "block");
  return items.withEnds(items.nested(network.root, open));
}

/** Ids of the blocks down to a depth: none, the outermost ones, those in them as well, and so on. */
export function blocksTo(network: Network, depth: number): ReadonlySet<string> {
  const open = new Set<string>();
  const closed = (items: readonly Item[]): string[] =>
    items.flatMap((item) => (item.role !== "block" ? [] : item.open ? closed(item.inside) : [item.id]));
  for (let level = 0; level < depth; level++) {
    const found = closed(nestedItemsOf(network, open));
    if (found.length === 0) break;
    for (const id of found) open.add(id);
  }
  return open;
}

/** The same, with every layer visible. */
export function layersOf(network: Network): Item[] {
  const items = new Items(network, "layer");
  return items.withEnds(items.flat(network.root));
}

/** Pairs of positions: the second reads the output of the first. */
export function edgesOf(items: readonly Item[]): (readonly [number, number])[] {
  const makers = new Map(items.flatMap(({ gives }, i) => gives.map((value) => [value, i] as const)));
  return items.flatMap(({ reads }, to) =>
    [...new Set(reads.flatMap((value) => makers.get(value) ?? []))].map((from) => [from, to] as const),
  );
}

/** Whether it is a chain that shrinks its maps, which solids show better than boxes. */
export function isTower(items: readonly Item[]): boolean {
  const edges = edgesOf(items);
  const chain = edges.length === items.length - 1 && edges.every(([from, to]) => to === from + 1);
  const sizes = items.flatMap(({ units }) => units.flatMap(({ gives }) => gives.map(({ shape }) => mapSize(shape))));
  return chain && new Set(sizes.filter((size) => size !== undefined).map(String)).size > 1;
}

/** Whether the output of a layer has the shape of one of its inputs. */
export function keepsShape(items: readonly Item[], edges: Edges, index: number): boolean {
  const { role, shape } = items[index]!;
  return role === "layer" && edges.some(([from, to]) => to === index && sameShape(items[from]!.shape, shape));
}

/** The inside of a block, between the ports where lines enter and leave it. */
export function withPorts({ inside, reads, gives }: Item): { items: Item[]; edges: (readonly [number, number])[] } {
  const port: Item = {
    id: "",
    role: "port",
    title: "",
    folded: [],
    path: "",
    params: 0,
    macs: 0,
    shape: [],
    reads: [],
    gives: [],
    inside: [],
    units: [],
  };
  const items = [port, ...inside, { ...port }];
  const within = edgesOf(inside).map(([from, to]) => [from + 1, to + 1] as const);
  const entries = inside.flatMap((item, i) =>
    item.reads.some((value) => reads.includes(value)) ? [[0, i + 1] as const] : [],
  );
  const exits = inside.flatMap((item, i) =>
    item.gives.some((value) => gives.includes(value)) ? [[i + 1, items.length - 1] as const] : [],
  );
  return { items, edges: [...entries, ...within, ...exits] };
}

/** A chain of fewer layers than this is as clear without a frame around it. */
const FRAMED = 4;
/** A module whose maps have this many sizes is a sequence of blocks, not a block. */
const SEQUENCE_OF_SIZES = 3;
/** More layers than this that belong to no block are grouped by their branches. */
const UNGROUPED = 16;

class Items {
  readonly #network: Network;
  readonly #level: Level;
  /** How many layers read each value. */
  readonly #readers = new Map<Value, number>();

  constructor(network: Network, level: Level) {
    this.#network = network;
    this.#level = level;
    const reads = [...unitsOf(network.root).flatMap(({ reads }) => reads), ...network.outputs.values()];
    for (const value of reads) this.#readers.set(value, (this.#readers.get(value) ?? 0) + 1);
  }

  /** All layers of a part. */
  flat(part: Part): Item[] {
    return this.#fold(unitsOf(part).map((unit) => this.#layer(unit)));
  }

  /** Layers and blocks of a part that is not itself shown as a block. */
  frontier(part: Part): Item[] {
    const insides = new Map(part.parts.flatMap((child) => (isUnit(child) ? [] : [[child, this.flat(child)] as const])));
    // blocks of one class look alike; a Sequential may be anything
    const long = [...insides].filter(([{ type }, inside]) => type !== "Sequential" && !isShortChain(inside));
    const framed = new Set(long.map(([{ type }]) => type));
    const items = part.parts.flatMap((child) => {
      if (isUnit(child)) return [this.#layer(child)];
      const inside = insides.get(child)!;
      if (inside.length <= 1) return inside;
      return part.parts.length === 1 || this.#opens(child, inside, framed.has(child.type))
        ? this.frontier(child)
        : [this.#block(child, inside)];
    });
    return this.#fold(items);
  }

  /** Layers and blocks of a part; those in `open` hold their own layers and blocks, the others all of their layers. */
  nested(part: Part, open: ReadonlySet<string>): Item[] {
    const items = part.parts.flatMap((child) => {
      if (isUnit(child)) return [this.#layer(child)];
      const inside = this.flat(child);
      if (inside.length <= 1) return inside;
      if (part.parts.length === 1 || isSequence(inside)) return this.nested(child, open);
      const block = this.#block(child, inside);
      return open.has(block.id) ? [{ ...this.#block(child, this.nested(child, open)), open: true }] : [block];
    });
    const folded = this.#fold(items);
    if (folded.length <= UNGROUPED || folded.some(({ role }) => role === "block")) return folded;
    return this.groupBranches(folded).map((item) =>
      item.role === "block" && open.has(item.id) ? { ...item, open: true } : item,
    );
  }

  /** Whether a module is shown as its parts instead of as one block. */
  #opens(part: Part, inside: readonly Item[], framed: boolean): boolean {
    if (isSequence(inside)) return true;
    if (this.#level === "block") return false;
    if (!framed && isShortChain(inside)) return true;
    return this.frontier(part).filter(({ role }) => role === "block").length > 1;
  }

  #layer(unit: Unit): Item {
    const { face } = unit;
    return {
      id: unit.id,
      role: "layer",
      kind: face.kind,
      title: face.title,
      ...(face.window && { note: face.window }),
      folded: [],
      path: unit.path,
      params: this.#params([unit]),
      macs: unit.macs,
      shape: perSample(unit.shape),
      reads: unit.reads,
      gives: unit.gives,
      inside: [],
      units: [unit],
    };
  }

  #block({ id, name, type, path }: Omit<Part, "parts">, inside: readonly Item[]): Item {
    const units = inside.flatMap(({ units }) => units);
    const within = new Map<Value, number>();
    for (const value of units.flatMap(({ reads }) => reads)) within.set(value, (within.get(value) ?? 0) + 1);
    const made = new Set(inside.flatMap(({ gives }) => gives));
    const gives = [...made].filter((value) => (this.#readers.get(value) ?? 0) > (within.get(value) ?? 0));
    return {
      id,
      role: "block",
      // "0" says little without the name of its list
      title: /^\d+$/.test(name) ? (/[^.]*(\.\d+)+$/.exec(path)?.[0] ?? name) : name,
      ...(type && { note: type }),
      folded: [],
      path,
      params: this.#params(units),
      macs: macsOf(units),
      shape: perSample((gives[0] ?? inside.at(-1)?.gives[0])?.shape ?? []),
      reads: [...new Set(inside.flatMap(({ reads }) => reads).filter((value) => !made.has(value)))],
      gives,
      inside,
      units,
    };
  }

  #params(units: readonly Unit[]): number {
    const weights = new Set(units.flatMap((unit) => unit.weights));
    return [...weights].reduce((total, { shape }) => total + numel(shape.map(Number)), 0);
  }

  /** Folds activations, batch normalization and the like into the layer before them. */
  #fold(items: readonly Item[]): Item[] {
    const folded: Item[] = [];
    const makers = new Map<Value, number>();
    for (const item of items) {
      const [x] = item.reads;
      const at = item.reads.length === 1 ? makers.get(x!) : undefined;
      const before = at === undefined ? undefined : folded[at]!;
      if (before && this.#readers.get(x!) === 1 && foldsInto(item, before)) {
        folded[at!] = this.#join(before, item);
        for (const value of item.gives) makers.set(value, at!);
      } else {
        for (const value of item.gives) makers.set(value, folded.length);
        folded.push(item);
      }
    }
    return folded;
  }

  #join(before: Item, item: Item): Item {
    const units = [...before.units, ...item.units];
    const silent = item.units[0]!.flattens || item.kind === "join" || item.title === before.title;
    const face = silent ? [] : [item.units[0]!.face];
    if (before.role === "block") {
      const inside = before.inside.map((one) => (one.gives.includes(item.reads[0]!) ? this.#join(one, item) : one));
      return {
        ...before,
        inside,
        gives: before.gives.map((value) => (value === item.reads[0] ? item.gives[0]! : value)),
        units,
      };
    }
    return {
      ...before,
      folded: [...before.folded, ...face, ...item.folded],
      params: this.#params(units),
      macs: macsOf(units),
      // flattened maps are still drawn as maps
      shape: item.units[0]!.flattens ? before.shape : item.shape,
      gives: [...before.gives.filter((value) => !item.reads.includes(value)), ...item.gives],
      units,
    };
  }

  /** Inputs before and outputs after the items. */
  withEnds(items: readonly Item[]): Item[] {
    const end = (role: "input" | "output", title: string, value: Value): Item => ({
      id: `${role}:${title}`,
      role,
      title,
      folded: [],
      path: "",
      ...{ params: 0, macs: 0 },
      shape: perSample(value.shape),
      reads: role === "output" ? [value] : [],
      gives: role === "input" ? [value] : [],
      inside: [],
      units: [],
    });
    const { inputs, outputs } = this.#network;
    return [
      ...inputs.map((value) => end("input", value.name, value)),
      ...items,
      ...[...outputs].map(([name, value]) => end("output", name, value)),
    ];
  }

  /** Blocks of graphs without modules: branches and what joins them. */
  groupBranches(items: readonly Item[]): Item[] {
    const { trunk } = decompose(items.length, edgesOf(items));
    const grouped: Item[] = [];
    const used = new Set<number>();
    let count = 0;
    trunk.forEach((part, i) => {
      const next = trunk[i + 1];
      if (part.kind === "item" || next?.kind !== "item") return;
      const members = [...part.items, next.item].sort((a, b) => a - b);
      for (const member of members) used.add(member);
      const join = items[next.item]!;
      const type = join.title === "+" ? "residual" : join.title === "concat" ? "branches" : "";
      count++;
      grouped[next.item] = this.#block(
        { id: `block ${count}`, name: `block ${count}`, type, path: "" },
        members.map((i) => items[i]!),
      );
    });
    return items.flatMap((item, i) => grouped[i] ?? (used.has(i) ? [] : [item]));
  }
}

const macsOf = (units: readonly Unit[]) => units.reduce((total, unit) => total + unit.macs, 0);

/** Whether layers change the size of their maps so often, or are all on vectors, that they are no block. */
function isSequence(inside: readonly Item[]): boolean {
  const values = inside.flatMap(({ reads, gives }) => [...reads, ...gives]);
  if (values.every(({ shape }) => shape.length <= 2)) return true;
  const maps = values.flatMap(({ shape }) => [mapSize(shape) ?? [1, 1]]).filter(([H, W]) => H * W > 1);
  return new Set(maps.map(String)).size >= SEQUENCE_OF_SIZES;
}

/** Whether a layer is easier to read as a part of the one before it. */
function foldsInto(item: Item, before: Item): boolean {
  const [unit] = item.units;
  if (item.role !== "layer" || !unit || before.role === "input") return false;
  if (unit.flattens) return true;
  if (before.role !== "layer") return false;
  const weighted = before.kind === "conv" || before.kind === "pointwise" || before.kind === "linear";
  if (item.title === "batch norm") return weighted;
  if (item.kind === "activation") return before.kind !== "dropout" && before.kind !== "activation";
  // a bias that is added separately
  if (unit.ops.length === 1 && unit.ops[0] === "Add" && item.params > 0) return weighted;
  return ["resample", "reshape", "slice"].includes(item.title) && item.title === before.title;
}

const isShortChain = (inside: readonly Item[]): boolean => inside.length < FRAMED && isChain(inside);

/** Whether each layer reads only the output of the one before it. */
function isChain(items: readonly Item[]): boolean {
  return items.every(({ reads }, i) => {
    const given = items[i - 1]?.gives;
    return given ? reads.every((value) => given.includes(value)) : reads.length === 1;
  });
}

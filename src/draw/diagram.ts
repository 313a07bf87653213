import { check, checkOptions, type Graph, type Shape } from "../graph/index.ts";
import type { Module, Trace } from "../nn/index.ts";
import { isTower, sourceOf } from "./draw.ts";
import { flowScene, padded } from "./layout/compose.ts";
import { layerTitle, PAGE_WIDTH } from "./layout/measure.ts";
import type { Box, Direction, Form, Scene, Text } from "./layout/scene.ts";
import { volumeScene } from "./layout/volumes.ts";
import { type DrawnShape, shapesOf } from "./paint/shapes.ts";
import { wirePaths } from "./paint/wires.ts";
import { edgesOf, type Item, layersOf, nestedItemsOf } from "./read/items.ts";
import type { Face, Kind } from "./read/layers.ts";
import { type Network, networkOf, type Source } from "./read/parts.ts";

/** Options of `diagram`. */
export interface DiagramOptions {
  /** Ids of the blocks to open; blocks inside open ones count too. Default: none. */
  open?: Iterable<string>;
  /** Solids for a chain that shrinks its maps, or boxes and lines for any network. Default: solids where that is possible. */
  form?: "solids" | "boxes";
  /** Direction of the flow. Default: rows or one column, whichever suits a page. */
  direction?: Direction;
  /** Width in pixels within which rows are broken. Default 940. */
  width?: number;
  /** Shape of the input, such as [1, 3, 224, 224]; needed for a module. */
  input?: Shape;
  /** Whether to show a module's training form. Default false. */
  training?: boolean;
}

/** A box of a diagram. All positions are in pixels, y downwards. */
export interface DiagramNode {
  /** Path of the layer or block; operators between layers are named after the block around them, such as `"layer1.0/Add"`. */
  readonly id: string;
  /** Id of the innermost open block around it. */
  readonly parent?: string;
  readonly role: "layer" | "block" | "input" | "output";
  readonly form: Form;
  /** Family of a layer; blocks and ends have none. */
  readonly kind?: Kind;
  /** Such as "conv 3×3 /2", or the name of a block. */
  readonly title: string;
  /** Class of a block. */
  readonly type?: string;
  /** Layers folded into this one, in order. */
  readonly folded: readonly Face[];
  /** Ids of all layers and operators in it. */
  readonly members: readonly string[];
  readonly params: number;
  /** Shape of its output, without the batch. */
  readonly shape: Shape;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** What it looks like, as elements of an SVG document; their classes name the colors of `palette`. */
  readonly shapes: readonly DrawnShape[];
  readonly texts: readonly Text[];
  /** Whether it is a block, and whether it is open. */
  readonly opens: boolean;
  readonly open: boolean;
}

/** A line of a diagram, as the data of SVG paths. */
export interface DiagramEdge {
  /** Ids of the boxes that it joins; undefined at the border of a frame. */
  readonly from?: string;
  readonly to?: string;
  readonly line: string;
  /** The arrow at its end. */
  readonly tip?: string;
}

/** A drawing as data, for pages in which blocks open and boxes can be clicked. It holds plain objects only. */
export interface Diagram {
  readonly width: number;
  readonly height: number;
  readonly direction: Direction;
  readonly form: "solids" | "boxes";
  /** Whether the network is a chain that can be drawn as solids. */
  readonly solid: boolean;
  /** Frames come before their contents. */
  readonly nodes: readonly DiagramNode[];
  readonly edges: readonly DiagramEdge[];
  /** Which closed box reads the output of which, whatever frames lie between. */
  readonly links: readonly (readonly [from: string, to: string])[];
  /** Texts that belong to no box, such as shapes on lines. */
  readonly texts: readonly Text[];
  /** Brackets under groups of solids. */
  readonly brackets: Scene["brackets"];
}

const OPTIONS = ["open", "form", "direction", "width", "input", "training"] as const satisfies (keyof DiagramOptions)[];

const MARGIN = 16;

/**
 * Lays out a network's drawing as data: boxes with their places, families, parameters and shapes, and the lines between them. Blocks
 * open one by one; skips and joins are kept at every level.
 *
 *     const { nodes, edges } = diagram(createModel("googlenet"), { input: [1, 3, 224, 224], open: ["inception4a"] });
 *
 * `draw` gives the same as an SVG document. Throws for a module without `input`, an input that does not fit it, and solids where
 * the network is no chain.
 */
export function diagram(source: Module | Trace | Graph, options: DiagramOptions = {}): Diagram {
  checkOptions("diagram", options, OPTIONS);
  const { network, layers } = read(sourceOf("diagram", source, options));
  const solid = isTower(layers);
  const { form = solid ? "solids" : "boxes", width = PAGE_WIDTH, open = [], direction } = options;
  check(
    form === "boxes" || solid,
    () => "diagram: only a chain of layers that shrinks its maps can be drawn as solids",
  );
  const scene =
    form === "solids"
      ? volumeScene(network, layers, "layer", width)
      : flowScene(nestedItemsOf(network, new Set(open)), { width, ...(direction && { direction }) });
  const page = padded(scene, scene.width + 2 * MARGIN, MARGIN, MARGIN);
  const parents = new Map<Item, string>();
  const note = ({ id, open, inside }: Item): void => {
    if (!open) return;
    for (const item of inside) {
      parents.set(item, id);
      note(item);
    }
  };
  for (const { item } of page.boxes) note(item);
  const shown = page.boxes.map(({ item }) => item).filter(({ open }) => !open);
  return {
    width: page.width,
    height: page.height,
    direction: page.direction,
    form,
    solid,
    nodes: page.boxes.map((box) => nodeOf(box, parents.get(box.item), page.direction)),
    edges: page.wires.map((wire) => {
      const { from, to } = wire;
      const ends = { ...(from?.id && { from: from.id }), ...(to?.id && { to: to.id }) };
      return { ...ends, ...wirePaths(wire, page.direction) };
    }),
    links: linksOf(shown),
    texts: page.texts,
    brackets: page.brackets,
  };
}

/** Networks that were read before: a page opens one block after the other. */
const known = new WeakMap<Graph, { network: Network; layers: readonly Item[] }>();

function read(source: Source): { network: Network; layers: readonly Item[] } {
  const found = known.get(source.graph);
  if (found) return found;
  const network = networkOf(source);
  const made = { network, layers: layersOf(network) };
  known.set(source.graph, made);
  return made;
}

/** Pairs of ids, in the order of computation. */
function linksOf(items: readonly Item[]): (readonly [string, string])[] {
  const position = ({ role }: Item) => (role === "input" ? 0 : role === "output" ? 2 : 1);
  const sorted = [...items].sort((a, b) => position(a) - position(b));
  return edgesOf(sorted).map(([from, to]) => [sorted[from]!.id, sorted[to]!.id] as const);
}

function nodeOf(box: Box, parent: string | undefined, direction: Direction): DiagramNode {
  const { item, form, x, y, width, height, texts } = box;
  const { id, role, kind, title, note, folded, params, shape, units, open = false } = item;
  return {
    id,
    ...(parent !== undefined && { parent }),
    role: role as DiagramNode["role"],
    form,
    ...(kind && { kind }),
    title: role === "layer" ? layerTitle(item) : title,
    ...(role === "block" && note !== undefined && { type: note }),
    folded,
    members: units.map((unit) => unit.id),
    params,
    shape,
    ...{ x, y, width, height, texts, shapes: shapesOf(box, direction), opens: role === "block", open },
  };
}

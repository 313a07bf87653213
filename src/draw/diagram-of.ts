import { check, checkOptions, type Shape } from "../graph/index.ts";
import { flowScene, padded } from "./layout/compose.ts";
import { layerTitle, PAGE_WIDTH } from "./layout/measure.ts";
import type { Box, Direction, Form, Scene, Text } from "./layout/scene.ts";
import { volumeScene } from "./layout/volumes.ts";
import { type DrawnShape, shapesOf } from "./paint/shapes.ts";
import { wirePaths } from "./paint/wires.ts";
import { edgesOf, type Item, isTower, layersOf, nestedItemsOf } from "./read/items.ts";
import type { Face, Kind } from "./read/layers.ts";
import type { Network } from "./read/parts.ts";
import { perSample } from "./read/sizes.ts";
import { networkFrom, type Structure } from "./read/structure.ts";

/** What is shown of a diagram. */
export interface LayoutOptions {
  /** Ids of the blocks to open; blocks inside open ones count too. Default: none. */
  open?: Iterable<string>;
  /** Solids for a chain that shrinks its maps, or boxes and lines for any network. Default: solids where that is possible. */
  form?: "solids" | "boxes";
  /** Direction of the flow. Default: rows or one column, whichever suits a page. */
  direction?: Direction;
  /** Width in pixels within which rows are broken. Default 940. */
  width?: number;
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
  /** Multiply-accumulates for one image. */
  readonly macs: number;
  /** Shapes of what it reads, without the batch. */
  readonly inputs: readonly Shape[];
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

export const LAYOUT_OPTIONS = ["open", "form", "direction", "width"] as const satisfies (keyof LayoutOptions)[];

const MARGIN = 16;

/** A network with its layers, as it is laid out again for each block that opens. */
export interface Read {
  readonly network: Network;
  readonly layers: readonly Item[];
}

const restored = new WeakMap<Structure, Read>();

/**
 * Lays out the diagram of a structure, as `diagram` does for a network; it needs nothing but the structure's plain data, so that a page
 * can do it which has got no more than that.
 *
 *     const { nodes, edges } = diagramOf(structure(createModel("googlenet"), { input: [1, 3, 224, 224] }), { open: ["inception4a"] });
 *
 * Throws for unknown options, and for solids where the network is no chain.
 */
export function diagramOf(structure: Structure, options: LayoutOptions = {}): Diagram {
  checkOptions("diagramOf", options, LAYOUT_OPTIONS);
  let read = restored.get(structure);
  if (!read) {
    const network = networkFrom(structure);
    read = { network, layers: layersOf(network) };
    restored.set(structure, read);
  }
  return layOut("diagramOf", read, options);
}

export function layOut(who: string, { network, layers }: Read, options: LayoutOptions): Diagram {
  const solid = isTower(layers);
  const { form = solid ? "solids" : "boxes", width = PAGE_WIDTH, open = [], direction } = options;
  check(form === "boxes" || solid, () => `${who}: only a chain of layers that shrinks its maps can be drawn as solids`);
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

/** Pairs of ids, in the order of computation. */
function linksOf(items: readonly Item[]): (readonly [string, string])[] {
  const position = ({ role }: Item) => (role === "input" ? 0 : role === "output" ? 2 : 1);
  const sorted = [...items].sort((a, b) => position(a) - position(b));
  return edgesOf(sorted).map(([from, to]) => [sorted[from]!.id, sorted[to]!.id] as const);
}

function nodeOf(box: Box, parent: string | undefined, direction: Direction): DiagramNode {
  const { item, form, x, y, width, height, texts } = box;
  const { id, role, kind, title, note, folded, params, macs, reads, shape, units, open = false } = item;
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
    ...{ params, macs, shape, inputs: reads.map((value) => perSample(value.shape)) },
    ...{ x, y, width, height, texts, shapes: shapesOf(box, direction), opens: role === "block", open },
  };
}

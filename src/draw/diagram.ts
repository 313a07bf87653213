import { checkOptions, type Graph, type Shape } from "../graph/index.ts";
import type { Module, Trace } from "../nn/index.ts";
import { type Diagram, LAYOUT_OPTIONS, type LayoutOptions, layOut, type Read } from "./diagram-of.ts";
import { sourceOf, titleOf } from "./draw.ts";
import { layersOf } from "./read/items.ts";
import { networkOf, type Source } from "./read/parts.ts";
import { type Structure, structureOf } from "./read/structure.ts";

interface SourceOptions {
  /** Shape of the input, such as [1, 3, 224, 224]; needed for a module. */
  input?: Shape;
  /** Whether to show a module's training form. Default false. */
  training?: boolean;
}

/** Options of `diagram`. */
export interface DiagramOptions extends LayoutOptions, SourceOptions {}

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
  checkOptions("diagram", options, [...LAYOUT_OPTIONS, "input", "training"]);
  return layOut("diagram", read(sourceOf("diagram", source, options)), options);
}

/**
 * All that drawings show of a network, as plain data without weights: for pages that lay it out themselves with `diagramOf`. Throws for a
 * module without `input`, and an input that does not fit it.
 */
export function structure(source: Module | Trace | Graph, options: SourceOptions & { title?: string } = {}): Structure {
  checkOptions("structure", options, ["input", "training", "title"]);
  return structureOf(read(sourceOf("structure", source, options)).network, options.title ?? titleOf(source));
}

/** Networks that were read before: a page opens one block after the other. */
const known = new WeakMap<Graph, Read>();

function read(source: Source): Read {
  const found = known.get(source.graph);
  if (found) return found;
  const network = networkOf(source);
  const made = { network, layers: layersOf(network) };
  known.set(source.graph, made);
  return made;
}

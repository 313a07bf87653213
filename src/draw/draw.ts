import { check, checkOptions, Graph, type Shape } from "../graph/index.ts";
import { Module, type Trace, trace } from "../nn/index.ts";
import { flowScene } from "./layout/compose.ts";
import { withTitleAndLegend } from "./layout/page.ts";
import type { Direction, Scene } from "./layout/scene.ts";
import { volumeScene } from "./layout/volumes.ts";
import { svg } from "./paint/svg.ts";
import type { Theme } from "./paint/theme.ts";
import { descriptionOf, factsOf } from "./read/facts.ts";
import { blocksTo, isTower, itemsOf, type Level, layersOf, nestedItemsOf } from "./read/items.ts";
import { networkOf, type Source } from "./read/parts.ts";

/** Options of `draw`. */
export interface DrawOptions {
  /** A box for each block, or for each layer. Default `"layer"`. */
  level?: Level;
  /** How deep blocks are open, instead of `level`: 0 shows them closed, 1 the layers and blocks in them, and so on. Drawn as boxes. */
  depth?: number;
  /** Direction of the flow: rows, or one column; drawn as boxes. Default: solids, rows or a column, whichever suits a page. */
  direction?: Direction;
  /** Colors; `"auto"` follows the reader's setting. Default `"auto"`. */
  theme?: Theme;
  /** Headline. Default: the network's name. */
  title?: string;
  /** Shape of the input, such as [1, 3, 224, 224]; needed to draw a module. */
  input?: Shape;
  /** Whether to draw a module's training form, which may have more outputs. Default false. */
  training?: boolean;
}

const OPTIONS = ["level", "depth", "direction", "theme", "title", "input", "training"] as const;
OPTIONS satisfies readonly (keyof DrawOptions)[];

/**
 * Draws a network's architecture as an SVG document.
 *
 *     const svg = draw(createModel("googlenet"), { input: [1, 3, 224, 224], level: "block" });
 *
 * `source` is a module (with the shape of its `input`), a traced network or a graph, such as one from an .onnx file. A chain of
 * layers that shrinks its maps is drawn as solids: height follows the maps' size, width their channels. Any other network is drawn
 * as boxes and lines, with the shapes of the tensors on the lines. Sizes in the document are CSS pixels.
 *
 * Throws for a module without `input`, an input that does not fit it, and unknown options.
 */
export function draw(source: Module | Trace | Graph, options: DrawOptions = {}): string {
  checkDrawing("draw", options);
  const { theme = "auto", title = titleOf(source) } = options;
  const traced = sourceOf("draw", source, options);
  const scene = sceneOf(traced, { ...options, title });
  return svg(scene, { theme, title, description: descriptionOf(networkOf(traced)) });
}

/** Throws for unknown options and values that mean nothing. */
export function checkDrawing(who: string, options: DrawOptions, more: readonly string[] = []): void {
  checkOptions(who, options, [...OPTIONS, ...more]);
  const { depth = 0, direction = "right" } = options;
  check(
    depth === Infinity || (Number.isInteger(depth) && depth >= 0),
    () => `${who}: depth has to be a whole number from 0 on, but is ${depth}`,
  );
  check(
    direction === "right" || direction === "down",
    () => `${who}: direction has to be "right" or "down", but is "${direction}"`,
  );
}

/** Where everything is drawn, without colors. */
export function sceneOf(source: Source, options: DrawOptions = {}): Scene {
  const { level = "layer", title = source.graph.name, depth, direction } = options;
  const network = networkOf(source);
  const layers = layersOf(network);
  const solid = depth === undefined && direction === undefined && isTower(layers);
  const items = depth === undefined ? itemsOf(network, level) : nestedItemsOf(network, blocksTo(network, depth));
  const scene = solid
    ? volumeScene(network, layers, level)
    : flowScene(items, { open: depth === undefined && level === "layer", ...(direction && { direction }) });
  return withTitleAndLegend(scene, title, factsOf(network));
}

export function titleOf(source: Module | Trace | Graph): string {
  if (source instanceof Module) return source.type;
  return source instanceof Graph ? source.name : source.graph.name;
}

/** What to read; a module is traced. */
export function sourceOf(
  who: string,
  source: Module | Trace | Graph,
  { input, training = false }: Pick<DrawOptions, "input" | "training">,
): Source {
  if (source instanceof Graph) return { graph: source };
  if (!(source instanceof Module)) return source;
  check(
    input,
    () => `${who}: a module is drawn for an input of a given shape; pass one, such as { input: [1, 3, 224, 224] }`,
  );
  return trace(source, input, { training });
}

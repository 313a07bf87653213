import { check, checkOptions, Graph, type Shape } from "../graph/index.ts";
import { Module, type Trace, trace } from "../nn/index.ts";
import { flowScene } from "./layout/compose.ts";
import { withTitleAndLegend } from "./layout/page.ts";
import type { Scene } from "./layout/scene.ts";
import { volumeScene } from "./layout/volumes.ts";
import { svg } from "./paint/svg.ts";
import type { Theme } from "./paint/theme.ts";
import { descriptionOf, factsOf } from "./read/facts.ts";
import { edgesOf, type Item, itemsOf, type Level, layersOf } from "./read/items.ts";
import { mapSize } from "./read/layers.ts";
import { networkOf, type Source } from "./read/parts.ts";

/** Options of `draw`. */
export interface DrawOptions {
  /** A box for each block, or for each layer. Default `"layer"`. */
  level?: Level;
  /** Colors; `"auto"` follows the reader's setting. Default `"auto"`. */
  theme?: Theme;
  /** Headline. Default: the network's name. */
  title?: string;
  /** Shape of the input, such as [1, 3, 224, 224]; needed to draw a module. */
  input?: Shape;
  /** Whether to draw a module's training form, which may have more outputs. Default false. */
  training?: boolean;
}

const OPTIONS = ["level", "theme", "title", "input", "training"] as const satisfies (keyof DrawOptions)[];

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
  checkOptions("draw", options, OPTIONS);
  const { theme = "auto", title = titleOf(source) } = options;
  const traced = sourceOf("draw", source, options);
  const scene = sceneOf(traced, { ...options, title });
  return svg(scene, { theme, title, description: descriptionOf(networkOf(traced)) });
}

/** Where everything is drawn, without colors. */
export function sceneOf(source: Source, { level = "layer", title = source.graph.name }: DrawOptions = {}): Scene {
  const network = networkOf(source);
  const layers = layersOf(network);
  const scene = isTower(layers)
    ? volumeScene(network, layers, level)
    : flowScene(itemsOf(network, level), { open: level === "layer" });
  return withTitleAndLegend(scene, title, factsOf(network));
}

function titleOf(source: Module | Trace | Graph): string {
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

/** Whether it is a chain that shrinks its maps, which solids show better than boxes. */
export function isTower(items: readonly Item[]): boolean {
  const edges = edgesOf(items);
  const chain = edges.length === items.length - 1 && edges.every(([from, to]) => to === from + 1);
  const sizes = items.flatMap(({ units }) => units.flatMap(({ gives }) => gives.map(({ shape }) => mapSize(shape))));
  return chain && new Set(sizes.filter((size) => size !== undefined).map(String)).size > 1;
}

import { check, Graph, type Node, numel, type Shape, type Value } from "../graph/index.ts";
import { Module, type Trace, trace } from "../nn/index.ts";
import { OPERATORS } from "../operators/index.ts";
import { flowScene, padded } from "./layout/compose.ts";
import { FONT, MARGIN, PAGE_WIDTH } from "./layout/measure.ts";
import type { Box, Scene, Text } from "./layout/scene.ts";
import { fitText, shapeText, short, textWidth } from "./layout/text.ts";
import { volumeScene } from "./layout/volumes.ts";
import { svg } from "./paint/svg.ts";
import { KINDS, type Theme } from "./paint/theme.ts";
import { edgesOf, type Item, itemsOf, type Level, layersOf } from "./read/items.ts";
import { type Kind, mapSize } from "./read/layers.ts";
import { type Network, networkOf, type Source, unitsOf } from "./read/parts.ts";

export interface DrawOptions {
  /** A box for each block, or for each layer. Default `"layer"`. */
  level?: Level;
  /** Colours; `"auto"` follows the reader's setting. Default `"auto"`. */
  theme?: Theme;
  /** Headline. Default: the network's name. */
  title?: string;
  /** Shape of the input, needed to draw a module: [1, 3, 224, 224]. */
  input?: Shape;
  /** Draw the form for training of a module, which may have other outputs. Default false. */
  training?: boolean;
}

/**
 * Draws a network's architecture as an SVG document: a traced network, an imported graph, or a module.
 *
 * A chain of layers on images is drawn as solids whose height follows the size of the maps and whose width follows their
 * channels; a network with branches as boxes and lines with the shapes of what flows on them.
 */
export function draw(source: Module | Trace | Graph, options: DrawOptions = {}): string {
  const { theme = "auto", title = titleOf(source) } = options;
  const traced = sourceOf(source, options);
  const scene = sceneOf(traced, { ...options, title });
  return svg(scene, { theme, title, description: descriptionOf(traced) });
}

/** What is drawn where, without colours. */
export function sceneOf(source: Source, { level = "layer", title = source.graph.name }: DrawOptions = {}): Scene {
  const network = networkOf(source);
  const layers = layersOf(network);
  const scene = isTower(layers)
    ? volumeScene(network, layers, level)
    : flowScene(itemsOf(network, level), level === "layer");
  return withTitleAndLegend(scene, title, factsOf(network));
}

function titleOf(source: Module | Trace | Graph): string {
  if (source instanceof Module) return source.type;
  return source instanceof Graph ? source.name : source.graph.name;
}

function sourceOf(source: Module | Trace | Graph, { input, training = false }: DrawOptions): Source {
  if (source instanceof Graph) return { graph: source };
  if (!(source instanceof Module)) return source;
  check(input, () => `draw: to draw a module, the shape of its input has to be known; give it as "input"`);
  return trace(source, input, { training });
}

/** A chain that shrinks its maps: solids show it better than boxes. */
function isTower(items: readonly Item[]): boolean {
  const edges = edgesOf(items);
  const chain = edges.length === items.length - 1 && edges.every(([from, to]) => to === from + 1);
  const sizes = items.flatMap(({ units }) => units.flatMap(({ gives }) => gives.map(({ shape }) => mapSize(shape))));
  return chain && new Set(sizes.filter((size) => size !== undefined).map(String)).size > 1;
}

/** Input, parameters and cost, in words. */
function factsOf(network: Network): string {
  const units = unitsOf(network.root);
  const weights = new Set(units.flatMap((unit) => [...network.weights(unit)]));
  const params = [...weights].reduce((total, { shape }) => total + numel(shape.map(Number)), 0);
  const batch = Number(network.inputs[0]?.shape[0]) || 1;
  const macs = units.flatMap(({ nodes }) => nodes).reduce((total, node) => total + macsOf(node), 0) / batch;
  const input = network.inputs.map(({ shape }) => shapeText(shape.slice(1))).join(", ");
  return [
    `input ${input}`,
    ...(params > 0 ? [`${short(params)} parameters`] : []),
    ...(macs > 0 ? [`${short(macs)} multiply-accumulates`] : []),
  ].join("  ·  ");
}

/** Multiply-accumulates of a node for one image; sizes that are not known count once. */
function macsOf(node: Node): number {
  const known = ({ shape, ...value }: Value): Value => ({ ...value, shape: shape.map((dim) => Number(dim) || 1) });
  const macs = OPERATORS[node.domain === "" ? node.op : `${node.domain}.${node.op}`]?.macs;
  return (
    macs?.({ ...node, inputs: node.inputs.map((value) => value && known(value)), outputs: node.outputs.map(known) }) ??
    0
  );
}

function descriptionOf(source: Source): string {
  const network = networkOf(source);
  const outputs = [...network.outputs].map(([name, { shape }]) => `${name} ${shapeText(shape.slice(1))}`).join(", ");
  return `Architecture of a neural network. ${factsOf(network)}. Outputs: ${outputs}.`;
}

const TITLE = 17;
const SWATCH = { width: 16, height: 11, text: 22, between: 18 } as const;

/** Puts a headline and the facts above a scene, and the meaning of the colours below. */
function withTitleAndLegend(scene: Scene, title: string, facts: string): Scene {
  const entries = legendOf(scene);
  const rows: { kind: Kind; x: number }[][] = [[]];
  let x = 0;
  const widthOf = (kind: Kind) => SWATCH.text + textWidth(KINDS[kind], FONT.text) + SWATCH.between;
  const least = Math.max(textWidth(facts, FONT.text), Math.min(textWidth(title, TITLE, true), PAGE_WIDTH));
  const inner = Math.max(
    scene.width,
    least,
    Math.min(
      420,
      entries.reduce((sum, kind) => sum + widthOf(kind), 0),
    ),
  );
  for (const kind of entries) {
    if (x > 0 && x + widthOf(kind) - SWATCH.between > inner) {
      rows.push([]);
      x = 0;
    }
    rows.at(-1)!.push({ kind, x });
    x += widthOf(kind);
  }
  const head = MARGIN + 52;
  const foot = entries.length === 0 ? MARGIN : MARGIN + 10 + 20 * rows.length;
  const page = padded(scene, inner + 2 * MARGIN, head, foot);
  const text = (words: string, x: number, y: number, rest: Partial<Text> = {}): Text => ({
    x,
    y,
    text: words,
    size: FONT.text,
    tone: "plain",
    anchor: "start",
    room: inner,
    ...rest,
  });
  const top = page.height - MARGIN - 20 * (rows.length - 1);
  const legend = rows.flatMap((row, r) => row.map(({ kind, x }) => ({ kind, x: MARGIN + x, y: top + 20 * r })));
  return {
    ...page,
    texts: [
      text(fitText(title, inner, TITLE, true), MARGIN, MARGIN + 16, { size: TITLE, tone: "bold" }),
      text(facts, MARGIN, MARGIN + 36, { tone: "muted" }),
      ...page.texts,
      ...legend.map(({ kind, x, y }) => text(KINDS[kind], x + SWATCH.text, y)),
    ],
    legend: legend.map(({ kind, x, y }) => ({ kind, x, y: y - 10, width: SWATCH.width, height: SWATCH.height })),
  };
}

/** Kinds in sight, in a fixed order; those of bands are told by their bands' colour. */
function legendOf(scene: Scene): Kind[] {
  const seen = new Set<Kind>();
  const look = ({ item, miniature = [], form }: Box): void => {
    if (form !== "block" && form !== "frame" && item.kind) seen.add(item.kind);
    for (const { kind } of item.folded) seen.add(kind);
    miniature.forEach(look);
  };
  scene.boxes.forEach(look);
  return (Object.keys(KINDS) as Kind[]).filter((kind) => seen.has(kind));
}

import type { Graph } from "../graph/index.ts";
import type { Module, Trace } from "../nn/index.ts";
import { diagram } from "./diagram.ts";
import { checkDrawing, type DrawOptions, sceneOf, sourceOf, titleOf } from "./draw.ts";
import type { Direction } from "./layout/scene.ts";
import { blocksTo } from "./read/items.ts";
import { networkOf } from "./read/parts.ts";
import { dot } from "./write/dot.ts";
import { mermaid } from "./write/mermaid.ts";
import { outlineOf } from "./write/outline.ts";
import { pdf } from "./write/pdf.ts";
import { tikz } from "./write/tikz.ts";

type Drawn = Module | Trace | Graph;

/**
 * The drawing of `draw` as a PDF document of one page: vectors, and texts as texts, for papers and print. Theme `"auto"` is light.
 *
 *     await writeFile("vgg16.pdf", drawPdf(createModel("vgg16"), { input: [1, 3, 224, 224] }));
 *
 * Throws as `draw` does.
 */
export function drawPdf(source: Drawn, options: DrawOptions = {}): Uint8Array<ArrayBuffer> {
  const { title, theme, scene } = placed("drawPdf", source, options);
  return pdf(scene, title, theme);
}

/**
 * The drawing of `draw` as LaTeX with TikZ: a document of its own, whose picture can be moved into another. Names beyond Latin letters
 * need XeLaTeX or LuaLaTeX. Theme `"auto"` is light. Throws as `draw` does.
 */
export function drawTikz(source: Drawn, options: DrawOptions = {}): string {
  const { title, theme, scene } = placed("drawTikz", source, options);
  return tikz(scene, title, theme);
}

/**
 * A network as a Mermaid flowchart, with a subgraph for each open block; GitHub and many editors draw it in Markdown. Theme `"auto"` is
 * light, and the default direction is down. Throws as `draw` does.
 */
export function drawMermaid(source: Drawn, options: DrawOptions = {}): string {
  const { outline, ...rest } = outlined("drawMermaid", source, options);
  return mermaid(outline, rest);
}

/**
 * A network in the language of Graphviz, with a cluster for each open block. Theme `"auto"` is light, and the default direction is down.
 * Throws as `draw` does.
 */
export function drawDot(source: Drawn, options: DrawOptions = {}): string {
  const { outline, ...rest } = outlined("drawDot", source, options);
  return dot(outline, rest);
}

function placed(who: string, source: Drawn, options: DrawOptions) {
  checkDrawing(who, options);
  const { title = titleOf(source) } = options;
  return { title, theme: themeOf(options), scene: sceneOf(sourceOf(who, source, options), { ...options, title }) };
}

function outlined(who: string, source: Drawn, options: DrawOptions) {
  checkDrawing(who, options);
  const { level = "layer", depth = level === "block" ? 0 : Infinity, title = titleOf(source) } = options;
  const direction: Direction = options.direction ?? "down";
  const traced = sourceOf(who, source, options);
  const graph = "graph" in traced && traced.root ? (traced as Trace) : traced.graph;
  const open = blocksTo(networkOf(traced), depth);
  return {
    outline: outlineOf(diagram(graph, { form: "boxes", open, direction })),
    title,
    direction,
    theme: themeOf(options),
  };
}

const themeOf = ({ theme }: DrawOptions) => (theme === "dark" ? ("dark" as const) : ("light" as const));

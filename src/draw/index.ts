/**
 * Drawings of architectures as SVG. Imports `graph`, `operators` and `nn`; nothing of a browser or of Node, except in `node`.
 *
 * Three steps, each in its folder, and each importing only what is above it:
 *
 * - `read`: from a traced network or graph to items, the layers and blocks to draw, and the edges between them;
 * - `layout`: from items to a scene, boxes, wires and texts with their places in pixels;
 * - `paint`: from a scene to SVG, or to paths for formats without style sheets, with the colors of a theme;
 * - `write`: PDF and TikZ from these paths, Mermaid and Graphviz from an outline of the boxes.
 *
 * `draw.ts` and `formats.ts` put them together; `text.ts` measures and writes text for all of them.
 */

export { type ColorScale, colorScale, diverging, type Rgb, viridis } from "./colors.ts";
export { type DiagramOptions, diagram, structure } from "./diagram.ts";
export { type Diagram, type DiagramEdge, type DiagramNode, diagramOf, type LayoutOptions } from "./diagram-of.ts";
export { type DiffOptions, drawDiff } from "./diff.ts";
export { type DrawOptions, draw } from "./draw.ts";
export { drawDot, drawMermaid, drawPdf, drawTikz } from "./formats.ts";
export { KINDS } from "./layout/page.ts";
export type { Direction, Form, Text } from "./layout/scene.ts";
export type { DrawnShape } from "./paint/shapes.ts";
export { type Palette, palette, type Theme } from "./paint/theme.ts";
export type { Level } from "./read/items.ts";
export type { Face, Kind } from "./read/layers.ts";
export type { Structure } from "./read/structure.ts";

import { formatShape } from "../../graph/index.ts";
import { layerTitle } from "../layout/measure.ts";
import type { Box, Direction, Scene, Text, Wire } from "../layout/scene.ts";
import type { Item } from "../read/items.ts";
import { type Attributes, shapesOf } from "./shapes.ts";
import { rootClass, styleSheet, type Theme } from "./theme.ts";
import { n, wirePaths } from "./wires.ts";

export interface SvgOptions {
  readonly title: string;
  readonly description: string;
  readonly theme: Theme;
  /** Whether kinds are what becomes of boxes in another network. */
  readonly diff?: boolean;
}

/** A scene as an SVG document, which can be placed into an HTML page as it is. */
export function svg(scene: Scene, { title, description, theme, diff = false }: SvgOptions): string {
  const { width, height, direction } = scene;
  const [w, h] = [Math.ceil(width), Math.ceil(height)];
  const frames = scene.boxes.filter(({ form }) => form === "frame");
  const others = scene.boxes.filter(({ form }) => form !== "frame");
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" class="${rootClass(theme)}" role="img" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" style="max-width:100%;height:auto">`,
    element("title", {}, escaped(title)),
    element("desc", {}, escaped(description)),
    `<style>\n${styleSheet(theme, diff)}\n</style>`,
    element("rect", { class: "page", width: w, height: h }),
    ...frames.map((box) => drawBox(box, direction)),
    ...scene.wires.map((wire) => drawWire(wire, direction)),
    ...others.map((box) => drawBox(box, direction)),
    ...scene.brackets.map(({ x, y, width }) =>
      element("path", { class: "wire", d: `M${n(x)} ${n(y - 5)}v5h${n(width)}v-5` }),
    ),
    ...scene.legend.map(({ kind, ...place }) => element("rect", { class: kind, ...place, rx: 3 })),
    ...scene.texts.map(drawText),
    "</svg>",
    "",
  ].join("\n");
}

/** Text escaped for XML, without the control characters that XML does not allow. */
export function escaped(text: string): string {
  return (
    text
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are removed
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu, "")
      .replaceAll("&", "&amp;")
      .replaceAll("<", "&lt;")
      .replaceAll(">", "&gt;")
      .replaceAll('"', "&quot;")
  );
}

function element(name: string, attributes: Attributes, content?: string): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === "number" ? n(value) : value}"`)
    .join("");
  return content === undefined ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

/** A line with an arrow at its end, unless it only reaches the border of a frame. */
function drawWire(wire: Wire, direction: Direction): string {
  const { line, tip } = wirePaths(wire, direction);
  const path = element("path", { class: "wire", d: line });
  return tip === undefined ? path : path + element("path", { class: "tip", d: tip });
}

function drawText({ x, y, text, size, tone, anchor, turned }: Text): string {
  const attributes = {
    class: tone === "muted" ? "muted" : undefined,
    x,
    y,
    "font-size": size,
    "text-anchor": anchor === "start" ? undefined : anchor,
    "font-weight": tone === "bold" ? 700 : undefined,
    transform: turned ? `rotate(-90 ${n(x)} ${n(y)})` : undefined,
  };
  return element("text", attributes, escaped(text));
}

function drawBox(box: Box, direction: Direction): string {
  const { item, texts } = box;
  const parts = [
    element("title", {}, escaped(tooltip(item))),
    ...shapesOf(box, direction).map(({ tag, attributes }) => element(tag, attributes)),
    ...texts.map(drawText),
  ];
  return element("g", {}, parts.join(""));
}

/** The tooltip of a box. */
function tooltip(item: Item): string {
  const { role, path, params, shape, folded } = item;
  const name = role === "layer" ? layerTitle(item) : item.title;
  return [
    [name, ...folded.map(({ title }) => title)].join(", "),
    ...(path && path !== name ? [path] : []),
    `${role === "output" ? "" : "gives "}${formatShape(shape)}`,
    ...(params > 0 ? [`${params.toLocaleString("en-US")} parameters`] : []),
  ].join("\n");
}

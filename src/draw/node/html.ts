import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { check, type Graph } from "../../graph/index.ts";
import type { Module, Trace } from "../../nn/index.ts";
import { PACKAGE } from "../../package.ts";
import { structure } from "../diagram.ts";
import { checkDrawing, type DrawOptions, sourceOf } from "../draw.ts";
import { escaped } from "../paint/svg.ts";
import { blocksTo } from "../read/items.ts";
import { networkOf } from "../read/parts.ts";

/**
 * The interactive map of a network as an HTML document: zoom and pan, blocks that open and close, shapes and costs of every layer. It is
 * one file that needs no server and asks for nothing from anywhere, so that it can be mailed.
 *
 *     await writeFile("googlenet.html", drawHtml(createModel("googlenet"), { input: [1, 3, 224, 224] }));
 *
 * All blocks are closed at first; with `depth`, those down to a depth are open. `level` means nothing here. Theme `"auto"` follows the
 * reader's setting. Throws as `draw` does.
 */
export function drawHtml(source: Module | Trace | Graph, options: DrawOptions = {}): string {
  checkDrawing("drawHtml", options);
  const { theme = "auto", direction, depth = 0, title } = options;
  const traced = sourceOf("drawHtml", source, options);
  const graph = "root" in traced && traced.root ? (traced as Trace) : traced.graph;
  const drawn = structure(graph, title === undefined ? {} : { title });
  const content = {
    structure: drawn,
    ...{ theme, ...(direction && { direction }) },
    open: depth > 0 ? [...blocksTo(networkOf(traced), depth)] : [],
  };
  const [script, style, licenses] = ["page.js", "page.css", "licenses.txt"].map(part) as [string, string, string];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src ${hashOf(script)}; style-src ${hashOf(style)}; base-uri 'none'; form-action 'none'">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="convnets">
<title>${escaped(drawn.title)}</title>
<style>${style}</style>
</head>
<body>
<div id="app"></div>
<script type="application/json" id="content">${inert(JSON.stringify(content))}</script>
<script type="text/plain" id="licenses">${inert(licenses)}</script>
<script>${script}</script>
</body>
</html>
`;
}

/** Text in which no tag begins or ends; in JSON it means the same. */
const inert = (text: string) => text.replaceAll("<", "\\u003c");

const hashOf = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

/** A file of the page's build. */
function part(name: string): string {
  const place = fileURLToPath(`${PACKAGE}dist/draw/page/${name}`);
  check(existsSync(place), () => "drawHtml: the page of drawings is not built; run npm run build");
  const text = readFileSync(place, "utf8");
  check(!/<\/(script|style)/i.test(text), () => `drawHtml: ${name} would end its own element`);
  return text.trim();
}

/** Drawings as files that take Node: PNG images, for which sharp and the fonts of this machine are needed, and HTML. */
export { drawHtml } from "./html.ts";
export { type PngOptions, renderPng } from "./png.ts";

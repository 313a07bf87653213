/** Drawings as PNG images, which takes the package sharp and the fonts of this machine. */
export { type PngOptions, renderPng } from "./png.ts";

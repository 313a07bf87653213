/** Drawings of architectures as SVG. Imports `graph`, `operators` and `nn`; nothing of a browser's or Node's. */
export { type DrawOptions, draw } from "./draw.ts";
export type { Theme } from "./paint/theme.ts";
export type { Level } from "./read/items.ts";

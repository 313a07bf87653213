/** Drawings of architectures as SVG. Imports `graph`, `operators` and `nn`; nothing of a browser's or Node's. */
export { type DrawOptions, draw } from "./draw.ts";
export type { Level } from "./items.ts";
export type { Theme } from "./theme.ts";

import type { Item } from "../read/items.ts";
import type { Kind } from "../read/layers.ts";

/*
 * What the layouts hand to the SVG writer: boxes, lines and texts with their places, in pixels, y down.
 */

export interface Text {
  /** Middle of the text or its start, at the baseline. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly size: number;
  readonly tone: "bold" | "plain" | "muted";
  readonly anchor: "start" | "middle" | "end";
  /** Read from bottom to top. */
  readonly turned?: boolean;
  /** Width that the text may take. */
  readonly room: number;
}

/**
 * `layer`: a box with bands for what is folded in. `sum`: a circle. `bar`: a box across all that it joins. `end`: an input or
 * output. `block`: a box with the miniature of what is inside. `frame`: a box around what is inside. `volume`: a solid.
 */
export type Form = "layer" | "sum" | "bar" | "end" | "block" | "frame" | "volume";

export interface Box {
  readonly form: Form;
  readonly item: Item;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Way that a volume reaches back, to the right and up. */
  readonly depth?: number;
  readonly texts: readonly Text[];
  /** Miniature of what is inside. */
  readonly miniature?: readonly Box[];
}

export type Point = readonly [x: number, y: number];

/** A line from one box to another. Points that differ in both coordinates are joined by a curve. */
export interface Wire {
  readonly from: Item | undefined;
  readonly to: Item | undefined;
  readonly points: readonly Point[];
}

export interface Scene {
  readonly width: number;
  readonly height: number;
  /** Way that the data flows: in which direction curves leave and enter boxes. */
  readonly direction: Direction;
  /** Frames come before what is in them. */
  readonly boxes: readonly Box[];
  readonly wires: readonly Wire[];
  /** Texts that belong to no box: shapes on wires, sizes below volumes. */
  readonly texts: readonly Text[];
  /** What the colours mean. */
  readonly legend: readonly Swatch[];
  /** Brackets under groups of volumes. */
  readonly brackets: readonly { readonly x: number; readonly y: number; readonly width: number }[];
}

export interface Swatch {
  readonly kind: Kind;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** Rows from left to right, or one column down. */
export type Direction = "right" | "down";

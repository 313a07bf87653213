import type { Item } from "../read/items.ts";
import type { Kind } from "../read/layers.ts";

/*
 * What the layouts pass to the SVG writer: boxes, lines and texts with their positions in pixels, y downwards.
 */

/** A text of a drawing, on its baseline. */
export interface Text {
  /** Middle or start of the text, on its baseline. */
  readonly x: number;
  readonly y: number;
  readonly text: string;
  readonly size: number;
  readonly tone: "bold" | "plain" | "muted";
  readonly anchor: "start" | "middle" | "end";
  /** Whether it reads from bottom to top. */
  readonly turned?: boolean;
  /** Width that the text may take. */
  readonly room: number;
}

/**
 * `layer`: a box with bands for the layers folded in. `sum`: a circle. `bar`: a box across all that it joins. `end`: an input or
 * output. `block`: a box with a miniature of its inside. `frame`: a box around its inside. `volume`: a solid.
 */
export type Form = "layer" | "sum" | "bar" | "end" | "block" | "frame" | "volume";

export interface Box {
  readonly form: Form;
  readonly item: Item;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** How far a volume reaches back, to the right and up. */
  readonly depth?: number;
  readonly texts: readonly Text[];
  /** Miniature of the inside. */
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
  /** Direction of the flow, in which curves leave and enter boxes. */
  readonly direction: Direction;
  /** Frames come before their contents. */
  readonly boxes: readonly Box[];
  readonly wires: readonly Wire[];
  /** Texts that belong to no box: shapes on wires, sizes below volumes. */
  readonly texts: readonly Text[];
  /** What the colors mean. */
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

/**
 * What the page asks of the worker that holds the networks, and what it gets: plain data, no modules and no graphs. See
 * docs/studio.md for how to add a message.
 */
import type { Diagram, DiagramOptions } from "convnets/draw";
import type { ModelOptions } from "convnets/models";
import type { Compared, RowPair, Summary } from "convnets/summary";

/** Where a network comes from. */
export type Source =
  | { readonly kind: "registered"; readonly name: string; readonly options: ModelOptions }
  /** What the code in the sandbox exports. */
  | { readonly kind: "code" }
  | { readonly kind: "file"; readonly name: string; readonly bytes: Uint8Array };

/** Networks that are open at the same time: the one on the stage, and the one it is compared with. */
export type Slot = "a" | "b";

/** A registered network, as the menu shows it. */
export interface Entry {
  readonly name: string;
  readonly title: string;
  readonly variants: readonly string[];
  readonly inputSize: number;
}

/** Networks of one publication. */
export interface Family {
  readonly title: string;
  readonly cite: string;
  readonly year: number;
  readonly url: string;
  readonly entries: readonly Entry[];
}

/** A network that was opened. */
export interface Network {
  readonly title: string;
  /** Shape of its input. */
  readonly input: readonly number[];
  readonly summary: Summary;
  /** What its layers are set to, by path. */
  readonly settings: NonNullable<Compared["settings"]>;
  /** Where its weights come from. */
  readonly weights: "random" | "file";
  /** What was assumed about it, as sentences of the library. */
  readonly notes: readonly string[];
}

/** One layer or block in detail. */
export interface Card {
  readonly path: string;
  readonly type: string;
  /** The expression that builds it; blocks have none. */
  readonly code?: string;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly parameters: readonly { readonly key: string; readonly shape: readonly number[] }[];
}

/** A setting of a layer that the reader changed. */
export interface Edit {
  readonly path: string;
  readonly setting: string;
  readonly value: number;
}

/** Why a changed network cannot be computed. */
export interface Problem {
  /** The layer at which it stops fitting; "" if none is to blame. */
  readonly path: string;
  readonly message: string;
  /** Changes of other layers with which it fits; empty if there are none so simple. */
  readonly remedy: readonly Edit[];
}

/** One of both. */
export interface Opened {
  readonly network?: Network;
  readonly problem?: Problem;
}

/** Weights of a layer, as far as they are shown. */
export interface Weights {
  readonly key: string;
  readonly shape: readonly number[];
  /** The first filters, [count, channels, height, width]. */
  readonly filters?: { readonly shape: readonly [number, number, number, number]; readonly data: Float32Array };
  readonly histogram: { readonly from: number; readonly to: number; readonly counts: readonly number[] };
  readonly mean: number;
  readonly std: number;
}

/** What the worker answers. Every method may throw an Error with a message for people. */
export interface Bench {
  families(): readonly Family[];
  /** Opens a network with changes. If they do not fit, the slot keeps what it had, and the problem is returned. */
  open(slot: Slot, source: Source, edits: readonly Edit[]): Promise<Opened>;
  diagram(slot: Slot, options: Omit<DiagramOptions, "input" | "training">): Diagram;
  /** Lines two networks up, layer by layer. */
  compare(a: Compared, b: Compared): readonly RowPair[];
  card(slot: Slot, path: string): Card | undefined;
  weights(slot: Slot, path: string): Weights | undefined;
  /** The network of a slot as an .onnx file that can be trained, with its changes, and initial weights of a seed where it has none. */
  onnx(slot: Slot, seed: number): Uint8Array;
}

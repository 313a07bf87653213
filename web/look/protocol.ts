/** What the page asks of the worker that looks into networks. */
import type { Source } from "../bench/protocol.ts";
import type { WithEngine } from "../engine/protocol.ts";

/** A picture of the size that the network takes, as a canvas has it. */
export interface Pixels {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] */
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

/** A network that was opened. */
export interface Opened {
  readonly height: number;
  readonly width: number;
  readonly weights: "random" | "file";
  /** Names of the classes; empty if the file does not record them. */
  readonly classes: readonly string[];
  /** Names of all layers, blocks and operators between layers. */
  readonly layers: readonly string[];
  /** The last layer with maps. */
  readonly last?: string;
}

export interface Score {
  readonly label: number;
  /** Before softmax or sigmoid. */
  readonly score: number;
  readonly probability: number;
}

/** Numbers of a layer for one picture. */
export interface Maps {
  readonly layer: string;
  /** [C, h, w], or [K] */
  readonly shape: readonly number[];
  readonly data: Float32Array<ArrayBuffer>;
}

export interface Sight {
  /** The likeliest classes; none if the network is not a classifier. */
  readonly top: readonly Score[];
  readonly maps: Maps | undefined;
}

export type OverlayKind = "cam" | "occlusion" | "gradient";

/** What counts for a class, at each pixel. */
export interface Overlay {
  readonly kind: OverlayKind;
  readonly label: number;
  /** The layer of Grad-CAM. */
  readonly layer?: string;
  readonly height: number;
  readonly width: number;
  readonly data: Float32Array<ArrayBuffer>;
}

export type OnProgress = (done: number, total: number) => void;

/** What a channel responds to, as far as it is computed. */
export interface Response {
  readonly step: number;
  readonly steps: number;
  /** Mean activation of the channel. */
  readonly value: number;
  readonly picture: Pixels;
}

export interface Look extends WithEngine {
  open(source: Source): Promise<Opened>;
  see(picture: Pixels, layer: string | undefined): Promise<Sight>;
  overlay(
    picture: Pixels,
    asked: { kind: OverlayKind; label: number; layer: string | undefined },
    onProgress: OnProgress,
  ): Promise<Overlay>;
  respond(layer: string, channel: number, onStep: (response: Response) => void): Promise<void>;
  /** Ends `overlay` and `respond` before their next step. */
  cancel(): void;
}

import type { TensorData } from "../graph/index.ts";
import type { Engine } from "../runtime/index.ts";

/** Options of `lookInside`. */
export interface InsideOptions {
  readonly engine: Engine;
  /** Numbers by key. Default: those that the network has now. */
  readonly weights?: ReadonlyMap<string, TensorData>;
}

/** Which class a gradient or a map is about. */
export interface ClassOptions {
  /** Position in the list of classes. Default: the class with the highest score, of each image. */
  readonly classIndex?: number;
}

/** Options of `gradCam`. */
export interface GradCamOptions extends ClassOptions {
  /** A layer whose output is [N, C, h, w]. Default: the last one that has more than one pixel. */
  readonly layer?: string;
}

/** Options of `occlusion`. */
export interface OcclusionOptions extends ClassOptions {
  /** Side of the window in pixels. Default: a seventh of the image. */
  readonly size?: number;
  /** Pixels from one window to the next. Default: half the window. */
  readonly stride?: number;
  /** What the window is filled with. Default 0, the mean of normalized images. */
  readonly fill?: number;
  /** Windows that run together. Default 8. */
  readonly batchSize?: number;
  /** Called after each batch. */
  readonly onProgress?: (done: number, total: number) => void;
  readonly signal?: AbortSignal;
}

/** Options of `respond`. */
export interface RespondOptions {
  /** Name of the layer. */
  readonly layer: string;
  /** Position of the channel in its output. */
  readonly channel: number;
  /** Shape of the image, [1, C, H, W]. */
  readonly shape: readonly number[];
  /** Steps uphill. Default 40. */
  readonly steps?: number;
  /** Root mean square of the change in a step, in units of the input. Default 0.1. */
  readonly rate?: number;
  /** Of the noise that it starts from. Default 0. */
  readonly seed?: number;
  /** Called after each step with the mean activation of the channel before it, and the image so far. */
  readonly onStep?: (step: number, value: number, image: TensorData<"float32">) => void;
  readonly signal?: AbortSignal;
}

/** What a network computes for some images. */
export interface Seen {
  /** Scores of the classes before softmax or sigmoid, [N, K]; none if the network is not a classifier. */
  readonly scores?: TensorData<"float32">;
  /** What the network makes of them: the sigmoid of each if it ends in one, else softmax. */
  readonly probabilities?: TensorData<"float32">;
  /** Outputs of the layers that were asked for, by name. */
  readonly activations: Readonly<Record<string, TensorData<"float32">>>;
}

/** A map of what counts for a class. */
export interface ClassMap {
  /** The layer whose maps were weighted. */
  readonly layer: string;
  /** [N, h, w], nothing below 0. */
  readonly map: TensorData<"float32">;
}

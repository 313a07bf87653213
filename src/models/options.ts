import { check } from "../graph/index.ts";
import type { Tensor } from "../nn/index.ts";

/** `note`: as in the study note. `paper`: as published. `torchvision`: loads torchvision's weights. */
export type Variant = "note" | "paper" | "torchvision";

export const VARIANTS: readonly Variant[] = ["note", "paper", "torchvision"];

export interface ModelOptions {
  /** Default `"note"`. */
  variant?: Variant;
  /** Default: the classes of the data set the network was published for. */
  numClasses?: number;
  /** Default 3, for RGB. */
  inChannels?: number;
  /** Height and width of the images in pixels, for networks whose layers depend on it. */
  inputSize?: number;
}

/** Throws where images are so small that a pool is left without a pixel. */
export function checkImages(network: string, x: Tensor, minimum: number): void {
  const [H, W] = x.shape.slice(2);
  check(
    Number(H) >= minimum && Number(W) >= minimum,
    () => `${network}: images need at least ${minimum}×${minimum} pixels, but got ${H}×${W}`,
  );
}

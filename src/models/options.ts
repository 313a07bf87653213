import { check } from "../graph/index.ts";
import { cat, type ModelSpec, type Normalization, type Tensor, type TrainingHints } from "../nn/index.ts";

/**
 * Which version of a network.
 *
 * - `note`: as in the study note, a set of lecture notes on VGG, NiN and GoogLeNet in PyTorch.
 * - `paper`: as published.
 * - `torchvision`: as in torchvision, whose weights it loads.
 */
export type Variant = "note" | "paper" | "torchvision";

/** Every variant; a network has some of them. */
export const VARIANTS: readonly Variant[] = ["note", "paper", "torchvision"];

/** Options that every registered network takes. */
export interface ModelOptions {
  /** Which version of the network. Default: the first that `MODELS` lists for it, mostly `"note"`. */
  variant?: Variant;
  /** Classes, the length of the scores. Default: those of the data set it was published for, 1000 or 10. */
  numClasses?: number;
  /** Channels of the images. Default: those it was published for, 3 for RGB or 1 for gray. */
  inChannels?: number;
  /** Height and width of the images in pixels, for networks whose layers depend on it. Default: that of the variant. */
  inputSize?: number;
  /** Whether GoogLeNet and Inception V3 have their auxiliary classifiers. Default true; other networks have none. */
  auxLogits?: boolean;
}

/** The variant asked for, else the first of those a network has. Throws for one that it does not have. */
export function variantOf<V extends Variant>(network: string, { variant }: ModelOptions, known: readonly V[]): V {
  const found = variant === undefined ? known[0] : known.find((name) => name === variant);
  check(found !== undefined, () => `${network} has no variant "${variant}"; it has ${known.join(", ")}`);
  return found;
}

/** Mean and deviation of ImageNet's pixels, on the scale from 0 to 1. */
export const IMAGENET = { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] } as const satisfies Normalization;

/** What networks for photographs that halve them five times say of themselves: they learn from 64 pixels a side on. */
export function photographs({ inputSize = 224, inChannels = 3 }: ModelOptions, training: TrainingHints): ModelSpec {
  return { inputSize, minInputSize: 64, inChannels, normalization: IMAGENET, training };
}

/** Turns ImageNet's normalization into (pixel − 0.5) / 0.5, channel by channel: x [N, 3, H, W] → y [same] */
export function fromImageNet(x: Tensor): Tensor {
  const { mean, std } = IMAGENET;
  return cat(
    std.map((deviation, c) =>
      x
        .narrow(1, c, 1)
        .mul(deviation / 0.5)
        .add((mean[c]! - 0.5) / 0.5),
    ),
    1,
  );
}

/**
 * Throws unless both sides of the images are within these limits in pixels; `advice` says what to do where there is an upper one.
 *
 *     x [N, C, H, W]
 */
export function checkImages(network: string, x: Tensor, [low, high]: readonly [number, number?], advice = ""): void {
  const [H, W] = x.shape.slice(2);
  const fits = [H, W].every((size) => Number(size) >= low && !(Number(size) > (high ?? Infinity)));
  const sizes = high === undefined ? `at least ${low}×${low}` : `${low} to ${high}`;
  check(
    fits,
    () => `${network}: takes images of ${sizes} pixels${high ? " a side" : ""}, but got ${H}×${W}${high ? advice : ""}`,
  );
}

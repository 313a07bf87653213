import type { Module } from "../nn/index.ts";
import type { ModelOptions, Variant } from "./options.ts";

/** Where a network was published. */
export interface Publication {
  /** Title of the paper. */
  readonly title: string;
  /** Authors and year, as it is cited: "He et al. 2016". */
  readonly cite: string;
  /** Year in which it first appeared. */
  readonly year: number;
  readonly url: string;
}

/** A network that can be built by name. What else is known of it, the built network says in its `spec`. */
export interface ModelEntry<Network extends Module = Module> {
  readonly build: (options: ModelOptions) => Network;
  /** Its variants; the first is the default. */
  readonly variants: readonly Variant[];
  /** Height and width in pixels of the images that its first variant was published for. */
  readonly inputSize: number;
  /** Channels of those images: 3 for RGB, 1 for gray. */
  readonly inChannels: number;
  /** Classes of the data set it was published for. */
  readonly numClasses: number;
  /** What it is, in a few words. */
  readonly title: string;
  /** The paper whose network or idea it is. */
  readonly paper: Publication;
}

/** Photographs as in ImageNet-1k. */
export const FOR_IMAGENET = { inputSize: 224, inChannels: 3, numClasses: 1000 } as const;
/** Images as in CIFAR-10. */
export const FOR_CIFAR = { inputSize: 32, inChannels: 3, numClasses: 10 } as const;
/** Handwritten digits as in MNIST, with a border of 2 pixels. */
export const FOR_DIGITS = { inputSize: 32, inChannels: 1, numClasses: 10 } as const;

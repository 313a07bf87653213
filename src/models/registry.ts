import { check } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import { googlenet } from "./googlenet.ts";
import { inceptionSmall } from "./inception-small.ts";
import { nin, ninImageNet } from "./nin.ts";
import type { ModelOptions, Variant } from "./options.ts";
import { type VggDepth, vgg, vggSmall } from "./vgg.ts";

/** A network that can be asked for by name. */
export interface ModelEntry {
  readonly build: (options: ModelOptions) => Module;
  /** The first is the default. */
  readonly variants: readonly Variant[];
  /** Side of the images it was published for, in pixels. */
  readonly inputSize: number;
  readonly numClasses: number;
  readonly title: string;
}

const ALL = ["note", "paper", "torchvision"] as const satisfies readonly Variant[];

const vggEntry = (depth: VggDepth, batchNorm: boolean): ModelEntry => ({
  build: (options) => vgg(depth, { ...options, batchNorm }),
  variants: ALL,
  inputSize: 224,
  numClasses: 1000,
  title: `VGG with ${depth} weight layers${batchNorm ? " and batch normalization" : ""}`,
});

export const MODELS = {
  vgg11: vggEntry(11, false),
  vgg11_bn: vggEntry(11, true),
  vgg13: vggEntry(13, false),
  vgg13_bn: vggEntry(13, true),
  vgg16: vggEntry(16, false),
  vgg16_bn: vggEntry(16, true),
  vgg19: vggEntry(19, false),
  vgg19_bn: vggEntry(19, true),
  nin: {
    build: nin,
    variants: ["note", "paper"],
    inputSize: 32,
    numClasses: 10,
    title: "Network in Network for CIFAR",
  },
  nin_imagenet: {
    build: ninImageNet,
    variants: ["paper"],
    inputSize: 224,
    numClasses: 1000,
    title: "Network in Network for ImageNet",
  },
  googlenet: {
    build: googlenet,
    variants: ALL,
    inputSize: 224,
    numClasses: 1000,
    title: "GoogLeNet, with two auxiliary classifiers",
  },
  inception_small: {
    build: inceptionSmall,
    variants: ["note"],
    inputSize: 32,
    numClasses: 10,
    title: "Inception blocks for images of 32×32",
  },
  vgg_small: {
    build: vggSmall,
    variants: ["note"],
    inputSize: 32,
    numClasses: 10,
    title: "3×3 convolutions and halvings for images of 32×32",
  },
} as const satisfies Record<string, ModelEntry>;

export type ModelName = keyof typeof MODELS;

/** The entry of a network. Throws, naming those there are. */
export function modelEntry(name: string): ModelEntry {
  check(
    Object.hasOwn(MODELS, name),
    () => `there is no network "${name}"; there are ${Object.keys(MODELS).join(", ")}`,
  );
  return MODELS[name as ModelName];
}

/** Builds a network by name; options left out are those it was published with. */
export function createModel(name: string, options: ModelOptions = {}): Module {
  const entry = modelEntry(name);
  const { variant = entry.variants[0]! } = options;
  check(
    entry.variants.includes(variant),
    () => `${name} has no variant "${variant}"; it has ${entry.variants.join(", ")}`,
  );
  return entry.build({ inputSize: entry.inputSize, numClasses: entry.numClasses, ...options, variant });
}

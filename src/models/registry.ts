import { check, checkOptions } from "../graph/index.ts";
import type { Module, Tensor } from "../nn/index.ts";
import { googlenet } from "./googlenet.ts";
import { inceptionSmall } from "./inception-small.ts";
import { nin, ninImageNet } from "./nin.ts";
import type { ModelOptions, Variant } from "./options.ts";
import { type VggDepth, vgg, vggSmall } from "./vgg.ts";

/** A network that can be built by name. What else is known of it, the built network says in its `spec`. */
export interface ModelEntry<Network extends Module = Module> {
  readonly build: (options: ModelOptions) => Network;
  /** Its variants; the first is the default. */
  readonly variants: readonly Variant[];
  /** Height and width in pixels of the images it was published for. */
  readonly inputSize: number;
  /** Classes of the data set it was published for. */
  readonly numClasses: number;
  /** What it is, in a few words. */
  readonly title: string;
}

const ALL = ["note", "paper", "torchvision"] as const satisfies readonly Variant[];

const imagenet = { inputSize: 224, numClasses: 1000 } as const;
const cifar = { inputSize: 32, numClasses: 10 } as const;

const vggEntry = (depth: VggDepth, batchNorm: boolean): ModelEntry<Module<Tensor>> => ({
  build: (options) => vgg(depth, { ...options, batchNorm }),
  variants: ALL,
  ...imagenet,
  title: `VGG with ${depth} weight layers${batchNorm ? " and batch normalization" : ""}`,
});

/** The networks that `createModel` builds, by name. */
export const MODELS = {
  vgg11: vggEntry(11, false),
  vgg11_bn: vggEntry(11, true),
  vgg13: vggEntry(13, false),
  vgg13_bn: vggEntry(13, true),
  vgg16: vggEntry(16, false),
  vgg16_bn: vggEntry(16, true),
  vgg19: vggEntry(19, false),
  vgg19_bn: vggEntry(19, true),
  nin: { build: nin, variants: ["note", "paper"], ...cifar, title: "Network in Network for CIFAR" },
  nin_imagenet: { build: ninImageNet, variants: ["paper"], ...imagenet, title: "Network in Network for ImageNet" },
  googlenet: { build: googlenet, variants: ALL, ...imagenet, title: "GoogLeNet, with two auxiliary classifiers" },
  inception_small: {
    build: inceptionSmall,
    variants: ["note"],
    ...cifar,
    title: "Inception blocks for images of 32×32",
  },
  vgg_small: {
    build: vggSmall,
    variants: ["note"],
    ...cifar,
    title: "3×3 convolutions and halvings for images of 32×32",
  },
} as const satisfies Record<string, ModelEntry>;

/** Name of a registered network. */
export type ModelName = keyof typeof MODELS;

const OPTIONS = {
  variant: "any",
  numClasses: "whole",
  inChannels: "whole",
  inputSize: "whole",
  auxLogits: "boolean",
  transformInput: "boolean",
} as const;

/** The registry's entry for a network. Throws for an unknown name, listing the known ones. */
export function modelEntry(name: string): ModelEntry {
  check(
    Object.hasOwn(MODELS, name),
    () => `there is no network "${name}"; the networks are ${Object.keys(MODELS).join(", ")}`,
  );
  return MODELS[name as ModelName];
}

/**
 * Builds a network by name; options left out are those it was published with.
 *
 *     const model = createModel("googlenet", { variant: "torchvision", numClasses: 10 });
 *
 * No weight is allocated until it is needed. Throws for an unknown name or variant, listing the known ones.
 */
export function createModel<Name extends ModelName>(
  name: Name,
  options?: ModelOptions,
): ReturnType<(typeof MODELS)[Name]["build"]>;
export function createModel(name: string, options?: ModelOptions): Module;
export function createModel(name: string, options: ModelOptions = {}): Module {
  const { build, variants, inputSize, numClasses } = modelEntry(name);
  checkOptions(name, options, OPTIONS);
  const { variant = variants[0]! } = options;
  check(variants.includes(variant), () => `${name} has no variant "${variant}"; it has ${variants.join(", ")}`);
  return build({ inputSize, numClasses, ...options, variant });
}

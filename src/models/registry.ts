import { check, checkOptions } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import { ALEXNET } from "./alexnet.ts";
import type { ModelEntry } from "./entry.ts";
import { GOOGLENET } from "./googlenet.ts";
import { INCEPTION_SMALL } from "./inception-small.ts";
import { LENET } from "./lenet.ts";
import { NIN } from "./nin.ts";
import { type ModelOptions, variantOf } from "./options.ts";
import { RESNET } from "./resnet.ts";
import { CIFAR_RESNET } from "./resnet-cifar.ts";
import { VGG } from "./vgg.ts";

/** The networks that `createModel` builds, by name, in the order in which they were published. */
export const MODELS = {
  ...LENET,
  ...ALEXNET,
  ...VGG,
  ...NIN,
  ...GOOGLENET,
  ...INCEPTION_SMALL,
  ...RESNET,
  ...CIFAR_RESNET,
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
  const { build, variants, numClasses } = modelEntry(name);
  checkOptions(name, options, OPTIONS);
  return build({ numClasses, ...options, variant: variantOf(name, options, variants) });
}

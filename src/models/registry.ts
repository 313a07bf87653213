import { check, checkOptions } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import { DENSENET } from "./densenet.ts";
import { EFFICIENTNET } from "./efficientnet.ts";
import type { ModelEntry } from "./entry.ts";
import { GOOGLENET } from "./googlenet.ts";
import { INCEPTION_SMALL } from "./inception-small.ts";
import { INCEPTION_V3 } from "./inception-v3.ts";
import { MOBILENET_V2 } from "./mobilenet-v2.ts";
import { MOBILENET_V3 } from "./mobilenet-v3.ts";
import { NIN } from "./nin.ts";
import type { ModelOptions } from "./options.ts";
import { SHUFFLENET } from "./shufflenet.ts";
import { SQUEEZENET } from "./squeezenet.ts";
import { VGG } from "./vgg.ts";

/** The networks that `createModel` builds, by name, in the order in which they were published. */
export const MODELS = {
  ...VGG,
  ...NIN,
  ...GOOGLENET,
  ...INCEPTION_SMALL,
  ...INCEPTION_V3,
  ...SQUEEZENET,
  ...DENSENET,
  ...MOBILENET_V2,
  ...SHUFFLENET,
  ...MOBILENET_V3,
  ...EFFICIENTNET,
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

import { check, checkOptions, nearest } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import { ALEXNET } from "./alexnet.ts";
import { DENSENET } from "./densenet.ts";
import { EFFICIENTNET } from "./efficientnet.ts";
import type { ModelEntry } from "./entry.ts";
import { GOOGLENET } from "./googlenet.ts";
import { INCEPTION_SMALL } from "./inception-small.ts";
import { INCEPTION_V3 } from "./inception-v3.ts";
import { LENET } from "./lenet.ts";
import { MOBILENET_V2 } from "./mobilenet-v2.ts";
import { MOBILENET_V3 } from "./mobilenet-v3.ts";
import { NIN } from "./nin.ts";
import { type ModelOptions, variantOf } from "./options.ts";
import { RESNET } from "./resnet.ts";
import { CIFAR_RESNET } from "./resnet-cifar.ts";
import { SHUFFLENET } from "./shufflenet.ts";
import { SQUEEZENET } from "./squeezenet.ts";
import { VGG } from "./vgg.ts";

/** The networks that `createModel` builds, by name: family by family, the older ones first. */
export const MODELS = {
  ...LENET,
  ...ALEXNET,
  ...VGG,
  ...NIN,
  ...GOOGLENET,
  ...INCEPTION_SMALL,
  ...INCEPTION_V3,
  ...RESNET,
  ...CIFAR_RESNET,
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

/**
 * What a message about an unknown name says: `did you mean "resnet50"?`, or the names there are, of a family the first and the last:
 * `the networks are lenet5, alexnet, vgg11 … vgg_small, …`.
 */
export function suggestNetwork(name: string, names: readonly string[] = Object.keys(MODELS)): string {
  const near = nearest(name, names);
  return near === undefined ? `the networks are ${listNetworks(names)}` : `did you mean "${near}"?`;
}

/** Names of networks for a message, of each family the first and the last: `alexnet, vgg11 … vgg19_bn, googlenet`. */
export function listNetworks(names: readonly string[]): string {
  const families = new Map<string, string[]>();
  for (const known of names) {
    const [stem = known] = known.match(/^[a-z]+/) ?? [];
    families.set(stem, [...(families.get(stem) ?? []), known]);
  }
  const shown = [...families.values()].map((all) => (all.length < 3 ? all.join(", ") : `${all[0]} … ${all.at(-1)}`));
  return shown.join(", ");
}

/** The registry's entry for a network. Throws for an unknown name, suggesting known ones. */
export function modelEntry(name: string): ModelEntry {
  check(Object.hasOwn(MODELS, name), () => `there is no network "${name}"; ${suggestNetwork(name)}`);
  return MODELS[name as ModelName];
}

/**
 * Builds a network by name; options left out are those it was published with.
 *
 *     const model = createModel("googlenet", { variant: "torchvision", numClasses: 10 });
 *
 * No weight is allocated until it is needed. Throws for an unknown name or variant, suggesting known ones.
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

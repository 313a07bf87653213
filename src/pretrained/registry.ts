/** The weights that torchvision publishes. Nothing here needs Node. A test compares them with torchvision. */
import { NORMALIZATION, type Transform } from "../data/index.ts";
import { check } from "../graph/index.ts";
import type { ModelName, Variant } from "../models/index.ts";
import type { Normalization } from "../nn/index.ts";
import { IMAGENET_CLASSES } from "./imagenet.ts";

/** Published weights, and what is needed to use them. */
export interface PublishedWeights {
  /** The built-in network and variant that they fit. */
  readonly model: ModelName;
  readonly variant: Variant;
  /** A file of `torch.save`; the last part of its path is the file's name. */
  readonly url: string;
  /** The first eight hex digits of the file's SHA-256: torch.hub writes them into its names, nobody publishes the others. */
  readonly sha256: string;
  /** Size of the file in MiB, as torchvision states it. */
  readonly mebibytes: number;
  /** Numbers that are trained, those of auxiliary classifiers left out. */
  readonly parameters: number;
  /** Percent of ImageNet's validation images, one crop each, as torchvision measured it. */
  readonly accuracy: { readonly top1: number; readonly top5: number };
  /** Names of the classes, in the order of the scores. */
  readonly classes: readonly string[];
  /** Preprocessing of images. Resizing is bilinear and antialiased. */
  readonly transforms: readonly Transform[];
  /** Of the files. What ImageNet's own terms allow is another question, as torchvision's README says. */
  readonly license: string;
}

/** A row: the file's name without ".pth", MiB, parameters, top-1, top-5, and the normalization if it is not ImageNet's. */
type Row = readonly [
  file: string,
  mebibytes: number,
  parameters: number,
  top1: number,
  top5: number,
  normalization?: Normalization,
];

/** Pixels from −1 to 1, as TensorFlow scaled them for the weights that torchvision converted (its `transform_input`). */
const FROM_TENSORFLOW: Normalization = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };

// biome-ignore format: a table
const TORCHVISION = {
  vgg11:     ["vgg11-8a719046",     506.84,  132_863_336, 69.02,  88.628],
  vgg11_bn:  ["vgg11_bn-6002323d",  506.881, 132_868_840, 70.37,  89.81],
  vgg13:     ["vgg13-19584684",     507.545, 133_047_848, 69.928, 89.246],
  vgg13_bn:  ["vgg13_bn-abd245e5",  507.59,  133_053_736, 71.586, 90.374],
  vgg16:     ["vgg16-397923af",     527.796, 138_357_544, 71.592, 90.382],
  vgg16_bn:  ["vgg16_bn-6c64b313",  527.866, 138_365_992, 73.36,  91.516],
  vgg19:     ["vgg19-dcbb9e9d",     548.051, 143_667_240, 72.376, 90.876],
  vgg19_bn:  ["vgg19_bn-c79401a0",  548.143, 143_678_248, 74.218, 91.842],
  googlenet: ["googlenet-1378be20", 49.731,    6_624_904, 69.778, 89.53, FROM_TENSORFLOW],
} as const satisfies Partial<Record<ModelName, Row>>;

/** A network that torchvision publishes weights for. */
export type PretrainedName = keyof typeof TORCHVISION;

function published(
  model: PretrainedName,
  [file, mebibytes, parameters, top1, top5, normalization = NORMALIZATION.imagenet]: Row,
): PublishedWeights {
  const variant = "torchvision";
  return {
    model,
    variant,
    url: `https://download.pytorch.org/models/${file}.pth`,
    sha256: file.slice(-8),
    mebibytes,
    parameters,
    accuracy: { top1, top5 },
    classes: IMAGENET_CLASSES,
    transforms: [
      { resize: { size: 256, interpolation: "bilinear" } },
      { centerCrop: { size: 224 } },
      { normalize: normalization },
    ],
    license: "BSD-3-Clause",
  };
}

/** Torchvision's weights for ImageNet-1k ("IMAGENET1K_V1") by the name of the network. */
export const PRETRAINED = Object.fromEntries(
  Object.entries(TORCHVISION).map(([name, row]) => [name, published(name as PretrainedName, row)]),
) as Readonly<Record<PretrainedName, PublishedWeights>>;

/** The metadata that `train` would have written beside such weights: with them, a file says what it is of. */
export function publishedMetadata({ model, variant, classes, transforms }: PublishedWeights): Record<string, string> {
  return {
    architecture: model,
    variant,
    classes: JSON.stringify(classes),
    preprocessing: JSON.stringify(transforms),
  };
}

/** The weights that are published for a network. Throws, naming the networks that have some. */
export function publishedWeights(name: string): PublishedWeights {
  check(
    Object.hasOwn(PRETRAINED, name),
    () => `nobody published weights for "${name}"; there are some for ${Object.keys(PRETRAINED).join(", ")}`,
  );
  return PRETRAINED[name as PretrainedName];
}

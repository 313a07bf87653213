/** The weights that torchvision publishes. Nothing here needs Node. A test compares them with torchvision. */
import { NORMALIZATION, type Transform } from "../data/index.ts";
import { check } from "../graph/index.ts";
import { listNetworks, type ModelName, type Variant } from "../models/index.ts";
import type { Normalization } from "../nn/index.ts";
import { IMAGENET_CLASSES } from "./imagenet.ts";

/** Published weights, and what is needed to use them. */
export interface PublishedWeights {
  /** The built-in network and variant that they fit. */
  readonly model: ModelName;
  readonly variant: Variant;
  /** Torchvision's name for these weights of the network: `"IMAGENET1K_V1"`, `"IMAGENET1K_V2"`. */
  readonly version: string;
  /** A file of `torch.save`; the last part of its path is the file's name. */
  readonly url: string;
  /** The first hex digits, at least eight, of the file's SHA-256: torch.hub writes them into its names, nobody publishes the others. */
  readonly sha256: string;
  /** Size of the file in MiB, as torchvision states it. */
  readonly mebibytes: number;
  /** Trained numbers, as torchvision counts them: GoogLeNet's without auxiliary classifiers, Inception V3's with its. */
  readonly parameters: number;
  /** Percent of ImageNet's validation images, one crop each, as torchvision measured it. */
  readonly accuracy: { readonly top1: number; readonly top5: number };
  /** Names of the classes, in the order of the scores. */
  readonly classes: readonly string[];
  /** Preprocessing of images. Resizing is antialiased. */
  readonly transforms: readonly Transform[];
  /** Of the files. What ImageNet's own terms allow is another question, as torchvision's README says. */
  readonly license: string;
}

/** How images are prepared where it is not torchvision's usual way. */
interface Preprocessing {
  /** Shorter side in pixels before the crop. Default 256. */
  readonly resize?: number;
  /** Side of the crop in pixels. Default 224. */
  readonly crop?: number;
  /** Default "bilinear". */
  readonly interpolation?: "bilinear" | "bicubic";
  /** Default: ImageNet's. */
  readonly normalization?: Normalization;
}

/** A row: the file's name without ".pth", MiB, parameters, top-1, top-5, and what is unusual about its preprocessing. */
type Row = readonly [
  file: string,
  mebibytes: number,
  parameters: number,
  top1: number,
  top5: number,
  preprocessing?: Preprocessing,
];

/** Pixels from −1 to 1, as TensorFlow scaled them for the weights that torchvision converted (its `transform_input`). */
const FROM_TENSORFLOW: Normalization = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] };
/** Torchvision's newer training recipe evaluates at this size. */
const NEWER: Preprocessing = { resize: 232 };

/** IMAGENET1K_V1 and, where there is a second row, IMAGENET1K_V2. */
// biome-ignore format: a table
const TORCHVISION = {
  alexnet:            [["alexnet-owt-7be5be79",             233.087,  61_100_840, 56.522, 79.066]],
  vgg11:              [["vgg11-8a719046",                   506.84,  132_863_336, 69.02,  88.628]],
  vgg11_bn:           [["vgg11_bn-6002323d",                506.881, 132_868_840, 70.37,  89.81]],
  vgg13:              [["vgg13-19584684",                   507.545, 133_047_848, 69.928, 89.246]],
  vgg13_bn:           [["vgg13_bn-abd245e5",                507.59,  133_053_736, 71.586, 90.374]],
  vgg16:              [["vgg16-397923af",                   527.796, 138_357_544, 71.592, 90.382]],
  vgg16_bn:           [["vgg16_bn-6c64b313",                527.866, 138_365_992, 73.36,  91.516]],
  vgg19:              [["vgg19-dcbb9e9d",                   548.051, 143_667_240, 72.376, 90.876]],
  vgg19_bn:           [["vgg19_bn-c79401a0",                548.143, 143_678_248, 74.218, 91.842]],
  googlenet:          [["googlenet-1378be20",               49.731,    6_624_904, 69.778, 89.53, { normalization: FROM_TENSORFLOW }]],
  resnet18:           [["resnet18-f37072fd",                44.661,   11_689_512, 69.758, 89.078]],
  resnet34:           [["resnet34-b627a593",                83.275,   21_797_672, 73.314, 91.42]],
  resnet50:           [["resnet50-0676ba61",                97.781,   25_557_032, 76.13,  92.862],
                       ["resnet50-11ad3fa6",                97.79,    25_557_032, 80.858, 95.434, NEWER]],
  resnet101:          [["resnet101-63fe2227",               170.511,  44_549_160, 77.374, 93.546],
                       ["resnet101-cd907fc2",               170.53,   44_549_160, 81.886, 95.78,  NEWER]],
  resnet152:          [["resnet152-394f9c45",               230.434,  60_192_808, 78.312, 94.046],
                       ["resnet152-f82ba261",               230.474,  60_192_808, 82.284, 96.002, NEWER]],
  resnext50_32x4d:    [["resnext50_32x4d-7cdf4587",         95.789,   25_028_904, 77.618, 93.698],
                       ["resnext50_32x4d-1a0047aa",         95.833,   25_028_904, 81.198, 95.34,  NEWER]],
  wide_resnet50_2:    [["wide_resnet50_2-95faca4d",         131.82,   68_883_240, 78.468, 94.086],
                       ["wide_resnet50_2-9ba9bcbe",         263.124,  68_883_240, 81.602, 95.758, NEWER]],
  inception_v3:       [["inception_v3_google-0cc3c7bd",     103.903,  27_161_264, 77.294, 93.45,
                         { resize: 342, crop: 299, normalization: FROM_TENSORFLOW }]],
  squeezenet1_0:      [["squeezenet1_0-b66bff10",           4.778,     1_248_424, 58.092, 80.42]],
  squeezenet1_1:      [["squeezenet1_1-b8a52dc0",           4.729,     1_235_496, 58.178, 80.624]],
  densenet121:        [["densenet121-a639ec97",             30.845,    7_978_856, 74.434, 91.972]],
  mobilenet_v2:       [["mobilenet_v2-b0353104",            13.555,    3_504_872, 71.878, 90.286],
                       ["mobilenet_v2-7ebf99e0",            13.598,    3_504_872, 72.154, 90.822, NEWER]],
  shufflenet_v2_x1_0: [["shufflenetv2_x1-5666bf0f80",       8.791,     2_278_604, 69.362, 88.316]],
  mobilenet_v3_small: [["mobilenet_v3_small-047dcff4",      9.829,     2_542_856, 67.668, 87.402]],
  mobilenet_v3_large: [["mobilenet_v3_large-8738ca79",      21.114,    5_483_032, 74.042, 91.34],
                       ["mobilenet_v3_large-5c1a4163",      21.107,    5_483_032, 75.274, 92.566, NEWER]],
  efficientnet_b0:    [["efficientnet_b0_rwightman-3dd342df", 20.451,  5_288_548, 77.692, 93.532, { interpolation: "bicubic" }]],
} as const satisfies Partial<Record<ModelName, readonly Row[]>>;

/** A network that torchvision publishes weights for. */
export type PretrainedName = keyof typeof TORCHVISION;

function published(model: PretrainedName, version: number, row: Row): PublishedWeights {
  const [file, mebibytes, parameters, top1, top5, preprocessing = {}] = row;
  const { resize = 256, crop = 224, interpolation = "bilinear" } = preprocessing;
  return {
    model,
    variant: "torchvision",
    version: `IMAGENET1K_V${version}`,
    url: `https://download.pytorch.org/models/${file}.pth`,
    sha256: file.slice(file.lastIndexOf("-") + 1),
    mebibytes,
    parameters,
    accuracy: { top1, top5 },
    classes: IMAGENET_CLASSES,
    transforms: [
      { resize: { size: resize, interpolation } },
      { centerCrop: { size: crop } },
      { normalize: preprocessing.normalization ?? NORMALIZATION.imagenet },
    ],
    license: "BSD-3-Clause",
  };
}

const ALL = new Map(
  Object.entries(TORCHVISION).map(([name, rows]) => [
    name,
    rows.map((row: Row, i) => published(name as PretrainedName, i + 1, row)),
  ]),
);

/** All weights published for a network, the oldest first; none for a network that has none. */
export const publishedVersions = (name: string): readonly PublishedWeights[] => ALL.get(name) ?? [];

/** Torchvision's default weights for ImageNet-1k, by the name of the network: the newest. */
export const PRETRAINED = Object.fromEntries([...ALL].map(([name, versions]) => [name, versions.at(-1)])) as Readonly<
  Record<PretrainedName, PublishedWeights>
>;

/** The metadata that `train` would have written beside such weights: with them, a file says what it is of. */
export function publishedMetadata({ model, variant, classes, transforms }: PublishedWeights): Record<string, string> {
  return {
    architecture: model,
    variant,
    classes: JSON.stringify(classes),
    preprocessing: JSON.stringify(transforms),
  };
}

/**
 * The weights that are published for a network: torchvision's default, or those of a version, such as `"IMAGENET1K_V1"`.
 *
 *     publishedWeights("resnet50", "IMAGENET1K_V1").accuracy.top1; // 76.13
 *
 * Throws, naming what there is, for a network without published weights and for an unknown version.
 */
export function publishedWeights(name: string, version?: string): PublishedWeights {
  const versions = publishedVersions(name);
  check(
    versions.length > 0,
    () => `nobody published weights for "${name}"; there are some for ${listNetworks(Object.keys(PRETRAINED))}`,
  );
  const found = version === undefined ? versions.at(-1) : versions.find((weights) => weights.version === version);
  check(
    found,
    () => `torchvision has no weights "${version}" for ${name}; it has ${versions.map((w) => w.version).join(" and ")}`,
  );
  return found;
}

/**
 * The published weights that `"torchvision"` (its default) or `"torchvision:IMAGENET1K_V1"` means for a network; undefined for
 * anything else, such as the path of a file. Throws as `publishedWeights` does.
 */
export function namedWeights(network: string, weights: string | undefined): PublishedWeights | undefined {
  const [source, version] = weights?.split(":") ?? [];
  return source === "torchvision" ? publishedWeights(network, version) : undefined;
}

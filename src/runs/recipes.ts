import { NORMALIZATION, type Transform } from "../data/index.ts";
import type { TrainConfigInput } from "./config.ts";

/** What a recipe has to know of a data set. */
export interface DataFacts {
  readonly name: string;
  /** "shapes", "cifar10", … */
  readonly format: string;
  /** Height of the images in pixels where all are of one size. */
  readonly size?: number;
  readonly channels: number;
  /** Whether there are images to validate on beside those to train with. Default true. */
  readonly validation?: boolean;
}

/** Side of the images that a network gets: the data's own where the network takes them, else what it was published for. */
function sideFor(model: string, { size }: DataFacts): number {
  const small = size !== undefined && size <= 64;
  if (model === "googlenet") return small ? 96 : 224;
  if (model === "nin" || model.endsWith("_small")) return 32;
  if (model.startsWith("vgg")) return small ? Math.max(32, size) : 224;
  return small ? size : 224;
}

/** Normalised as the data set is known to need it, images of folders as ImageNet's. */
function normalization({ name, format, channels }: DataFacts): Transform {
  const known = Object.entries(NORMALIZATION).find(([set]) => set === name || set === format)?.[1];
  if (known && known.mean.length === channels) return { normalize: known };
  if (channels === 3) return { normalize: NORMALIZATION.imagenet };
  return { normalize: { mean: [0.5], std: [0.25] } };
}

/** The pictures of these sets mean the same mirrored; digits and arrows do not. */
const MIRRORED = new Set(["cifar10", "cifar100", "image-folder", "fashion-mnist"]);

function transformsFor(data: DataFacts, side: number): { train: Transform[]; validation: Transform[] } {
  const normalize = normalization(data);
  const flip: Transform[] = MIRRORED.has(data.name) || MIRRORED.has(data.format) ? ["randomHorizontalFlip"] : [];
  if (data.size === undefined) {
    return {
      train: [{ randomResizedCrop: { size: side, scale: [0.35, 1] } }, ...flip, normalize],
      validation: [{ resize: { size: Math.round((side * 8) / 7) } }, { centerCrop: { size: side } }, normalize],
    };
  }
  const fit: Transform[] =
    data.size === side
      ? []
      : data.size < side && side - data.size <= 4 && (side - data.size) % 2 === 0
        ? [{ pad: { padding: (side - data.size) / 2 } }]
        : [{ resize: { size: [side, side] } }];
  const crop: Transform[] = [{ randomCrop: { size: side, padding: Math.round(side / 8) } }];
  const augmented = data.format === "shapes" ? [] : [...crop, ...flip];
  return { train: [...fit, ...augmented, normalize], validation: [...fit, normalize] };
}

const COSINE = { name: "cosine" } as const;

/** Networks with batch normalization take larger steps. */
const normalized = (model: string) => model.endsWith("_bn") || model === "googlenet" || model.endsWith("_small");

/** Share of the images to validate on where there are no others. */
const HELD_BACK = 0.2;

const MOMENTUM = { name: "sgd", momentum: 0.9, nesterov: true, weightDecay: 5e-4 } as const;
const ADAMW = { name: "adamw", weightDecay: 0.05 } as const;

/** What a person may ask for before a recipe is made. */
type Asked = Pick<TrainConfigInput, "variant" | "inputSize"> & {
  readonly epochs?: number | undefined;
  readonly optimizer?: "sgd" | "adamw" | undefined;
};

/**
 * The default way to train a network on a data set: what the papers say where it makes sense at this size, and what works
 * where it does not.
 */
export function recipe(model: string, data: DataFacts, asked: Asked = {}): TrainConfigInput {
  const made = recipeOf(model, data, asked);
  const warmupEpochs = Math.min(made.warmupEpochs ?? 0, made.epochs / 3);
  if (asked.optimizer === undefined || asked.optimizer === made.optimizer.name) return { ...made, warmupEpochs };
  if (asked.optimizer === "sgd") return { ...made, warmupEpochs, optimizer: MOMENTUM, lr: 0.01 };
  // steps of AdamW are of the size of the rate, whatever the gradient
  return { ...made, warmupEpochs, optimizer: ADAMW, lr: normalized(model) ? 1e-3 : 1e-4 };
}

function recipeOf(
  model: string,
  data: DataFacts,
  { variant, inputSize = sideFor(model, data), epochs }: Asked,
): TrainConfigInput {
  const large = inputSize >= 96;
  const base = {
    model,
    ...(variant && { variant }),
    inputSize,
    data: data.name,
    transforms: transformsFor(data, inputSize),
    schedule: COSINE,
    warmupEpochs: 1,
    epochs: epochs ?? (large ? 30 : 20),
    ...(data.validation === false && { validationFraction: HELD_BACK }),
    batchSize: large ? 16 : 64,
  } satisfies Partial<TrainConfigInput>;
  if (model === "googlenet") {
    return { ...base, optimizer: MOMENTUM, lr: large ? 0.02 : 0.05, schedule: { name: "polynomial", power: 0.5 } };
  }
  if (normalized(model)) {
    const shapes = data.format === "shapes";
    return {
      ...base,
      optimizer: MOMENTUM,
      lr: 0.05,
      ...(shapes && { epochs: epochs ?? 8, warmupEpochs: 0.5 }),
    };
  }
  // without normalization, first weights decide whether a network learns at all; those of the note, PyTorch's, do not do
  if (model.startsWith("nin")) {
    const optimizer = { ...MOMENTUM, weightDecay: 1e-4 };
    return { ...base, init: "kaiming_fan_in", optimizer, lr: 0.05, clipNorm: 1 };
  }
  if (model.startsWith("vgg")) {
    const own = variant === "torchvision" || variant === "paper";
    // signals grow in its five max pools: by fan-in, the features would be ten times too large
    const init = own ? "network" : "kaiming_fan_out";
    return { ...base, init, optimizer: MOMENTUM, lr: 0.01, clipNorm: 1, batchSize: large ? 8 : 64 };
  }
  return { ...base, optimizer: ADAMW, lr: 1e-3 };
}

import { NORMALIZATION, type Transform } from "../data/index.ts";
import { createModel, MODELS, type Variant } from "../models/index.ts";
import { BatchNorm2d, type ModelSpec, type Module } from "../nn/index.ts";
import type { TrainConfigInput } from "./config.ts";

/** What a recipe needs to know about a data set. */
export interface DataFacts {
  readonly name: string;
  /** "shapes", "cifar10", … */
  readonly format: string;
  /** Height of the images in pixels, if all have the same size. */
  readonly size?: number;
  readonly channels: number;
  /** Whether it has images for validation apart from those for training. Default true. */
  readonly validation?: boolean;
  /** What fits the targets of its images. Default: cross-entropy. */
  readonly loss?: TrainConfigInput["loss"];
}

/** Images up to this side, in pixels, are small: no network for photographs was made for them. */
const SMALL = 64;
/** From this side on, in pixels, training takes fewer images at a time and more epochs. */
const LARGE = 96;

/** Side in pixels of the images to train with: the data's own if they are small and the network takes them, else the network's. */
function sideFor({ inputSize = 224, minInputSize }: ModelSpec, { size }: DataFacts): number {
  const small = size !== undefined && size <= SMALL;
  return small && minInputSize !== undefined ? Math.max(size, minInputSize) : inputSize;
}

/** Normalizes with the mean and deviation of a known data set; folders of color images with ImageNet's. */
function normalization({ name, format, channels }: DataFacts): Transform {
  const known = Object.entries(NORMALIZATION).find(([set]) => set === name || set === format)?.[1];
  if (known && known.mean.length === channels) return { normalize: known };
  if (channels === 3) return { normalize: NORMALIZATION.imagenet };
  return { normalize: { mean: [0.5], std: [0.25] } };
}

/** Data sets whose images mean the same when mirrored; digits and arrows do not. */
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
const MOMENTUM = { name: "sgd", momentum: 0.9, nesterov: true, weightDecay: 5e-4 } as const;
const ADAMW = { name: "adamw", weightDecay: 0.05 } as const;

const LARS = { name: "lars", weightDecay: 5e-4 } as const;

/** Share of the training images held out for validation if the data set has no others. */
const HELD_OUT = 0.2;

/** A network without a description: any size will do, and AdamW is the safest choice. */
const UNKNOWN: ModelSpec = { minInputSize: 1 };

/** What the user has already decided. */
type Asked = Pick<TrainConfigInput, "variant" | "inputSize"> & {
  readonly epochs?: number | undefined;
  readonly optimizer?: "sgd" | "lars" | "adamw" | undefined;
  /** The network itself, if it is not a registered one. */
  readonly network?: Module | undefined;
};

/**
 * The default settings for training a network on a data set: what the network's `spec` says, adapted to the size of the images.
 *
 * `model` is a registered network, or the file of `asked.network`.
 */
export function recipe(model: string, data: DataFacts, asked: Asked = {}): TrainConfigInput {
  const { variant, network = registered(model, variant), optimizer } = asked;
  const spec = network?.spec ?? UNKNOWN;
  const inputSize = asked.inputSize ?? sideFor(spec, data);
  const large = inputSize >= LARGE;
  const normalized = network !== undefined && [...network.modules()].some(([, part]) => part instanceof BatchNorm2d);
  // with batch normalization, few epochs are enough for generated shapes
  const easy = data.format === "shapes" && spec.training !== undefined && normalized && !large;
  const { epochs = large ? 30 : easy ? 8 : 20 } = asked;
  const base = {
    model,
    ...(variant && { variant }),
    inputSize,
    data: data.name,
    transforms: transformsFor(data, inputSize),
    schedule: COSINE,
    warmupEpochs: Math.min(easy ? 0.5 : 1, epochs / 3),
    epochs,
    ...(data.validation === false && { validationFraction: HELD_OUT }),
    ...(data.loss && { loss: data.loss }),
    batchSize: large ? 16 : 64,
  } satisfies Partial<TrainConfigInput>;
  return { ...base, ...choice(spec, { large, normalized, optimizer }) };
}

/** Epochs of warm-up for large batches. */
const LARGE_BATCH_WARMUP = 5;

/**
 * Learning rate and warm-up for a batch larger than the recipe's: the rate grows with the batch, and rises to it over the first epochs
 * (Goyal et al. 2017). `lr` is for a batch of `usual` images.
 */
export function scaledRate(
  { lr, batchSize, accumulate = 1, epochs, warmupEpochs = 0 }: ScaledRateInput,
  usual: number,
): Required<Pick<ScaledRateInput, "lr" | "warmupEpochs">> {
  const factor = (batchSize * accumulate) / usual;
  const longer = Math.max(warmupEpochs, Math.min(LARGE_BATCH_WARMUP, epochs / 3));
  return { lr: lr * factor, warmupEpochs: factor > 1 ? longer : warmupEpochs };
}

type ScaledRateInput = Pick<TrainConfigInput, "lr" | "batchSize" | "accumulate" | "epochs" | "warmupEpochs">;

/** A registered network in the variant that is asked for; undefined for other names. */
function registered(model: string, variant: Variant | undefined): Module | undefined {
  return Object.hasOwn(MODELS, model) ? createModel(model, { ...(variant && { variant }) }) : undefined;
}

/** Optimizer, learning rate and what goes with them. */
function choice(
  { training }: ModelSpec,
  { large, normalized, optimizer }: { large: boolean; normalized: boolean; optimizer: Asked["optimizer"] },
): Pick<TrainConfigInput, "optimizer" | "lr"> & Partial<TrainConfigInput> {
  if (!training && optimizer === "lars") return { optimizer: LARS, lr: 1 };
  if (!training) return optimizer === "sgd" ? { optimizer: MOMENTUM, lr: 0.01 } : { optimizer: ADAMW, lr: 1e-3 };
  const { large: atLarge, weightDecay = MOMENTUM.weightDecay, ...hints } = training;
  const settings = { ...hints, ...(large && atLarge), optimizer: { ...MOMENTUM, weightDecay } };
  // a step of LARS is a thousandth of the weights' size, times the rate
  if (optimizer === "lars") return { ...settings, optimizer: LARS, lr: 1 };
  // AdamW's steps have the size of the learning rate, whatever the gradient; batch normalization allows larger ones
  return optimizer === "adamw" ? { ...settings, optimizer: ADAMW, lr: normalized ? 1e-3 : 1e-4 } : settings;
}

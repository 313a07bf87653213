import { existsSync } from "node:fs";
import { CheckpointError, readCheckpoint } from "../../checkpoint/node/index.ts";
import {
  DataError,
  type Dataset,
  firstSample,
  type Loader,
  type LocatedDataset,
  type LocateOptions,
  locateDataset,
  split,
  workerLoader,
} from "../../data/node/index.ts";
import type { Shape } from "../../graph/index.ts";
import { createModel, MODELS } from "../../models/index.ts";
import type { Module } from "../../nn/index.ts";
import { freeze, loadForFineTuning } from "../../train/index.ts";
import { chooseInit } from "../build.ts";
import type { TrainConfig } from "../config.ts";
import type { DataFacts } from "../recipes.ts";

/** What the metadata of a checkpoint to resume from says that it is. */
export const TRAINING_STATE = "training state";

/** The parts of a data set that a training uses. */
export interface PreparedData {
  readonly train: Dataset;
  readonly validation: Dataset;
  readonly classes: readonly string[];
}

/** What a recipe has to know of a data set, read off its first picture. */
export async function dataFacts(located: LocatedDataset, options: { skipCorrupt?: boolean } = {}): Promise<DataFacts> {
  const train = await located.open("train");
  const { image } = await firstSample(train, options);
  const sameSize = located.format === "module" ? "memory" in train : located.format !== "image-folder";
  return {
    name: located.name,
    format: located.format,
    channels: image.channels,
    ...(sameSize && { size: image.height }),
    validation: located.splits.length > 1,
  };
}

export async function prepareData(config: TrainConfig, options: LocateOptions = {}): Promise<PreparedData> {
  const located = await locateDataset(config.data, { ...options, skipCorrupt: config.skipCorrupt });
  const all = await located.open("train");
  if (all.classes.length < 2) {
    const found = `there is one class alone (${all.classes.join()})`;
    throw new DataError(`${found}, and so nothing to tell apart; pictures belong in one subfolder per class`, {
      file: located.folder ?? located.name,
    });
  }
  const { train, validation } =
    config.validationFraction > 0
      ? split(all, config.validationFraction, config.seed)
      : { train: all, validation: await located.open("test") };
  return { train, validation, classes: all.classes };
}

export interface Loaders {
  readonly train: Loader;
  readonly validation: Loader;
  close(): Promise<void>;
}

export function prepareLoaders(config: TrainConfig, { train, validation }: PreparedData): Loaders {
  const { batchSize, workers, seed, skipCorrupt, transforms, mixup, cutmix } = config;
  const shared = { batchSize, workers: train.source && validation.source ? workers : 0, seed, skipCorrupt };
  const mix = mixup > 0 || cutmix > 0 ? { mixup, cutmix } : undefined;
  const trainLoader = workerLoader(train, { ...shared, transforms: transforms.train, shuffle: true, mix });
  const validationLoader = workerLoader(validation, { ...shared, transforms: transforms.validation });
  return {
    train: trainLoader,
    validation: validationLoader,
    async close() {
      await Promise.all([trainLoader.close(), validationLoader.close()]);
    },
  };
}

/** Makes a network from the name or file in a config; the CLI's `loadModel` is one such maker. */
export type ModelMaker = (config: TrainConfig, facts: { numClasses: number; channels: number }) => Promise<Module>;

/** A registered network for the data, with first weights drawn by seed or taken from a file. */
export const registeredModel: ModelMaker = async (config, { numClasses, channels }) => {
  const { model, variant, inputSize } = config;
  return createModel(model, {
    numClasses,
    inChannels: channels,
    ...(variant && { variant }),
    ...(inputSize !== undefined && { inputSize }),
  });
};

export const isRegistered = (name: string): boolean => Object.hasOwn(MODELS, name);

/**
 * Draws or loads the first weights for images of a shape, and freezes what the config freezes. Gives the keys that were drawn for
 * a new head. A run that goes on has all its weights in its state: then nothing is loaded.
 */
export async function prepareWeights(
  model: Module,
  { seed, init, weights, freeze: frozen }: TrainConfig,
  { input, resumed = false }: { input: Shape; resumed?: boolean },
): Promise<string[]> {
  let drawn: string[] = [];
  if (!resumed) {
    chooseInit(model, init, input);
    // an imported network brings its weights along
    model.initialize(seed, { keep: true });
    if (weights !== undefined) drawn = await loadWeights(model, weights);
  }
  freeze(model, frozen, input);
  return drawn;
}

async function loadWeights(model: Module, file: string): Promise<string[]> {
  if (!existsSync(file)) throw new Error(`there is no weight file ${file}`);
  const { tensors, metadata } = await readCheckpoint(file);
  if (metadata.kind === TRAINING_STATE)
    throw new CheckpointError(
      `${file} is the state of a training, to go on with by --resume; its weights are in best.safetensors`,
    );
  try {
    return loadForFineTuning(model, tensors);
  } catch (error) {
    const of = metadata.architecture === undefined ? "" : ` (weights of ${metadata.architecture})`;
    throw new CheckpointError(`${file}${of}: ${(error as Error).message}`, { cause: error });
  }
}

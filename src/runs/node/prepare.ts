import { existsSync } from "node:fs";
import { CheckpointError, prefixNote, readCheckpoint, readNotes, TRAINING_STATE } from "../../checkpoint/node/index.ts";
import { type Collective, oneProcess, partOf } from "../../cluster/index.ts";
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
import { countFitting, fitKeys, type Shape } from "../../graph/index.ts";
import { createModel, MODELS, modelEntry } from "../../models/index.ts";
import { classScores, type Module, mainOutput, outputForm, trace } from "../../nn/index.ts";
import { namedWeights, pretrained } from "../../pretrained/node/index.ts";
import { freeze, inputShape, loadForFineTuning } from "../../train/index.ts";
import { chooseInit } from "../build.ts";
import type { TrainConfig } from "../config.ts";
import type { DataFacts } from "../recipes.ts";

/** The parts of a data set that a training uses. */
export interface PreparedData {
  readonly train: Dataset;
  readonly validation: Dataset;
  readonly classes: readonly string[];
}

/** What a recipe needs to know about a data set, read from its first image. */
export async function dataFacts(located: LocatedDataset, options: { skipCorrupt?: boolean } = {}): Promise<DataFacts> {
  const train = await located.open("train");
  const { image, target } = await firstSample(train, options);
  const loss = target && lossFor(train, target);
  const sameSize = located.format === "shapes" || "memory" in train;
  return {
    name: located.name,
    format: located.format,
    channels: image.channels,
    ...(sameSize && { size: image.height }),
    validation: located.splits.length > 1,
    ...(loss && { loss }),
  };
}

/** The loss that fits the targets of a data set, as far as the first one tells. */
function lossFor({ name }: Dataset, target: ArrayLike<number>): TrainConfig["loss"] {
  const numbers = Array.from(target);
  const other = numbers.find((number) => number < 0 || number > 1);
  if (other !== undefined)
    throw new DataError(
      `its targets are numbers such as ${other}, but train learns classes, or labels that are 0 or 1; in code, fit(model, { loss: mseLoss(), … }) learns numbers`,
      { file: name },
    );
  const isCertain = numbers.every((number) => number === 0 || number === 1);
  const sum = numbers.reduce((total, number) => total + number, 0);
  // shares that add up to 1 are the probabilities of classes
  return !isCertain && Math.abs(sum - 1) < 1e-3 ? "cross-entropy" : "binary-cross-entropy";
}

/** A data set whose parts are opened once, however often they are asked for. */
export function openedOnce(located: LocatedDataset): LocatedDataset {
  const opened = new Map<string, Promise<Dataset>>();
  return {
    ...located,
    open(split) {
      const known = opened.get(split) ?? located.open(split);
      opened.set(split, known);
      return known;
    },
  };
}

/** Where the data of a run come from: how to find them, or the data set that was found already. */
export interface DataOptions {
  /** How data sets are found. */
  readonly data?: LocateOptions;
  /** The data set of the config, if it was located before; see `openedOnce`. */
  readonly located?: LocatedDataset;
}

/** Opens the parts of a data set that a config asks for. */
export async function prepareData(config: TrainConfig, { data, located }: DataOptions = {}): Promise<PreparedData> {
  const found = located ?? (await locateDataset(config.data, { ...data, skipCorrupt: config.skipCorrupt }));
  const all = await found.open("train");
  if (all.classes.length < 2 && all.targetSize === undefined) {
    throw new DataError(
      `there is only one class (${all.classes.join()}), so there is nothing to learn; put the images into one subfolder per class`,
      { file: found.folder ?? found.name },
    );
  }
  const { train, validation } =
    config.validationFraction > 0
      ? split(all, config.validationFraction, config.seed)
      : { train: all, validation: await found.open("test") };
  return { train, validation, classes: namesOf(all) };
}

/** Names of the classes, or of the numbers in a target. */
const namesOf = ({ classes, targetSize = 0 }: Dataset): readonly string[] =>
  classes.length > 0 ? classes : Array.from({ length: targetSize }, (_, k) => `label ${k}`);

/** The loaders of a run. `close` ends their workers. */
export interface Loaders {
  readonly train: Loader;
  readonly validation: Loader;
  close(): Promise<void>;
}

/** Loaders over the data of a run, as its config says; with several ranks, each over its part. */
export function prepareLoaders(
  config: TrainConfig,
  { train, validation }: PreparedData,
  { rank, size }: Pick<Collective, "rank" | "size"> = oneProcess(),
): Loaders {
  const { batchSize, workers, seed, skipCorrupt, transforms, mixup, cutmix, shards = size } = config;
  const shared = { batchSize, workers: train.source && validation.source ? workers : 0, seed, skipCorrupt };
  const mix = mixup > 0 || cutmix > 0 ? { mixup, cutmix } : undefined;
  const [part, own] = [shards > 1 ? partOf(shards, size, rank) : undefined, size > 1 ? { rank, size } : undefined];
  const trainLoader = workerLoader(train, { ...shared, transforms: transforms.train, shuffle: true, mix, part });
  const validationLoader = workerLoader(validation, { ...shared, transforms: transforms.validation, part: own });
  return {
    train: trainLoader,
    validation: validationLoader,
    async close() {
      await Promise.all([trainLoader.close(), validationLoader.close()]);
    },
  };
}

/** Makes a network from the name or file in a config; `registeredModel` is one. */
export type ModelMaker = (config: TrainConfig, facts: { numClasses: number; channels: number }) => Promise<Module>;

/** A registered network for the classes and channels of the data. */
export const registeredModel: ModelMaker = async (config, { numClasses, channels }) => {
  const { model, variant, inputSize, auxLogits } = config;
  return createModel(model, {
    numClasses,
    inChannels: channels,
    ...(variant && { variant }),
    ...(inputSize !== undefined && { inputSize }),
    ...(auxLogits !== undefined && { auxLogits }),
  });
};

/** Whether this is the name of a registered network. */
export const isRegistered = (name: string): boolean => Object.hasOwn(MODELS, name);

/**
 * Sets the initial weights for images of a shape, at random or from a file, and freezes what the config freezes. Returns the keys of
 * a new last layer, which stays random. A resumed run has all its weights in its state: then nothing is loaded.
 */
export async function prepareWeights(
  model: Module,
  config: TrainConfig,
  { input, resumed = false, onNote }: { input: Shape; resumed?: boolean; onNote?: PrepareOptions["onNote"] },
): Promise<string[]> {
  const { seed, init, weights, freeze: frozen } = config;
  let fresh: string[] = [];
  if (!resumed) {
    chooseInit(model, init, input);
    // an imported network brings its weights along
    model.initialize(seed, { keep: true });
    if (weights !== undefined) fresh = await loadWeights(model, await weightFile(config, weights), config, onNote);
  }
  freeze(model, frozen, input);
  return fresh;
}

/** The file of weights; "torchvision" and "torchvision:IMAGENET1K_V1" are downloaded unless they are in the cache. */
async function weightFile({ model, variant }: TrainConfig, weights: string): Promise<string> {
  const published = namedWeights(model, weights);
  if (!published) return weights;
  if ((variant ?? modelEntry(model).variants[0]) !== published.variant)
    throw new Error(
      `the weights of torchvision fit only the variant "torchvision" of ${model}; set variant: "torchvision"`,
    );
  return pretrained(published);
}

async function loadWeights(
  model: Module,
  file: string,
  { key, rename }: Pick<TrainConfig, "key" | "rename">,
  onNote?: (line: string) => void,
): Promise<string[]> {
  if (!existsSync(file)) throw new CheckpointError(`there is no weight file ${file}`);
  const shapes = model.stateShapes();
  const checkpoint = await readCheckpoint(file, { key, rename, fits: (entries) => countFitting(entries, shapes) });
  const { tensors, metadata } = checkpoint;
  if (metadata.kind === TRAINING_STATE)
    throw new CheckpointError(`${file} is the state of a training, for --resume; its weights are in best.safetensors`);
  try {
    const prefix = prefixNote(file, fitKeys(tensors, shapes));
    for (const note of [...readNotes(file, checkpoint), ...(prefix === undefined ? [] : [prefix])]) onNote?.(note);
    const drawn = loadForFineTuning(model, tensors);
    if (drawn.length > 0)
      onNote?.(`${file} has other classes; the last layer is re-initialized (${drawn.join(", ")}).`);
    return drawn;
  } catch (error) {
    const of = metadata.architecture === undefined ? "" : ` (weights of ${metadata.architecture})`;
    throw new CheckpointError(`${file}${of}: ${(error as Error).message}`, { cause: error });
  }
}

/** The error for a network whose end allows one class per image, where images can have several labels. */
function oneClassOnly({ model, variant }: TrainConfig): Error {
  const variants = isRegistered(model) ? modelEntry(model).variants : [];
  const others = variants.filter((name) => name !== (variant ?? variants[0]));
  const remedy = others.length > 0 ? `use --variant ${others.join(" or ")}` : "let it end in plain scores";
  return new Error(
    `${model} ends in a softmax, which allows one class per image, but images can have several labels; ${remedy}`,
  );
}

/** Everything that a run needs before its first step. Each part of the data is opened once, and the first batch made once. */
export interface Prepared extends Loaders {
  readonly model: Module;
  /** Shape of a batch of images, ["N", C, H, W]. */
  readonly input: Shape;
}

/** Options of `prepareRun`. */
export interface PrepareOptions {
  /** How networks are made from their names. Default: the registered ones. */
  readonly makeModel?: ModelMaker;
  /** Whether the weights come from a checkpoint of the run. */
  readonly resumed?: boolean;
  /** The ranks that train together. Default: this process. */
  readonly collective?: Collective | undefined;
  /** Called with what was assumed about the initial weights, in sentences. */
  readonly onNote?: ((line: string) => void) | undefined;
}

/**
 * Prepares a run on its data: loaders, network and initial weights. Throws if the network's outputs are not the data's classes;
 * nothing is left running then.
 */
export async function prepareRun(
  config: TrainConfig,
  data: PreparedData,
  { makeModel = registeredModel, resumed = false, collective, onNote }: PrepareOptions = {},
): Promise<Prepared> {
  const loaders = prepareLoaders(config, data, collective);
  try {
    const input = await inputShape(loaders.train);
    const model = await makeModel(config, { numClasses: data.classes.length, channels: input[1] as number });
    await prepareWeights(model, config, { input, resumed, onNote });
    const main = mainOutput(trace(model, input, { training: false }).outputs);
    const { form } = outputForm(main);
    if (config.loss === "binary-cross-entropy" && form.includes("softmax")) throw oneClassOnly(config);
    const outputs = classScores(main).shape[1];
    if (outputs !== data.classes.length)
      throw new Error(
        `${config.model} has ${outputs} outputs, but ${config.data} has ${data.classes.length} classes; let the network's file export a function of { numClasses } that makes it`,
      );
    return { ...loaders, model, input };
  } catch (error) {
    await loaders.close();
    throw error;
  }
}

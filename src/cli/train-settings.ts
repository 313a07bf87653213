/** The settings of a training from a command line. */
import { readFile } from "node:fs/promises";
import { checkShards } from "../cluster/index.ts";
import { checkBatchSize, type LocatedDataset, locateDataset, type Transform } from "../data/node/index.ts";
import type { Module } from "../nn/index.ts";
import {
  type DataFacts,
  parseConfig,
  recipe,
  scaledRate,
  type TrainConfig,
  type TrainConfigInput,
} from "../runs/index.ts";
import { dataFacts, isRegistered, openedOnce, readConfig } from "../runs/node/index.ts";
import { isImported } from "../tfjs/node/index.ts";
import { dataNamed } from "./data.ts";
import { withDownloads } from "./download.ts";
import { loadModel, publishedFor, resolveWeights } from "./model.ts";
import { type PreprocessingFlags, TOLD, toldBy, trainedAsTold } from "./preprocessing.ts";
import { note, UsageError } from "./support.ts";

export interface TrainFlags extends PreprocessingFlags {
  data?: string;
  dataDir?: string;
  out?: string;
  resume?: string | true;
  /** Continue the run in `out` if there is one. */
  continue?: boolean;
  config?: string;
  printConfig?: boolean;
  json?: boolean;
  offline?: boolean;
  report: boolean;
  variant?: TrainConfigInput["variant"];
  /** False leaves out the auxiliary classifiers. */
  aux?: boolean;
  inputSize?: number;
  epochs?: number;
  batchSize?: number;
  accumulate?: number;
  shards?: number;
  reduce?: "exact" | "fast";
  compress?: "bf16" | "fp16";
  syncBn?: boolean;
  lr?: number;
  /** Adapts the learning rate to the batch size. */
  scaleLr?: boolean;
  optimizer?: "sgd" | "lars" | "adamw";
  schedule?: "constant" | "cosine" | "polynomial";
  weightDecay?: number;
  warmupEpochs?: number;
  loss?: TrainConfigInput["loss"];
  labelSmoothing?: number;
  clipNorm?: number;
  ema?: number;
  mixup?: number;
  cutmix?: number;
  init?: TrainConfigInput["init"];
  weights?: string;
  key?: string;
  rename?: [from: string, to: string][];
  freeze?: string[];
  patience?: number;
  validationFraction?: number;
  checkpointEvery?: number;
  seed?: number;
  workers?: number;
  threads?: number;
  skipCorrupt?: boolean;
  quiet?: boolean;
}

/** Flags with the same name in the config. */
const SAME = [
  "epochs",
  "batchSize",
  "accumulate",
  "shards",
  "reduce",
  "compress",
  "lr",
  "warmupEpochs",
  "loss",
  "labelSmoothing",
  "clipNorm",
  "ema",
  "mixup",
  "cutmix",
  "init",
  "weights",
  "key",
  "rename",
  "freeze",
  "patience",
  "validationFraction",
  "checkpointEvery",
  "seed",
  "workers",
  "threads",
  "skipCorrupt",
] as const satisfies readonly (keyof TrainFlags & keyof TrainConfigInput)[];

export const DEFAULTS = { model: "vgg_small", data: "shapes" } as const;

/**
 * The config of a command line: the recipe for network and data, overridden by the config file, overridden by flags; with the data
 * set that was found for it.
 */
export async function configOf(
  named: string | undefined,
  flags: TrainFlags,
): Promise<{ config: TrainConfig; located: LocatedDataset }> {
  const fromFile = flags.config === undefined ? {} : await readJson(flags.config);
  const settings: Record<string, unknown> = {
    ...DEFAULTS,
    ...fromFile,
    ...(named !== undefined && { model: named }),
    ...(flags.data !== undefined && { data: flags.data }),
    ...(flags.variant && { variant: flags.variant }),
    ...(flags.aux === false && { auxLogits: false }),
    ...(flags.inputSize !== undefined && { inputSize: flags.inputSize }),
  };
  for (const name of ["model", "data"])
    if (typeof settings[name] !== "string") throw new UsageError(`${flags.config}: ${name} has to be a name`);
  for (const name of SAME) if (flags[name] !== undefined) settings[name] = flags[name];
  if (settings.weights === undefined && (settings.key ?? settings.rename) !== undefined)
    throw new UsageError("--key and --rename are about the file of --weights, which is missing");
  if (flags.syncBn) settings.syncBatchNorm = true;
  const say = flags.quiet || flags.printConfig ? () => {} : note;
  const isAsked = flags.data !== undefined || "data" in fromFile;
  if (isAsked) settings.data = dataNamed(settings.data as string, { dataDir: flags.dataDir, note: say });
  const { model, data, variant, weights, inputSize, epochs } = settings as unknown as TrainConfigInput;
  const skipCorrupt = settings.skipCorrupt === true;
  const located = openedOnce(await withDownloads(flags, (options) => locateDataset(data, { ...options, skipCorrupt })));
  const published = await publishedFor(model, weights, { variant });
  const understood = await located.describe();
  if (understood !== undefined) say(understood);
  const facts = await dataFacts(located, { skipCorrupt });
  const { optimizer } = flags;
  const network = await describedBy(model);
  const recommended = recipe(model, facts, {
    variant: published?.variant ?? variant,
    inputSize,
    epochs,
    optimizer,
    network,
  });
  const base = published ? normalizedAs(published.transforms, recommended) : recommended;
  const merged: Record<string, unknown> = { ...base, ...settings };
  if (optimizer && nameOf(settings.optimizer) !== optimizer) merged.optimizer = base.optimizer;
  if (flags.schedule) merged.schedule = { name: flags.schedule };
  if (flags.weightDecay !== undefined)
    merged.optimizer = { ...(merged.optimizer as object), weightDecay: flags.weightDecay };
  if (flags.scaleLr) Object.assign(merged, rateForBatch(checked(merged), recommended.batchSize, flags));
  const told = toldBy(flags);
  if (told) merged.transforms = trainedAsTold(checked(merged).transforms, told, facts.channels === 1 ? 1 : 3);
  const config = checked(merged);
  checkLoss(config, facts);
  if (config.loss === "binary-cross-entropy") say(SEVERAL_LABELS);
  const trained = config.weights !== undefined || isImported(config.model);
  if (trained && !config.transforms.train.some(isNormalize)) say(UNNORMALIZED);
  return { config, located };
}

const SEVERAL_LABELS =
  "Images can have several labels: the loss is binary cross-entropy, and each label has a probability of its own.";

/** Throws a UsageError for a loss that the targets of the data do not allow. */
function checkLoss({ loss = "cross-entropy", labelSmoothing }: TrainConfig, { loss: needed, name }: DataFacts): void {
  const isLabels = loss === "binary-cross-entropy";
  if (isLabels && needed === undefined)
    throw new UsageError(`--loss ${loss} is for several labels per image, but ${name} has one class per image`);
  if (!isLabels && needed === "binary-cross-entropy")
    throw new UsageError(`--loss ${loss} is for one class per image, but ${name} has several labels per image`);
  if (isLabels && labelSmoothing > 0)
    throw new UsageError("--label-smoothing is for one class per image, but images can have several labels");
}

/** Learning rate and warm-up for the size of the batch. */
function rateForBatch(config: TrainConfig, usual: number, { warmupEpochs }: TrainFlags) {
  if (config.optimizer.name === "adamw")
    throw new UsageError(
      "--scale-lr is for optimizers whose steps grow with the batch; use it with --optimizer sgd or lars, or set --lr",
    );
  return { ...scaledRate(config, usual), ...(warmupEpochs !== undefined && { warmupEpochs }) };
}

/** A network in a file, for its description of itself, which does not depend on the classes; undefined for other networks. */
async function describedBy(model: string): Promise<Module | undefined> {
  if (isRegistered(model)) return undefined;
  return (await loadModel(model, { numClasses: 2, images: true, finished: true })).model;
}

const UNNORMALIZED =
  "The transforms do not normalize the images. Weights that were trained on normalized ones need the same: { normalize: { mean, std } }.";

const isNormalize = (step: unknown) => typeof step === "object" && step !== null && "normalize" in step;

const nameOf = (optimizer: unknown) => (optimizer as { name?: unknown } | undefined)?.name;

/** A checked config; what is wrong with it is a UsageError. */
function checked(config: unknown): TrainConfig {
  try {
    return parseConfig(config);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

/** A recipe with the normalization that published weights were trained with. */
function normalizedAs(published: readonly Transform[], recipe: TrainConfigInput): TrainConfigInput {
  const normalize = published.find(isNormalize);
  const changed = (steps: readonly unknown[]) => steps.map((step) => (isNormalize(step) ? normalize : step));
  const { train, validation } = recipe.transforms;
  return { ...recipe, transforms: { train: changed(train), validation: changed(validation) } };
}

async function readJson(path: string): Promise<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(await readFile(path, "utf8"));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (error) {
    throw new UsageError(`${path} is not a config file: ${(error as Error).message}`);
  }
  throw new UsageError(`${path} is not a config file: it has to be a JSON object; --print-config shows one`);
}

/** The config with a weight file in place of "torchvision" or a run's folder. */
export async function withWeights(config: TrainConfig, { offline = false }: TrainFlags): Promise<TrainConfig> {
  const { model, weights, variant } = config;
  if (weights === undefined) return config;
  return { ...config, weights: (await resolveWeights(model, weights, { variant, download: !offline })).file };
}

/** Settings that may change when a run is resumed: those that do not change its numbers, and more epochs, which extend it. */
const CHANGEABLE = ["workers", "threads", "skipCorrupt", "epochs"] as const;

const FIXED = [
  ...SAME,
  "syncBn",
  "data",
  "config",
  "variant",
  "inputSize",
  "optimizer",
  "schedule",
  "weightDecay",
  "scaleLr",
  "out",
  ...TOLD,
] as const satisfies readonly (keyof TrainFlags)[];

/** The config of a resumed run. With more epochs, the learning rate follows its schedule over all of them. */
export async function resumedConfig(dir: string, model: string | undefined, flags: TrainFlags): Promise<TrainConfig> {
  const refused = FIXED.filter((name) => flags[name] !== undefined && !CHANGEABLE.some((other) => other === name));
  if (refused.length > 0 || model !== undefined) {
    const options = refused.map((name) => `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`);
    const names = [...(model === undefined ? [] : [`the network (${model})`]), ...options];
    throw new UsageError(
      `a resumed run keeps its settings, so ${names.join(", ")} cannot be changed; start a new run, with --weights ${dir} to begin with its weights`,
    );
  }
  const saved = await readConfig(dir);
  if (flags.epochs !== undefined && flags.epochs < saved.epochs)
    throw new UsageError(`the run in ${dir} has ${saved.epochs} epochs; --epochs can only extend a resumed run`);
  const config: Record<string, unknown> = { ...saved };
  for (const name of CHANGEABLE) if (flags[name] !== undefined) config[name] = flags[name];
  return checked(config);
}

/**
 * The config of the run in a folder that a command line would start anew. Throws where that asks for something else than the run
 * has.
 */
export async function continuedConfig(dir: string, model: string | undefined, flags: TrainFlags): Promise<TrainConfig> {
  const saved = await readConfig(dir);
  const has = saved as Readonly<Record<string, unknown>>;
  // the weights were found and the rate was computed when it began
  const compared = SAME.filter((name) => name !== "weights" && !(name === "lr" && flags.scaleLr));
  const asked = {
    ...Object.fromEntries(compared.map((name) => [name, flags[name]])),
    model,
    syncBatchNorm: flags.syncBn,
  };
  for (const [name, value] of Object.entries(asked)) {
    const isOther = value !== undefined && JSON.stringify(value) !== JSON.stringify(has[name]);
    if (isOther && !CHANGEABLE.some((other) => other === name))
      throw new UsageError(
        `${dir} holds a run with ${name} ${JSON.stringify(has[name])}, which cannot be changed to ${JSON.stringify(value)}; use another folder`,
      );
  }
  if (flags.epochs !== undefined && flags.epochs < saved.epochs)
    throw new UsageError(`the run in ${dir} has ${saved.epochs} epochs; --epochs can only extend it`);
  const changed = CHANGEABLE.flatMap((name) => (flags[name] === undefined ? [] : [[name, flags[name]]]));
  return checked({ ...saved, ...Object.fromEntries(changed) });
}

/** Throws if the ranks cannot share the batches of a run evenly, before the others hear of it. */
export function checkRanks({ shards, batchSize }: TrainConfig, ranks: number, { resumed }: { resumed: boolean }): void {
  const all = shards ?? (resumed ? 1 : ranks);
  try {
    checkShards(all, ranks);
    checkBatchSize(batchSize, all);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

import * as v from "valibot";
import { parseTransforms } from "../data/index.ts";
import { nearest } from "../graph/index.ts";
import { VARIANTS } from "../models/index.ts";
import {
  adamw,
  constantRate,
  cosineRate,
  lars,
  multiStepRate,
  type Optimizer,
  polynomialRate,
  type Schedule,
  sgd,
  stepRate,
  warmup,
} from "../optim/index.ts";

const count = v.pipe(v.number(), v.integer(), v.minValue(0));
const positiveCount = v.pipe(v.number(), v.integer(), v.minValue(1));
const positive = v.pipe(v.number(), v.gtValue(0));
const atLeastZero = v.pipe(v.number(), v.minValue(0));
const share = v.pipe(v.number(), v.minValue(0), v.maxValue(1));
const belowOne = v.pipe(v.number(), v.minValue(0), v.ltValue(1));
const transforms = v.pipe(
  v.array(v.unknown()),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return [...parseTransforms(dataset.value)];
    } catch (error) {
      addIssue({ message: (error as Error).message });
      return NEVER;
    }
  }),
);

const optimizer = v.variant("name", [
  v.strictObject({
    name: v.literal("sgd"),
    momentum: v.optional(belowOne, 0.9),
    nesterov: v.optional(v.boolean(), false),
    weightDecay: v.optional(atLeastZero, 5e-4),
  }),
  v.strictObject({
    name: v.literal("lars"),
    momentum: v.optional(belowOne, 0.9),
    trustCoefficient: v.optional(positive, 0.001),
    weightDecay: v.optional(atLeastZero, 5e-4),
  }),
  v.strictObject({
    name: v.literal("adamw"),
    betas: v.optional(v.tuple([belowOne, belowOne]), [0.9, 0.999]),
    eps: v.optional(positive, 1e-8),
    weightDecay: v.optional(atLeastZero, 0.01),
  }),
]);

const schedule = v.variant("name", [
  v.strictObject({ name: v.literal("constant") }),
  v.strictObject({ name: v.literal("step"), stepSize: positiveCount, gamma: v.optional(share, 0.1) }),
  v.strictObject({ name: v.literal("multistep"), milestones: v.array(count), gamma: v.optional(share, 0.1) }),
  v.strictObject({ name: v.literal("cosine"), minLr: v.optional(atLeastZero, 0) }),
  v.strictObject({ name: v.literal("polynomial"), power: v.optional(positive, 0.5) }),
]);

/** What a training can minimize: the loss of one class per image, or of several labels per image. */
export const LOSSES = ["cross-entropy", "binary-cross-entropy"] as const;

/** How weights can be initialized at random; see `chooseInit`. */
export const INITS = ["network", "kaiming_fan_in", "kaiming_fan_out"] as const;

/** Everything that decides how a training goes: the same config, data and engine give the same numbers. */
export const trainConfigSchema = v.strictObject({
  /** A registered network, or a file that exports a Module. */
  model: v.string(),
  variant: v.optional(v.picklist(VARIANTS)),
  /** Height and width of the images that the network is built for, in pixels. */
  inputSize: v.optional(positiveCount),
  /** Whether the network has its auxiliary classifiers. Default: as the network says. */
  auxLogits: v.optional(v.boolean()),
  /** Name or folder of the data set. */
  data: v.string(),
  /** Share of the training images held out for validation; 0 validates on the test images. */
  validationFraction: v.optional(belowOne, 0),
  transforms: v.strictObject({ train: transforms, validation: transforms }),
  mixup: v.optional(atLeastZero, 0),
  cutmix: v.optional(atLeastZero, 0),
  epochs: positiveCount,
  batchSize: positiveCount,
  /** Batches per update. */
  accumulate: v.optional(positiveCount, 1),
  /** Equal parts of a batch whose gradients are summed in a fixed order. Default: as many as ranks when the run begins. */
  shards: v.optional(positiveCount),
  /** Whether that order holds between ranks too, or is left to MPI. Default: it holds. */
  reduce: v.optional(v.picklist(["exact", "fast"])),
  /** Type in which gradients travel between ranks. Default: as they are, in 32 bits. */
  compress: v.optional(v.picklist(["bf16", "fp16"])),
  /** Whether batch normalization has the statistics of the whole batch instead of each part. */
  syncBatchNorm: v.optional(v.boolean(), false),
  lr: positive,
  optimizer,
  schedule,
  warmupEpochs: v.optional(atLeastZero, 0),
  /** Default: cross-entropy, for one class per image. */
  loss: v.optional(v.picklist(LOSSES)),
  labelSmoothing: v.optional(belowOne, 0),
  /** Largest norm of all gradients together. */
  clipNorm: v.optional(positive),
  /** Decay of a moving average of the weights, which is then evaluated and saved as the best. */
  ema: v.optional(v.pipe(v.number(), v.gtValue(0), v.ltValue(1))),
  /** Weight of each auxiliary output in the loss. Default: what the network's `spec` says. */
  auxWeight: v.optional(atLeastZero),
  /** Whether weight decay also applies to biases and batch normalization. */
  decayNormAndBias: v.optional(v.boolean(), true),
  /** How weights are initialized at random: as the network says, or as in He et al. 2015 (see `chooseInit`). */
  init: v.optional(v.picklist(INITS), "network"),
  /** Weights to start from, a file or "torchvision"; the last layer is initialized at random if its number of classes differs. */
  weights: v.optional(v.string()),
  /** The part of a PyTorch file that has the weights, such as "state_dict_ema". */
  key: v.optional(v.string()),
  /** Other names for its keys: what they begin with, and what stands there instead. */
  rename: v.optional(v.array(v.tuple([v.string(), v.string()]))),
  /** Prefixes of parameters that are not trained, such as "features". */
  freeze: v.optional(v.array(v.string()), []),
  /** Stop after this many epochs without a better one. */
  patience: v.optional(positiveCount),
  /** Updates between checkpoints within an epoch. */
  checkpointEvery: v.optional(positiveCount, 200),
  seed: v.optional(count, 0),
  /** Threads that prepare images; 0 prepares them between the steps. */
  workers: v.optional(count, 1),
  /** Threads that compute. Default: as many as the machine has cores. */
  threads: v.optional(positiveCount),
  /** Leave out images that cannot be read, instead of stopping. */
  skipCorrupt: v.optional(v.boolean(), false),
});

/** A checked config, with all defaults filled in. */
export type TrainConfig = v.InferOutput<typeof trainConfigSchema>;
/** A config as people write it: what has a default may be left out. */
export type TrainConfigInput = v.InferInput<typeof trainConfigSchema>;

/** Checks a config and fills in its defaults. Throws, naming every field that is wrong. */
export function parseConfig(value: unknown): TrainConfig {
  const result = v.safeParse(trainConfigSchema, value);
  if (result.success) return result.output;
  const problems = result.issues.map(problemOf);
  throw new Error(`the config is not valid:\n  ${problems.join("\n  ")}`);
}

function problemOf(issue: v.BaseIssue<unknown>): string {
  const path = v.getDotPath(issue);
  if (path === null) return `config: ${issue.message}`;
  const isUnknown = issue.type === "strict_object" && issue.expected === "never";
  if (!isUnknown) return `${path}: ${issue.message}`;
  const keys = path.split(".");
  const name = keys.pop()!;
  const names = fieldsAt(trainConfigSchema, keys);
  const near = nearest(name, names);
  return `${path}: there is no such setting; ${near === undefined ? `there are ${names.join(", ")}` : `did you mean "${near}"?`}`;
}

/** Names of the fields at a path of the schema; those of all variants if there are several. */
function fieldsAt(schema: unknown, [first, ...rest]: readonly string[]): string[] {
  const { entries, wrapped, options } = schema as {
    entries?: Record<string, unknown>;
    wrapped?: unknown;
    options?: readonly unknown[];
  };
  const path = first === undefined ? [] : [first, ...rest];
  if (wrapped) return fieldsAt(wrapped, path);
  if (options) return [...new Set(options.flatMap((option) => fieldsAt(option, path)))];
  if (first === undefined) return Object.keys(entries ?? {});
  return entries?.[first] ? fieldsAt(entries[first], rest) : [];
}

/** The optimizer of a config. */
export function optimizerOf({ optimizer }: TrainConfig): Optimizer {
  switch (optimizer.name) {
    case "sgd":
      return sgd(unnamed(optimizer));
    case "lars":
      return lars(unnamed(optimizer));
    case "adamw":
      return adamw(unnamed(optimizer));
    default:
      return optimizer satisfies never;
  }
}

/** The learning rate of a config, warm-up included. */
export function scheduleOf({ lr, schedule, warmupEpochs }: TrainConfig): Schedule {
  const main = mainSchedule(lr, schedule);
  return warmupEpochs > 0 ? warmup(main, { epochs: warmupEpochs }) : main;
}

function mainSchedule(lr: number, schedule: TrainConfig["schedule"]): Schedule {
  switch (schedule.name) {
    case "constant":
      return constantRate(lr);
    case "step":
      return stepRate(lr, unnamed(schedule));
    case "multistep":
      return multiStepRate(lr, unnamed(schedule));
    case "cosine":
      return cosineRate(lr, unnamed(schedule));
    case "polynomial":
      return polynomialRate(lr, unnamed(schedule));
    default:
      return schedule satisfies never;
  }
}

/** The options without the name of what they are for. */
const unnamed = <T extends { readonly name: string }>({ name: _, ...options }: T): Omit<T, "name"> => options;

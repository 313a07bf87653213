import * as v from "valibot";
import { parseTransforms } from "../data/index.ts";
import { VARIANTS } from "../models/index.ts";
import {
  adamw,
  constantRate,
  cosineRate,
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

export const INITS = ["network", "kaiming_fan_in", "kaiming_fan_out"] as const;

/** Everything that decides how a training goes: with the same config, data and engine, a run gives the same numbers. */
export const trainConfigSchema = v.strictObject({
  /** A registered network, or a file that exports a Module. */
  model: v.string(),
  variant: v.optional(v.picklist(VARIANTS)),
  /** Side of the images that the network is built for, where it matters. */
  inputSize: v.optional(positiveCount),
  /** Name or folder of the data set. */
  data: v.string(),
  /** Share of the training images held back for validation; 0 validates on the test images. */
  validationFraction: v.optional(belowOne, 0),
  transforms: v.strictObject({ train: transforms, validation: transforms }),
  mixup: v.optional(atLeastZero, 0),
  cutmix: v.optional(atLeastZero, 0),
  epochs: positiveCount,
  batchSize: positiveCount,
  /** Batches to one update. */
  accumulate: v.optional(positiveCount, 1),
  lr: positive,
  optimizer,
  schedule,
  warmupEpochs: v.optional(atLeastZero, 0),
  labelSmoothing: v.optional(belowOne, 0),
  /** Largest norm of all gradients together. */
  clipNorm: v.optional(positive),
  /** Decay of a moving average of the weights, which is what is evaluated and saved as the best. */
  ema: v.optional(v.pipe(v.number(), v.gtValue(0), v.ltValue(1))),
  /** Weight of each auxiliary output in the loss. Default: what the network's `spec` says. */
  auxWeight: v.optional(atLeastZero),
  /** Whether weight decay also pulls on biases and batch normalization. */
  decayNormAndBias: v.optional(v.boolean(), true),
  /** How first weights are drawn: as the network says, or by He et al. 2015 (see `chooseInit`). */
  init: v.optional(v.picklist(INITS), "network"),
  /** Weights to start from; the last layer is drawn anew where its number of classes differs. */
  weights: v.optional(v.string()),
  /** Prefixes of parameters that stay as they are, such as "features". */
  freeze: v.optional(v.array(v.string()), []),
  /** Epochs without a better one after which to stop. */
  patience: v.optional(positiveCount),
  /** Updates between checkpoints within an epoch. */
  checkpointEvery: v.optional(positiveCount, 200),
  seed: v.optional(count, 0),
  /** Threads that prepare images; 0 prepares them between the steps. */
  workers: v.optional(count, 1),
  /** Threads that compute; left out, as many as the machine has cores. */
  threads: v.optional(positiveCount),
  /** Leave images out that cannot be read, instead of stopping. */
  skipCorrupt: v.optional(v.boolean(), false),
});

export type TrainConfig = v.InferOutput<typeof trainConfigSchema>;
export type TrainConfigInput = v.InferInput<typeof trainConfigSchema>;

/** Checks a config and fills its defaults in. Throws, naming every field that is wrong. */
export function parseConfig(value: unknown): TrainConfig {
  const result = v.safeParse(trainConfigSchema, value);
  if (result.success) return result.output;
  const problems = result.issues.map((issue) => `${v.getDotPath(issue) ?? "config"}: ${issue.message}`);
  throw new Error(`the config is not valid:\n  ${problems.join("\n  ")}`);
}

export function optimizerOf({ optimizer }: TrainConfig): Optimizer {
  return optimizer.name === "sgd" ? sgd(optimizer) : adamw(optimizer);
}

export function scheduleOf({ lr, schedule, warmupEpochs }: TrainConfig): Schedule {
  const main = mainSchedule(lr, schedule);
  return warmupEpochs > 0 ? warmup(main, { epochs: warmupEpochs }) : main;
}

function mainSchedule(lr: number, schedule: TrainConfig["schedule"]): Schedule {
  switch (schedule.name) {
    case "constant":
      return constantRate(lr);
    case "step":
      return stepRate(lr, schedule);
    case "multistep":
      return multiStepRate(lr, schedule);
    case "cosine":
      return cosineRate(lr, schedule);
    case "polynomial":
      return polynomialRate(lr, schedule);
    default:
      return schedule satisfies never;
  }
}

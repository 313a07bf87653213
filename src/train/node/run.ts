import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Checkpoint,
  CheckpointError,
  readCheckpoint,
  writeAtomically,
  writeCheckpoint,
} from "../../checkpoint/node.ts";
import type { LocateOptions } from "../../data/node.ts";
import { nodeEngine } from "../../runtime/node.ts";
import { VERSION } from "../../version.ts";
import { fitOptions } from "../build.ts";
import { parseConfig, type TrainConfig } from "../config.ts";
import type { Progress, TrainEvent, TrainingState } from "../events.ts";
import { fit } from "../fit.ts";
import { environment } from "./environment.ts";
import { openMetricsLog } from "./metrics-log.ts";
import { type ModelMaker, prepareData, prepareLoaders, prepareWeights, registeredModel } from "./prepare.ts";
import { openTensorboard } from "./tensorboard.ts";

/** Files of a run's folder. */
export const RUN_FILES = {
  config: "config.json",
  environment: "environment.json",
  metrics: "metrics.jsonl",
  evaluation: "evaluation.json",
  last: "last.safetensors",
  best: "best.safetensors",
  report: "report.html",
} as const;

export interface RunOptions {
  /** Folder of the run; made where it is missing. */
  readonly dir: string;
  /** Go on from the folder's last checkpoint. */
  readonly resume?: boolean;
  readonly signal?: AbortSignal;
  /** How data sets are found. */
  readonly data?: LocateOptions;
  /** How networks are made of their name. Default: the registered ones. */
  readonly makeModel?: ModelMaker;
}

/**
 * A training in a folder: config, metrics as they come, checkpoints that survive a kill at any moment, and what is needed to
 * resume so exactly that no number differs from an unbroken run.
 */
export async function* trainRun(config: TrainConfig, options: RunOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const { dir, resume = false, signal, makeModel = registeredModel } = options;
  await mkdir(dir, { recursive: true });
  const file = (name: keyof typeof RUN_FILES) => join(dir, RUN_FILES[name]);
  const state = resume ? await readState(file("last"), config) : undefined;
  if (!state) await writeJson(file("config"), config);
  await writeJson(file("environment"), environment(config, new Date()));

  const data = await prepareData(config, options.data);
  const first = await data.train.get(0);
  const facts = { numClasses: data.classes.length, channels: first.image.channels };
  const model = await makeModel(config, facts);
  await prepareWeights(model, config);
  const loaders = prepareLoaders(config, data);
  const at = state ? { resumeAtStep: state.progress.step } : {};
  const metrics = await openMetricsLog(dir, at);
  const board = await openTensorboard(dir, at);
  const engine = nodeEngine(config.threads === undefined ? {} : { threads: config.threads });
  try {
    const events = fit(
      model,
      fitOptions(config, { engine, ...loaders }, { ...(signal && { signal }), ...(state && { resume: state }) }),
    );
    for await (const event of events) {
      const now = new Date();
      await metrics.add(event, now);
      await board.add(event, now);
      if (event.type === "epoch") {
        if (event.validation)
          await writeJson(file("evaluation"), { epoch: event.epoch, classes: data.classes, ...event.validation });
        if (event.best)
          await writeCheckpoint(file("best"), {
            tensors: await event.weights(),
            metadata: describe(config, data.classes, facts.channels, event),
          });
      }
      if (event.type === "checkpoint") {
        await metrics.flush();
        await board.flush();
        await writeCheckpoint(file("last"), stateFile(config, await event.state()));
      }
      yield event;
    }
  } finally {
    await metrics.close();
    await board.close();
    await loaders.close();
  }
}

/** The config that a run's folder was made with. */
export async function readConfig(dir: string): Promise<TrainConfig> {
  const path = join(dir, RUN_FILES.config);
  if (!existsSync(path)) throw new Error(`${dir} is no run: it has no ${RUN_FILES.config}`);
  try {
    return parseConfig(JSON.parse(await readFile(path, "utf8")));
  } catch (error) {
    throw new Error(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

/** What others need to know to use the weights. */
function describe(
  config: TrainConfig,
  classes: readonly string[],
  channels: number,
  event: Extract<TrainEvent, { type: "epoch" }>,
) {
  return {
    producer: `convnets ${VERSION}`,
    architecture: config.model,
    ...(config.variant && { variant: config.variant }),
    ...(config.inputSize !== undefined && { inputSize: String(config.inputSize) }),
    inChannels: String(channels),
    classes: JSON.stringify(classes),
    preprocessing: JSON.stringify(config.transforms.validation),
    epoch: String(event.epoch + 1),
    ...(event.validation && { top1: String(event.validation.top1) }),
  };
}

function stateFile(config: TrainConfig, { progress, tensors }: TrainingState): Checkpoint {
  return {
    tensors: new Map(tensors),
    metadata: { kind: "training state", architecture: config.model, progress: JSON.stringify(progress) },
  };
}

async function readState(path: string, config: TrainConfig): Promise<TrainingState | undefined> {
  // killed before the first checkpoint: a run from the start is the same run
  if (!existsSync(path)) return undefined;
  const { tensors, metadata } = await readCheckpoint(path, { convert: "none" });
  const { architecture, progress } = metadata;
  if (progress === undefined) throw new CheckpointError(`${path} holds weights, but no training state to go on from`);
  if (architecture !== config.model) {
    throw new CheckpointError(`${path} is the state of ${architecture}, but the config trains ${config.model}`);
  }
  return { tensors, progress: JSON.parse(progress) as Progress };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}

import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Checkpoint,
  CheckpointError,
  readCheckpoint,
  writeAtomically,
  writeCheckpoint,
} from "../../checkpoint/node/index.ts";
import { type Corrupt, DataError, firstSample, type LocateOptions } from "../../data/node/index.ts";
import type { Shape } from "../../graph/index.ts";
import { classScores, type Module, mainOutput, trace } from "../../nn/index.ts";
import { nodeEngine } from "../../runtime/node/index.ts";
import type { Progress, TrainEvent, TrainingState } from "../../train/index.ts";
import { DivergedError, fit, inputShape } from "../../train/index.ts";
import { VERSION } from "../../version.ts";
import { fitOptions } from "../build.ts";
import { parseConfig, type TrainConfig } from "../config.ts";
import { environment } from "./environment.ts";
import { lock } from "./lock.ts";
import { openMetricsLog } from "./metrics-log.ts";
import {
  type ModelMaker,
  type PreparedData,
  prepareData,
  prepareLoaders,
  prepareWeights,
  registeredModel,
  TRAINING_STATE,
} from "./prepare.ts";
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
  /** There while a process trains in the folder. */
  lock: "lock",
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
  /** Told what was left out because the config skips what is corrupt, each once. */
  readonly onSkipped?: (skipped: readonly Corrupt[]) => void;
  /** Called with what was assumed about the initial weights, in sentences. */
  readonly onNote?: (line: string) => void;
}

/**
 * A training in a folder: config, metrics as they come, checkpoints that survive a kill at any moment, and what is needed to
 * resume so exactly that no number differs from an unbroken run.
 */
export async function* trainRun(config: TrainConfig, options: RunOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const { dir, resume = false, signal, makeModel = registeredModel } = options;
  const file = (name: keyof typeof RUN_FILES) => join(dir, RUN_FILES[name]);
  const state = resume ? await readState(file("last"), config) : undefined;

  const data = await prepareData(config, options.data);
  if (state) checkData(state, data, dir);
  const first = await firstSample(data.train, config);
  const facts = { numClasses: data.classes.length, channels: first.image.channels };
  const model = await makeModel(config, facts);
  const loaders = prepareLoaders(config, data);
  let unlock: (() => Promise<void>) | undefined;
  const begin = async () => {
    await mkdir(dir, { recursive: true });
    unlock = await lock(file("lock"));
    if (!resume && existsSync(file("config"))) throw new Error(`${dir} holds a run already`);
    await writeJson(file("config"), config);
    await writeJson(file("environment"), environment(config, new Date()));
    const at = state ? { resumeAtStep: state.progress.step } : {};
    return { metrics: await openMetricsLog(dir, at), board: await openTensorboard(dir, at) };
  };
  let logs: Awaited<ReturnType<typeof begin>> | undefined;
  const engine = nodeEngine(config.threads === undefined ? {} : { threads: config.threads });
  const told = new Set<string>();
  const tellSkipped = () => {
    const all = [...loaders.train.skipped, ...loaders.validation.skipped];
    const fresh = all.filter(({ file }) => !told.has(file));
    for (const { file } of fresh) told.add(file);
    if (fresh.length > 0) options.onSkipped?.(fresh);
  };
  try {
    const input = await inputShape(loaders.train);
    const { onNote } = options;
    await prepareWeights(model, config, { input, resumed: state !== undefined, ...(onNote && { onNote }) });
    checkOutputs(model, input, config, data);
    const events = fit(
      model,
      fitOptions(config, { engine, model, ...loaders }, { ...(signal && { signal }), ...(state && { resume: state }) }),
    );
    for await (const event of events) {
      // only now, so that what cannot begin leaves no run behind, and what cannot go on leaves it as it is
      logs ??= await begin();
      const { metrics, board } = logs;
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
        await writeCheckpoint(file("last"), stateFile(config, data, await event.state()));
      }
      if (event.type === "start" || event.type === "epoch" || event.type === "end") tellSkipped();
      yield event;
    }
  } catch (error) {
    const reason = error instanceof DivergedError ? "diverged" : "failed";
    // on a full disk even this may fail, and the first error says why
    await logs?.metrics.fail(reason, (error as Error).message, new Date()).catch(() => {});
    throw error;
  } finally {
    // nor may it hide the first error that the rest cannot be written
    await Promise.allSettled([logs?.metrics.close(), logs?.board.close(), loaders.close()]);
    await unlock?.();
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

/** A network that is too wide or too narrow for the data is told before a step is done. */
function checkOutputs(model: Module, input: Shape, { model: name, data: set }: TrainConfig, data: PreparedData): void {
  const outputs = classScores(mainOutput(trace(model, input, { training: false }).outputs)).shape[1];
  if (outputs === data.classes.length) return;
  throw new Error(
    `${name} tells ${outputs} classes apart, but ${set} has ${data.classes.length}; let its file export a function of { numClasses } that makes it`,
  );
}

const count = ({ train, validation }: PreparedData): number => train.length + validation.length;

function stateFile(config: TrainConfig, data: PreparedData, { progress, tensors }: TrainingState): Checkpoint {
  return {
    tensors: new Map(tensors),
    metadata: {
      kind: TRAINING_STATE,
      architecture: config.model,
      images: String(count(data)),
      progress: JSON.stringify(progress),
    },
  };
}

/** A state to go on from, and how many images there were, those to validate on included. */
type SavedState = TrainingState & { readonly images: number };

/** Other images would come in another order: the run would not be the one that it was. */
function checkData({ images }: SavedState, data: PreparedData, dir: string): void {
  if (images === count(data)) return;
  throw new DataError(
    `there are ${count(data)} images, but ${images} when the run in ${dir} was saved; put back what it was trained on, or begin anew with --weights ${join(dir, RUN_FILES.best)}`,
    { file: data.train.name },
  );
}

async function readState(path: string, config: TrainConfig): Promise<SavedState | undefined> {
  // killed before the first checkpoint: a run from the start is the same run
  if (!existsSync(path)) return undefined;
  const { tensors, metadata } = await readCheckpoint(path, { convert: "none" });
  const { architecture, progress } = metadata;
  if (progress === undefined) throw new CheckpointError(`${path} holds weights, but no training state to go on from`);
  if (architecture !== config.model) {
    throw new CheckpointError(
      `${path} is the state of ${architecture}, but ${RUN_FILES.config} beside it trains ${config.model}; put the right one of them back, or remove ${RUN_FILES.last} to begin anew`,
    );
  }
  return { tensors, progress: JSON.parse(progress) as Progress, images: Number(metadata.images), file: path };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}

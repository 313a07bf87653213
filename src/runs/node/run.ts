import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type Checkpoint,
  CheckpointError,
  readCheckpoint,
  TRAINING_STATE,
  writeAtomically,
  writeCheckpoint,
} from "../../checkpoint/node/index.ts";
import { type Collective, checkShards, oneProcess } from "../../cluster/index.ts";
import { type Corrupt, DataError } from "../../data/node/index.ts";
import { nodeEngine } from "../../runtime/node/index.ts";
import type { Evaluation, Progress, TrainEvent, TrainingState } from "../../train/index.ts";
import { DivergedError, fit } from "../../train/index.ts";
import { VERSION } from "../../version.ts";
import { fitOptions } from "../build.ts";
import { parseConfig, type TrainConfig } from "../config.ts";
import { environment, threadsOf } from "./environment.ts";
import { type Lock, LostLockError, lock } from "./lock.ts";
import { openMetricsLog } from "./metrics-log.ts";
import {
  type DataOptions,
  type ModelMaker,
  type PreparedData,
  prepareData,
  prepareRun,
  registeredModel,
} from "./prepare.ts";
import { openTensorboard } from "./tensorboard.ts";

/** Files of a run's folder. They number epochs from 0, as events do; commands and reports show them from 1. */
export const RUN_FILES = {
  config: "config.json",
  environment: "environment.json",
  metrics: "metrics.jsonl",
  evaluation: "evaluation.json",
  last: "last.safetensors",
  best: "best.safetensors",
  report: "report.html",
  /** Exists while a process trains in the folder. */
  lock: "lock",
} as const;

/** Options of `trainRun`. */
export interface RunOptions extends DataOptions {
  /** Folder of the run; created if it does not exist. */
  readonly dir: string;
  /** Continue from the folder's last checkpoint. A config with more epochs extends a finished run; its schedule is then recomputed. */
  readonly resume?: boolean;
  /** Stops the run after the current step, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** How networks are made from their names. Default: the registered ones. */
  readonly makeModel?: ModelMaker;
  /** The ranks that train together, as `joinRanks()` gives them; only rank 0 writes. Default: this process. */
  readonly collective?: Collective;
  /** Called with the corrupt files that were left out, each once, if the config allows that. */
  readonly onSkipped?: (skipped: readonly Corrupt[]) => void;
  /** Called with what was assumed about the initial weights, in sentences. */
  readonly onNote?: (line: string) => void;
}

/**
 * A training in a folder: config, metrics as they come, checkpoints that survive a kill at any moment, and all that is needed to
 * resume it: no number differs from those of an uninterrupted run.
 *
 *     for await (const event of trainRun(parseConfig(recipe("vgg_small", facts)), { dir: "run/first" })) console.log(event.type);
 */
export async function* trainRun(asked: TrainConfig, options: RunOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const { dir, resume = false, signal, makeModel = registeredModel, collective = oneProcess() } = options;
  const file = (name: keyof typeof RUN_FILES) => join(dir, RUN_FILES[name]);
  const leads = collective.rank === 0;
  const config = withShards(asked, collective, resume);
  const state = resume && leads ? await readState(file("last"), config) : undefined;

  const data = await prepareData(config, options);
  await checkSameData(data, collective);
  if (state) checkData(state, data, dir);
  // other ranks get the weights from rank 0
  const resumed = state !== undefined || !leads;
  const prepared = await prepareRun(config, data, { makeModel, resumed, collective, onNote: options.onNote });
  const { model, input } = prepared;
  let held: Lock | undefined;
  const begin = async () => {
    await mkdir(dir, { recursive: true });
    held = await lock(file("lock"), { onNote: options.onNote });
    if (!resume && existsSync(file("config")))
      throw new Error(`${dir} already holds a run; resume it, or choose another folder`);
    await writeJson(file("config"), config);
    await writeJson(file("environment"), environment({ threads }, new Date(), collective));
    const at = state ? { resumeAtStep: state.progress.step } : {};
    return { metrics: await openMetricsLog(dir, at), board: await openTensorboard(dir, at) };
  };
  let logs: Awaited<ReturnType<typeof begin>> | undefined;
  const threads = threadsOf(config, collective);
  const engine = nodeEngine(threads === undefined ? {} : { threads });
  const told = new Set<string>();
  const tellSkipped = () => {
    const all = [...prepared.train.skipped, ...prepared.validation.skipped];
    const fresh = all.filter(({ file }) => !told.has(file));
    for (const { file } of fresh) told.add(file);
    if (fresh.length > 0) options.onSkipped?.(fresh);
  };
  try {
    const events = fit(
      model,
      fitOptions(
        config,
        { engine, ...prepared },
        { ...(signal && { signal }), ...(state && { resume: state }), ...(collective.size > 1 && { collective }) },
      ),
    );
    for await (const event of events) {
      if (!leads) {
        yield event;
        continue;
      }
      // only now: a run that cannot start leaves nothing behind, and one that cannot resume stays as it is
      logs ??= await begin();
      const { metrics, board } = logs;
      const now = new Date();
      await metrics.add(event, now);
      await board.add(event, now);
      if (event.type === "epoch" || event.type === "checkpoint") await held?.check();
      if (event.type === "epoch") {
        if (event.validation)
          await writeJson(file("evaluation"), { epoch: event.epoch, classes: data.classes, ...event.validation });
        if (event.best)
          await writeCheckpoint(file("best"), {
            tensors: await event.weights(),
            metadata: describe(config, data.classes, input[1] as number, event),
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
    // on a full disk even this may fail; the first error says why
    if (!(error instanceof LostLockError))
      await logs?.metrics.fail(reason, (error as Error).message, new Date()).catch(() => {});
    throw error;
  } finally {
    // and it must not hide the first error
    await Promise.allSettled([logs?.metrics.close(), logs?.board.close(), prepared.close()]);
    await held?.unlock();
  }
}

/** The config with its number of shards: a run keeps those that it began with. Throws if the ranks cannot share them. */
function withShards(config: TrainConfig, { size }: Collective, resume: boolean): TrainConfig {
  const { shards = resume ? 1 : size } = config;
  checkShards(shards, size);
  return shards > 1 ? { ...config, shards } : config;
}

/** Every rank has to have the same images, since each takes its part of them. */
async function checkSameData(data: PreparedData, { gather, hosts }: Collective): Promise<void> {
  const counts = await gather(count(data));
  const other = counts.findIndex((images) => images !== counts[0]);
  if (other < 0) return;
  throw new DataError(
    `rank ${other} on ${hosts[other]} has ${counts[other]} images, but rank 0 on ${hosts[0]} has ${counts[0]}; every host needs the same data set`,
    { file: data.train.name },
  );
}

/** The config of a run's folder. Throws if it is not a run, or its config is damaged. */
export async function readConfig(dir: string): Promise<TrainConfig> {
  const path = join(dir, RUN_FILES.config);
  if (!existsSync(path)) throw new Error(`${dir} is not a run: it has no ${RUN_FILES.config}`);
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
    ...(config.auxLogits !== undefined && { auxLogits: String(config.auxLogits) }),
    inChannels: String(channels),
    classes: JSON.stringify(classes),
    task: config.loss === "binary-cross-entropy" ? "labels" : "classes",
    preprocessing: JSON.stringify(config.transforms.validation),
    epoch: String(event.epoch + 1),
    ...(event.validation && measuredIn(event.validation)),
  };
}

/** The measure that stands for an evaluation. */
const measuredIn = ({ top1, metrics }: Evaluation) =>
  Number.isNaN(top1) ? { meanAveragePrecision: String(metrics.meanAveragePrecision) } : { top1: String(top1) };

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

/** A state to continue from, and how many images there were, validation included. */
type SavedState = TrainingState & { readonly images: number };

/** Other images would come in another order: it would be another run. */
function checkData({ images }: SavedState, data: PreparedData, dir: string): void {
  if (images === count(data)) return;
  throw new DataError(
    `there are ${count(data)} images, but there were ${images} when the run in ${dir} was saved; restore its data, or start a new run with --weights ${join(dir, RUN_FILES.best)}`,
    { file: data.train.name },
  );
}

async function readState(path: string, config: TrainConfig): Promise<SavedState | undefined> {
  // killed before the first checkpoint: starting over gives the same run
  if (!existsSync(path)) return undefined;
  const { tensors, metadata } = await readCheckpoint(path, { convert: "none" });
  const { architecture, progress } = metadata;
  if (progress === undefined) throw new CheckpointError(`${path} holds weights, but no training state to resume from`);
  if (architecture !== config.model) {
    throw new CheckpointError(
      `${path} is the state of ${architecture}, but ${RUN_FILES.config} beside it trains ${config.model}; restore the right one, or remove ${RUN_FILES.last} to start over`,
    );
  }
  return { tensors, progress: JSON.parse(progress) as Progress, images: Number(metadata.images), file: path };
}

async function writeJson(path: string, value: unknown): Promise<void> {
  await writeAtomically(path, `${JSON.stringify(value, null, 2)}\n`);
}

import { stat } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { RunState } from "../../report/index.ts";
import type { TrainConfig } from "../config.ts";
import { type EndLine, type EpochLine, readMetrics, type StepLine } from "./metrics-log.ts";
import { RUN_FILES, readConfig } from "./run.ts";

/** A training, read from its folder. */
export interface Run {
  readonly name: string;
  readonly dir: string;
  readonly config: TrainConfig;
  readonly state: RunState;
  /** What went wrong, where something did. */
  readonly problem?: string;
  readonly steps: readonly StepLine[];
  readonly epochs: readonly EpochLine[];
  /** When its last epoch ended, or when it was begun; ISO 8601. */
  readonly time: string;
}

const STATES = {
  finished: "finished",
  "early stopping": "stopped early",
  stopped: "stopped",
  diverged: "diverged",
  failed: "failed",
} as const satisfies Record<EndLine["reason"], RunState>;

/** Reads a run's folder. Throws, naming the file, if it is not a run or is damaged. */
export async function readRun(dir: string): Promise<Run> {
  const config = await readConfig(dir);
  const metrics = await readMetrics(dir);
  const epochs = metrics.filter((line) => line.type === "epoch");
  const end = metrics.find((line) => line.type === "end");
  // a run that was killed, or still runs, has not recorded how it ended
  const state = end ? STATES[end.reason] : epochs.length >= config.epochs ? "finished" : "unfinished";
  const last = end ?? epochs.at(-1);
  return {
    name: basename(resolve(dir)),
    dir,
    config,
    state,
    ...(end?.message !== undefined && { problem: end.message }),
    steps: metrics.filter((line) => line.type === "step"),
    epochs,
    time: last?.time ?? (await stat(join(dir, RUN_FILES.config))).mtime.toISOString(),
  };
}

/**
 * The epoch with the best accuracy on the validation images, if any was evaluated, or the lowest loss if nothing was classified; of
 * equal ones the first.
 */
export function bestEpoch(epochs: readonly EpochLine[]): EpochLine | undefined {
  return epochs
    .filter(({ validation }) => validation)
    .reduce<EpochLine | undefined>(
      (best, epoch) => (best === undefined || scoreOf(epoch) > scoreOf(best) ? epoch : best),
      undefined,
    );
}

const scoreOf = ({ validation }: EpochLine): number => validation!.top1 ?? -validation!.loss;

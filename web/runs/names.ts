import { type TextKey, t } from "../text/index.ts";
import { percent } from "../ui/format.ts";
import type { EpochPoint, ListedRun } from "./protocol.ts";

export const STATES: Readonly<Record<ListedRun["state"], TextKey>> = {
  starting: "runsStarting",
  running: "trainRunning",
  stopping: "runsStopping",
  unfinished: "runsUnfinished",
  finished: "trainFinished",
  "stopped early": "runsStoppedEarly",
  stopped: "trainStopped",
  diverged: "trainDiverged",
  failed: "trainFailed",
};

/** A state as a dot. */
export const dotOf = (state: ListedRun["state"]): string =>
  state === "starting" || state === "stopping" ? "running" : state === "stopped early" ? "finished" : state;

const last = (path: string) => path.split(/[/\\]/).filter(Boolean).at(-1) ?? path;

/** "vgg_small on shapes". */
export const nameOf = ({ model, data }: ListedRun): string => t("trainOn", { network: last(model), data: last(data) });

/** Short names that tell runs apart: where two train the same network on the same images, that of the folder. */
export function namesOf(runs: readonly ListedRun[]): readonly string[] {
  const names = runs.map(nameOf);
  return runs.map((run, i) => (names.indexOf(names[i]!) === names.lastIndexOf(names[i]!) ? names[i]! : last(run.name)));
}

const COLORS = 6;
/** The color of the run at a position among those that are shown. */
export const colorOf = (position: number): string => `--run-${(position % COLORS) + 1}`;

/** What stands for an epoch: top-1; of several labels per image the mean average precision and F1; else the loss. */
export function qualityOf({ top1, meanAveragePrecision, f1, loss }: EpochPoint): string {
  if (top1 !== undefined) return `top-1 ${percent(top1)}`;
  const ofLabels = [
    ["mAP", meanAveragePrecision],
    ["F1", f1],
  ] as const;
  const known = ofLabels
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name} ${percent(value!)}`);
  if (known.length > 0) return known.join(", ");
  return loss === undefined ? "–" : `${t("trainLoss")} ${significant(loss)}`;
}

export const significant = (value: number) => (value === 0 ? "0" : String(Number(value.toPrecision(3))));

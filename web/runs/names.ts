import { type TextKey, t } from "../text/index.ts";
import type { ListedRun } from "./protocol.ts";

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

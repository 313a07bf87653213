/** Trainings in folders: checkpoints, metrics, reports, resuming. Includes everything of `runs`. */
export * from "../index.ts";
export type { EpochLine } from "./metrics-log.ts";
export {
  type DataOptions,
  dataFacts,
  isRegistered,
  type ModelMaker,
  openedOnce,
  type Prepared,
  type PreparedData,
  prepareData,
  prepareRun,
  registeredModel,
} from "./prepare.ts";
export { bestEpoch, type Run, readRun } from "./read-run.ts";
export { RUN_FILES, type RunOptions, readConfig, trainRun } from "./run.ts";
export { type WriteReportOptions, writeReport } from "./write-report.ts";

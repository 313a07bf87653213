/** The HTML report of a training. */
export { type ReportData, type ReportEpoch, type ReportStep, type RunState, report } from "./report.ts";
export { settingsOf } from "./settings.ts";

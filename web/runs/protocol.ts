/** What the server says about the runs in its folder. */
export type { EpochPoint, ListedRun, Measurements, StepPoint } from "../../src/studio/node/index.ts";

/** The server of the studio, the web application in `web/`. Imports nothing of the library; the page has its own copy of it. */

export type { ListedRun, Measurements } from "./api.ts";
export { isNetworkFile, listFiles, type OfferedFile } from "./files.ts";
export { type StudioOptions, type StudioServer, type StudioView, serveStudio } from "./server.ts";
export type { TrainingOptions } from "./trainings.ts";
export type { EpochPoint, StepPoint } from "./watch.ts";

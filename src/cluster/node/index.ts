/** Ranks that MPI starts. Includes everything of `cluster`. */
export * from "../index.ts";
export { ClusterError } from "./error.ts";
export { joinRanks } from "./join.ts";

/** Weight files on disk. Includes everything of `checkpoint`. */
export * from "../index.ts";
export { type OpenCheckpoint, openCheckpoint, readCheckpoint, writeAtomically, writeCheckpoint } from "./files.ts";

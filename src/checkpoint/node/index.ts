/** Weight files on disk. Includes everything of `checkpoint`. */
export * from "../index.ts";
export {
  type OpenCheckpoint,
  openCheckpoint,
  readCheckpoint,
  readNumpy,
  writeAtomically,
  writeCheckpoint,
  writeNumpy,
} from "./files.ts";
export { prefixNote, readNotes, TRAINING_STATE } from "./notes.ts";

/** Weight files: safetensors and PyTorch's. Imports `graph`; reading and writing files is in node.ts. */
export { fromBlob, inMemory, type RandomAccess } from "./access.ts";
export { type Checkpoint, type CheckpointFile, loadAll, type ReadOptions, type TensorEntry } from "./checkpoint.ts";
export { CheckpointError } from "./error.ts";
export {
  encodeSafetensors,
  openSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type SafetensorsEntry,
  safetensorsLayout,
  writeSafetensors,
} from "./safetensors.ts";

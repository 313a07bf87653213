/** Weight files, safetensors and PyTorch's, and NumPy's arrays. Imports `graph`; reading and writing files is in node/. */

export { type RealType, toFloat32, toReal } from "../graph/index.ts";
export { fromBlob, inMemory, type RandomAccess } from "./access.ts";
export {
  type Checkpoint,
  type CheckpointContent,
  type CheckpointFile,
  loadAll,
  type ReadOptions,
  type TensorEntry,
} from "./checkpoint.ts";
export { writeError } from "./disk.ts";
export { CheckpointError } from "./error.ts";
export { encodeNpy, isNpy, readNpy } from "./npy.ts";
export { encodeNpz, readNpz } from "./npz.ts";
export { type PickledValue, readPickledDict } from "./pickled-dict.ts";
export { openWeights, readWeights } from "./read.ts";
export {
  encodeSafetensors,
  openSafetensors,
  readSafetensors,
  readSafetensorsHeader,
  type SafetensorsEntry,
  type SafetensorsHeader,
  safetensorsLayout,
  writeSafetensors,
} from "./safetensors.ts";
export { mapStateDict } from "./state-dict.ts";
export { openTorch, readTorch } from "./torch.ts";
export { encodeTorch, type TorchWriteOptions, writeTorch } from "./torch-write.ts";
export { readZipDirectory, type ZipEntry } from "./zip.ts";
export { readZipEntry } from "./zip-entry.ts";

/** Weight files, safetensors and PyTorch's, and NumPy's arrays. Imports `graph`; reading and writing files is in node/. */
export { fromBlob, inMemory, type RandomAccess } from "./access.ts";
export { type Checkpoint, type CheckpointFile, loadAll, type ReadOptions, type TensorEntry } from "./checkpoint.ts";
export { type RealType, toFloat32, toReal } from "./convert.ts";
export { writeError } from "./disk.ts";
export { CheckpointError } from "./error.ts";
export { encodeNpy, isNpy, readNpy } from "./npy.ts";
export { encodeNpz, readNpz } from "./npz.ts";
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
export { checkStateDict, mapStateDict, StateDictError } from "./state-dict.ts";
export { openTorch, readTorch } from "./torch.ts";
export { encodeTorch, type TorchWriteOptions, writeTorch } from "./torch-write.ts";

import type { DType, TensorData } from "../graph/index.ts";

/** Named weights, and what else is known of them. */
export interface Checkpoint {
  /** By state dict key, in the order of the file. */
  readonly tensors: Map<string, TensorData>;
  readonly metadata: Record<string, string>;
}

/** What a weight file is written from. */
export interface CheckpointContent {
  /** By state dict key, in the order of the file; a network's `stateDict()`. */
  readonly tensors: ReadonlyMap<string, TensorData>;
  /** Facts about the weights, as text. Default: none. */
  readonly metadata?: Readonly<Record<string, string>>;
}

/** What a file says of a tensor. */
export interface TensorEntry {
  /** As stored, whatever it is converted to. */
  readonly dtype: DType;
  readonly shape: readonly number[];
}

/** An opened file: what it holds is known, the numbers are not read yet. */
export interface CheckpointFile {
  readonly format: "safetensors" | "torch" | "torch-legacy";
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Reads one tensor. */
  load(name: string): Promise<TensorData>;
}

/** Options of reading weight files. */
export interface ReadOptions {
  /**
   * `"float32"` (the default) widens float16 and bfloat16 and narrows float64, as networks compute in float32;
   * `"none"` keeps every type. Integers and bool are kept either way.
   */
  readonly convert?: "float32" | "none";
  /**
   * PyTorch files: the part to read where several state dicts lie in one file, such as `"state_dict_ema"` or
   * `"models.generator"`. By default `state_dict`, `model_state_dict` or `model` where there is one, else everything.
   */
  readonly key?: string;
  /** PyTorch files: compare the checksums of the zip form; true by default. */
  readonly verify?: boolean;
  /** CRC-32 where the platform has a faster one than ours. */
  readonly crc32?: (bytes: Uint8Array) => number;
}

/** Reads every tensor of an opened file. */
export async function loadAll(file: CheckpointFile): Promise<Checkpoint> {
  const tensors = new Map<string, TensorData>();
  for (const name of file.tensors.keys()) tensors.set(name, await file.load(name));
  return { tensors, metadata: { ...file.metadata } };
}

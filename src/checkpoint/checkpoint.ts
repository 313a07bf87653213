import type { DType, TensorData } from "../graph/index.ts";

/** Named weights, and what else is known of them. */
export interface Checkpoint {
  /** By state dict key, in the order of the file. */
  readonly tensors: Map<string, TensorData>;
  readonly metadata: Record<string, string>;
  /** What was understood of the file and left out, as sentences; absent if there is nothing to say. */
  readonly notes?: readonly string[];
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
  readonly format: "safetensors" | "torch" | "torch-legacy" | "torch-tar" | "torchscript" | "pickle";
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  readonly metadata: Readonly<Record<string, string>>;
  /** The part that the tensors are from, where a file holds several sets of weights. */
  readonly key?: string;
  /** Keys of the sets of weights in the file; empty if there is only one. */
  readonly sets?: readonly string[];
  /** What was understood of the file and left out, as sentences. */
  readonly notes?: readonly string[];
  /** Classes and functions that a pickle names and that are not known. None of them was executed. */
  readonly unknown?: readonly string[];
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
   * `"models.generator"`. By default the set that `fits` best, else `state_dict`, `model_state_dict`, `model` or the like where there
   * is one, else everything but the optimizer's state.
   */
  readonly key?: string | undefined;
  /** How well a set of weights fits, as a number. Of several sets in a file, the one that fits best is taken; of equals the first. */
  readonly fits?: ((tensors: ReadonlyMap<string, TensorEntry>) => number) | undefined;
  /**
   * Quantized weights of PyTorch: `"float32"` (the default) gives the real numbers; `"integers"` the integers, and beside each
   * tensor `NAME_scale` and `NAME_zero_point`, of one number or one for each channel.
   */
  readonly quantized?: "float32" | "integers" | undefined;
  /**
   * Other names for the keys, in order: each rule replaces the start of keys. `[["module.", ""], ["fc.", "head."]]` removes
   * `module.` and makes `fc.weight` to `head.weight`.
   */
  readonly rename?: readonly (readonly [from: string, to: string])[] | undefined;
  /** PyTorch files: compare the checksums of the zip form; true by default. */
  readonly verify?: boolean;
  /** CRC-32 where the platform has a faster one than ours. */
  readonly crc32?: (bytes: Uint8Array) => number;
}

/** Reads every tensor of an opened file. */
export async function loadAll(file: CheckpointFile): Promise<Checkpoint> {
  const tensors = new Map<string, TensorData>();
  for (const name of file.tensors.keys()) tensors.set(name, await file.load(name));
  const { metadata, notes = [] } = file;
  return { tensors, metadata: { ...metadata }, ...(notes.length > 0 && { notes }) };
}

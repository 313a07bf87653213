/** Tensors as a file describes them: views of runs of numbers, which are read later. */
import type { StorageType } from "./storage-types.ts";

/** A run of numbers in the file, which tensors view. */
export interface Storage {
  readonly key: string;
  readonly dtype: StorageType;
  readonly numel: number;
  /** The numbers, where the pickle itself holds them. */
  readonly bytes?: Uint8Array;
}

/** How integers stand for real numbers: scale · (integer − zero point), for all elements or for each channel of an axis. */
export interface Quantizer {
  readonly scale: readonly number[] | StoredTensor;
  readonly zeroPoint: readonly number[] | StoredTensor;
  readonly axis?: number;
}

/** A tensor of the file: element (i, j, …) is number offset + i·stride[0] + j·stride[1] + … of its storage. */
export class StoredTensor {
  storage: Storage | undefined;
  /** The storage's, unless that is one of bytes. */
  dtype: StorageType = "float32";
  offset = 0;
  shape: readonly number[] = [0];
  stride: readonly number[] = [1];
  quantizer: Quantizer | undefined;
  /** Why its numbers are not read: what it is. */
  unread: string | undefined;
  /** Gives one of NumPy's arrays its contents. */
  buildArray: ((state: unknown) => void) | undefined;
}

import { fromBytes, numel, type TensorData } from "../graph/index.ts";
import { CheckpointError, ensure } from "./error.ts";
import { unpickle } from "./pickle.ts";
import { Dict, Tuple } from "./pickle-objects.ts";
import { StoredTensor } from "./stored.ts";
import { contiguous } from "./strided.ts";
import { torchDialect } from "./torch-objects.ts";

/** A value of a pickled dict: an array of NumPy, or a list of numbers or texts. */
export type PickledValue = TensorData | readonly (number | string)[];

/**
 * The arrays and lists of a pickled dict by its keys, as the Python versions of CIFAR have them. Keys may be bytes, as Python 3 reads
 * those of Python 2; other values are left out. Nothing is executed.
 *
 * Throws a CheckpointError if the bytes are no pickle of a dict.
 */
export function readPickledDict(bytes: Uint8Array): Map<string, PickledValue> {
  const { value } = unpickle(bytes, 0, torchDialect());
  ensure(value instanceof Dict, () => "pickle: it holds no dict");
  const found = new Map<string, PickledValue>();
  for (const [key, entry] of value.entries) {
    const name = textOf(key);
    const read = entry instanceof StoredTensor ? arrayOf(entry) : listOf(entry);
    if (name !== undefined && read) found.set(name, read);
  }
  return found;
}

const textOf = (value: unknown): string | undefined =>
  value instanceof Uint8Array ? new TextDecoder().decode(value) : typeof value === "string" ? value : undefined;

function arrayOf({ storage, dtype, offset, shape, stride, unread }: StoredTensor): TensorData | undefined {
  if (unread !== undefined || !storage?.bytes || storage.dtype !== dtype) return undefined;
  try {
    const type = dtype as TensorData["dtype"];
    const all = fromBytes(type, [storage.numel], storage.bytes);
    return { dtype: type, shape, data: contiguous(all.data, { offset, shape, stride }).subarray(0, numel(shape)) };
  } catch (error) {
    throw new CheckpointError(`pickle: an array is damaged: ${(error as Error).message}`, { cause: error });
  }
}

function listOf(value: unknown): (number | string)[] | undefined {
  const items = value instanceof Tuple ? value.items : value;
  if (!Array.isArray(items)) return undefined;
  const read = items.map((item) => (typeof item === "number" ? item : textOf(item)));
  return read.every((item) => item !== undefined) ? read : undefined;
}

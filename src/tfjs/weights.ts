import { type DType, numel, type TensorData, tensor, toFloat32 } from "../graph/index.ts";
import { ensure, quote } from "./error.ts";
import type { WeightGroup, WeightSpec } from "./schema.ts";

const SIZES = { float32: 4, int32: 4, bool: 1, uint8: 1, uint16: 2, float16: 2 } as const;

/** Size of a weight in its file, in bytes. */
function bytesOf({ name, shape, dtype, quantization }: WeightSpec): number {
  const stored = quantization?.dtype ?? dtype;
  ensure(
    stored !== "string" && stored !== "complex64",
    () => `the weight ${quote(name)} is of the type ${stored}, which no layer of a network for images has`,
  );
  return numel(shape) * SIZES[stored];
}

/** Size of the weights of a group, in bytes. Throws a TfjsError where they cannot be told. */
export const groupBytes = ({ weights }: WeightGroup): number => weights.reduce((sum, spec) => sum + bytesOf(spec), 0);

/**
 * The weights of a group from the bytes of its files, one after the other; they are read when the first number is. Quantized ones get
 * the numbers that TensorFlow.js computes with: integers q stand for q · scale + min.
 */
export function readGroup(group: WeightGroup, bytes: () => Uint8Array): [name: string, data: TensorData][] {
  const wanted = groupBytes(group);
  let read: Uint8Array | undefined;
  const all = () => {
    read ??= bytes();
    const { length } = read;
    ensure(
      length === wanted,
      () =>
        `the files ${group.paths.slice(0, 4).map(quote).join(", ")} have ${length} bytes together, but their weights take ${wanted}; a download was cut short, or they belong to another model`,
    );
    return read;
  };
  let at = 0;
  return group.weights.map((spec) => {
    const start = at;
    at += bytesOf(spec);
    const end = at;
    const dtype = spec.quantization?.dtype === "float16" ? "float32" : typeOf(spec);
    return [spec.name, later(dtype, spec.shape, () => numbers(spec, all().slice(start, end)).data)];
  });
}

const typeOf = ({ dtype }: WeightSpec): DType => (dtype === "int32" || dtype === "bool" ? dtype : "float32");

/** A tensor whose numbers are made when they are first read; what they are made of is let go then. */
export function later(dtype: DType, shape: readonly number[], make: () => TensorData["data"]): TensorData {
  let data: TensorData["data"] | undefined;
  let open: (() => TensorData["data"]) | undefined = make;
  return {
    dtype,
    shape,
    get data() {
      data ??= open!();
      open = undefined;
      return data;
    },
  };
}

/** `bytes` has a buffer of its own. */
function numbers({ shape, dtype, quantization }: WeightSpec, { buffer }: Uint8Array<ArrayBuffer>): TensorData {
  if (quantization) {
    const { dtype: stored, scale, min } = quantization;
    if (stored === "float16") return toFloat32(tensor("float16", shape, new Uint16Array(buffer)));
    const integers = stored === "uint8" ? new Uint8Array(buffer) : new Uint16Array(buffer);
    return dtype === "int32"
      ? tensor(
          "int32",
          shape,
          Int32Array.from(integers, (q) => Math.round(q * scale + min)),
        )
      : tensor(
          "float32",
          shape,
          Float32Array.from(integers, (q) => q * scale + min),
        );
  }
  if (dtype === "int32") return tensor("int32", shape, new Int32Array(buffer));
  return dtype === "bool"
    ? tensor("bool", shape, new Uint8Array(buffer))
    : tensor("float32", shape, new Float32Array(buffer));
}

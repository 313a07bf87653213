import { check, describe } from "./check.ts";

/** Element types, by the names NumPy and PyTorch use. */
export type DType =
  | "float32"
  | "float64"
  | "float16"
  | "bfloat16"
  | "int8"
  | "uint8"
  | "int16"
  | "uint16"
  | "int32"
  | "uint32"
  | "int64"
  | "uint64"
  | "bool";

/** The array that holds each type; for float16 and bfloat16, which JavaScript lacks, one of the raw 16 bits. */
export interface Arrays {
  float32: Float32Array;
  float64: Float64Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int8: Int8Array;
  uint8: Uint8Array;
  int16: Int16Array;
  uint16: Uint16Array;
  int32: Int32Array;
  uint32: Uint32Array;
  int64: BigInt64Array;
  uint64: BigUint64Array;
  bool: Uint8Array;
}

const CONSTRUCTORS = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Record<DType, unknown>;

/** An array that holds the numbers of a tensor. */
export type TypedArray = Arrays[DType];

/** A tensor with its numbers: row-major, `data.length` is the product of `shape`. */
export interface TensorData<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: Arrays[D];
}

/** Number of elements in a tensor of this shape; 1 for a scalar. */
export function numel(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Size of one element in bytes. */
export function itemSize(dtype: DType): number {
  return CONSTRUCTORS[dtype].BYTES_PER_ELEMENT;
}

/** Numbers that a tensor can be made of: the matching typed array, raw little-endian bytes, or a plain array. */
export type Numbers<D extends DType = DType> = Arrays[D] | Uint8Array | readonly (number | bigint | boolean)[];

/**
 * A tensor over existing numbers, row-major.
 *
 *     tensor("float32", [2, 3], [1, 2, 3, 4, 5, 6])
 *
 * `data` is a typed array of the matching kind (of any realm, on any buffer, not copied), its bytes as a `Buffer` or
 * `Uint8Array`, or a plain array of numbers (copied). Throws when the data do not fill the shape or are of another kind.
 */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: Numbers<D>): TensorData<D> {
  return { dtype, shape, data: asData(dtype, shape, data) };
}

/** A tensor of zeros. Throws for an unknown type, and for a size that is no whole number. */
export function zeros<D extends DType>(dtype: D, shape: readonly number[]): TensorData<D> {
  const Type = arrayOf(dtype, shape, "zeros");
  return { dtype, shape, data: new Type(numel(shape)) as unknown as Arrays[D] };
}

/**
 * The numbers of a tensor of this type, as the typed array that holds them: a matching typed array as it is, or as a view when
 * it comes from another realm; bytes as a view where they are aligned; plain arrays copied. Shared memory stays shared.
 * Throws, naming type, shape and what was given, when the data are none of these; `who` starts the message.
 */
export function asData<D extends DType>(dtype: D, shape: readonly number[], given: unknown, who = "tensor"): Arrays[D] {
  const Type = arrayOf(dtype, shape, who);
  const count = numel(shape);
  const result = converted(dtype, Type, count, given);
  check(result?.length === count, () => {
    const arrays = /float16/.test(dtype) ? `${Type.name} of raw bits` : `${Type.name} or plain array of numbers`;
    return `${who}: ${dtype} [${shape.join(", ")}] takes ${count} elements in a ${arrays}, but got ${describe(given)}`;
  });
  return result as unknown as Arrays[D];
}

/** Other arrays with the same elements: JavaScript's own float16, and pixels of a canvas. */
const SAME_BITS: { readonly [D in DType]?: string } = { float16: "Float16Array", uint8: "Uint8ClampedArray" };

function converted(dtype: DType, Type: Float32ArrayConstructor, count: number, given: unknown) {
  if (given instanceof Type) return given;
  if (ArrayBuffer.isView(given)) {
    const { buffer, byteOffset, length } = given as Float32Array<ArrayBuffer>;
    const kind = Object.prototype.toString.call(given).slice(8, -1);
    if (kind === Type.name || kind === SAME_BITS[dtype]) return new Type(buffer, byteOffset, length);
    if (kind !== "Uint8Array" || length !== count * Type.BYTES_PER_ELEMENT) return undefined;
    return fromBytes(dtype, [count], given as Uint8Array).data as Float32Array;
  }
  if (!Array.isArray(given) || /float16/.test(dtype)) return undefined;
  const real = /float/.test(dtype);
  const valid = (item: unknown) =>
    typeof item === "number" ? real || Number.isInteger(item) : !real && /bigint|boolean/.test(typeof item);
  if (!Array.from(given).every(valid)) return undefined;
  const data = Type.from(given, /int64/.test(dtype) ? (BigInt as unknown as (item: number) => number) : Number);
  // a whole number out of range would wrap around; the loose comparison takes 1n and true for 1
  // biome-ignore lint/suspicious/noDoubleEquals: across types
  return real || data.every((item, i) => item == given[i]) ? data : undefined;
}

/** The array constructor of a type, typed as one of them. */
function arrayOf(dtype: DType, shape: readonly number[], who: string): Float32ArrayConstructor {
  check(
    Object.hasOwn(CONSTRUCTORS, dtype),
    () => `${who}: there is no type ${describe(dtype)}; there are ${Object.keys(CONSTRUCTORS).join(", ")}`,
  );
  check(
    Array.isArray(shape) && shape.every((size) => Number.isInteger(size) && size >= 0),
    () => `${who}: a shape is a list of whole numbers, but got ${describe(shape)}`,
  );
  return CONSTRUCTORS[dtype] as unknown as Float32ArrayConstructor;
}

/**
 * A tensor over little-endian bytes: a view where they are aligned, a copy where they are not. Throws when their count is not
 * that of the type and shape.
 */
export function fromBytes<D extends DType>(dtype: D, shape: readonly number[], bytes: Uint8Array): TensorData<D> {
  const size = itemSize(dtype);
  check(
    bytes.byteLength === numel(shape) * size,
    () =>
      `fromBytes: ${dtype} [${shape.join(", ")}] takes ${numel(shape) * size} bytes, but ${bytes.byteLength} were given`,
  );
  const aligned = bytes.byteOffset % size === 0 ? bytes : Uint8Array.from(bytes);
  const data = new CONSTRUCTORS[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, bytes.byteLength / size);
  return { dtype, shape, data: data as unknown as Arrays[D] };
}

/** The tensor's bytes, little-endian, as a view. */
export function toBytes({ data }: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * The tensor that was given, with its numbers in the array that the engines expect. Throws when it is no
 * { dtype, shape, data }; `who` starts the message, such as `input "x"`.
 */
export function asTensor(given: unknown, who: string): TensorData {
  const { dtype, shape, data } = (given ?? {}) as Partial<TensorData>;
  check(
    dtype !== undefined && shape !== undefined && data !== undefined,
    () => `${who}: expected a tensor, such as tensor("float32", [1, 3, 32, 32], data), but got ${describe(given)}`,
  );
  const numbers = asData(dtype, shape, data, who);
  return numbers === data ? (given as TensorData) : { dtype, shape, data: numbers };
}

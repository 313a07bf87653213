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

/** The array that holds each type; where JavaScript has no such number (float16, bfloat16), the raw 16 bits. */
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

/** Bytes that one element takes. */
export function itemSize(dtype: DType): number {
  return CONSTRUCTORS[dtype].BYTES_PER_ELEMENT;
}

/** A tensor over existing numbers. Throws where their count is not that of the shape. */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: Arrays[D]): TensorData<D> {
  if (data.length !== numel(shape)) {
    throw new Error(
      `tensor: shape [${shape.join(", ")}] holds ${numel(shape)} elements, but ${data.length} were given`,
    );
  }
  return { dtype, shape, data };
}

/** A tensor of zeros. */
export function zeros<D extends DType>(dtype: D, shape: readonly number[]): TensorData<D> {
  return { dtype, shape, data: new CONSTRUCTORS[dtype](numel(shape)) as unknown as Arrays[D] };
}

/** A tensor that views little-endian bytes in place where they are aligned, and copies them where they are not. */
export function fromBytes<D extends DType>(dtype: D, shape: readonly number[], bytes: Uint8Array): TensorData<D> {
  const size = itemSize(dtype);
  if (bytes.byteLength !== numel(shape) * size) {
    throw new Error(
      `fromBytes: ${dtype} [${shape.join(", ")}] takes ${numel(shape) * size} bytes, but ${bytes.byteLength} were given`,
    );
  }
  // not slice(): that of a Buffer does not copy
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const data = new CONSTRUCTORS[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, bytes.byteLength / size);
  return { dtype, shape, data: data as unknown as Arrays[D] };
}

/** The tensor's bytes, little-endian, as a view. */
export function toBytes({ data }: TensorData): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

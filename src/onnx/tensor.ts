import { type DType, fromBytes, itemSize, numel, type TensorData, toBytes } from "../graph/index.ts";
import { dtypeOfOnnx, ONNX_TYPE } from "../operators/index.ts";
import { ensure, OnnxError, quote } from "./error.ts";
import type { EntryProto, TensorProto } from "./proto.ts";

/** Where the bytes of a weight lie in another file. */
export interface ExternalData {
  readonly location: string;
  /** In bytes, from the start of that file. */
  readonly offset: number;
  readonly length: number;
}

/** Gives bytes of a file beside the model. Throws where there are no such bytes. */
export type ExternalResolver = (data: ExternalData) => Uint8Array;

/** TensorProto.DataLocation EXTERNAL. */
export const EXTERNAL = 1;

/** The field that holds the numbers of each type, where they are not raw bytes. */
const TYPED_FIELD = {
  float32: "floatData",
  float64: "doubleData",
  int64: "int64Data",
  uint64: "uint64Data",
  uint32: "uint64Data",
  int32: "int32Data",
  int16: "int32Data",
  int8: "int32Data",
  uint16: "int32Data",
  uint8: "int32Data",
  bool: "int32Data",
  // the bits of each, in the lower half
  float16: "int32Data",
  bfloat16: "int32Data",
} as const satisfies Record<DType, keyof TensorProto>;

export function encodeTensor(data: TensorData, name?: string): TensorProto {
  const rawData = toBytes(data);
  return { dims: [...data.shape], dataType: ONNX_TYPE[data.dtype], rawData, ...(name !== undefined && { name }) };
}

/** A whole number of the file. Throws where JavaScript's numbers do not hold it. */
export function toNumber(value: bigint | number, what: () => string): number {
  const number = Number(value);
  ensure(Number.isSafeInteger(number), () => `${what()} is ${value}, which is no size that a model has`);
  return number;
}

/** The tensor; it may view the bytes of the file. Throws an OnnxError where its numbers do not fit its shape. */
export function decodeTensor(proto: TensorProto, what: string, external?: ExternalResolver): TensorData {
  const dtype = typeOf(proto.dataType ?? 0, what);
  const shape = Array.from(proto.dims ?? [], (dim) => toNumber(dim, () => `${what}: a size`));
  const count = numel(shape);
  ensure(
    shape.every((size) => size >= 0) && Number.isSafeInteger(count),
    () => `${what} has the shape [${shape}], which no tensor has`,
  );
  const length = count * itemSize(dtype);
  if (proto.dataLocation === EXTERNAL) {
    return fromBytes(dtype, shape, externalBytes(proto.externalData ?? [], length, what, external));
  }
  const { rawData } = proto;
  if (rawData) {
    ensure(
      rawData.length === length,
      () => `${what}: ${dtype} [${shape}] takes ${length} bytes, but the file holds ${rawData.length}`,
    );
    return fromBytes(dtype, shape, rawData);
  }
  const numbers = proto[TYPED_FIELD[dtype]] ?? [];
  ensure(
    numbers.length === count,
    () => `${what}: ${dtype} [${shape}] holds ${count} numbers, but the file has ${numbers.length}`,
  );
  const empty = fromBytes(dtype, shape, new Uint8Array(length));
  const convert = dtype === "int64" || dtype === "uint64" ? BigInt : Number;
  for (let i = 0; i < count; i++) empty.data[i] = convert(numbers[i]!);
  return empty;
}

/** The element type of a tensor or value. */
export function typeOf(type: number, what: string): DType {
  try {
    return dtypeOfOnnx(type);
  } catch (error) {
    throw new OnnxError(`${what}: ${(error as Error).message}`, { cause: error });
  }
}

function externalBytes(entries: readonly EntryProto[], length: number, what: string, external?: ExternalResolver) {
  const {
    location = "",
    offset = "0",
    length: given = String(length),
  } = Object.fromEntries(entries.map(({ key = "", value = "" }) => [key, value])) as Record<string, string>;
  ensure(location !== "", () => `${what} lies in another file, but the model does not say in which`);
  const start = Number(offset);
  ensure(
    /^\d+$/.test(offset) && Number.isSafeInteger(start) && Number(given) === length,
    () => `${what}: ${length} bytes are needed of ${quote(location)}, but the model names ${given} at ${offset}`,
  );
  ensure(
    external,
    () => `${what} lies in the file ${quote(location)}; read the model by its path, or say how to get at that file`,
  );
  let bytes: Uint8Array;
  try {
    bytes = external({ location, offset: start, length });
  } catch (error) {
    throw new OnnxError(`${what}: ${(error as Error).message}`, { cause: error });
  }
  ensure(
    bytes.length === length,
    () => `${what} takes ${length} bytes, but ${quote(location)} has ${bytes.length} at ${start}`,
  );
  return bytes;
}

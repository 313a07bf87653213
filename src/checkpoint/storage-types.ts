/** The element types of PyTorch's storages, those that JavaScript and ONNX lack included. */
import { type DType, fromBytes, itemSize, type TensorData } from "../graph/index.ts";

/** PyTorch's storage classes, which fix a tensor's type. */
export const STORAGES = {
  FloatStorage: "float32",
  DoubleStorage: "float64",
  HalfStorage: "float16",
  BFloat16Storage: "bfloat16",
  LongStorage: "int64",
  IntStorage: "int32",
  ShortStorage: "int16",
  CharStorage: "int8",
  ByteStorage: "uint8",
  BoolStorage: "bool",
} as const satisfies Record<string, DType>;

/** Float8 formats: bits of the exponent and of the mantissa, the exponent's bias, and which bits are infinite or no number. */
const FLOAT8 = {
  float8_e4m3fn: { mantissa: 3, bias: 7, special: "fn" },
  float8_e4m3fnuz: { mantissa: 3, bias: 8, special: "fnuz" },
  float8_e5m2: { mantissa: 2, bias: 15, special: "ieee" },
  float8_e5m2fnuz: { mantissa: 2, bias: 16, special: "fnuz" },
} as const;

type Float8 = keyof typeof FLOAT8;
/** A type as the file has it. An untyped storage is one of bytes, whose tensors say their types themselves. */
export type StorageType = DType | Float8 | "complex64" | "complex128" | "bytes";

const STORAGE_TYPES: ReadonlyMap<string, StorageType> = new Map<string, StorageType>([
  ...Object.entries(STORAGES).map(([name, dtype]) => [`torch.${name}`, dtype] as const),
  ["torch.QInt8Storage", "int8"],
  ["torch.QUInt8Storage", "uint8"],
  ["torch.QInt32Storage", "int32"],
  ["torch.ComplexFloatStorage", "complex64"],
  ["torch.ComplexDoubleStorage", "complex128"],
  ["torch.UntypedStorage", "bytes"],
  ["torch.storage.UntypedStorage", "bytes"],
]);

/** The type of a storage class, by its full name. */
export const storageType = (name: string): StorageType | undefined => STORAGE_TYPES.get(name);

/** Full names of the storage classes with a type of their own. */
export const STORAGE_NAMES: readonly string[] = Object.keys(STORAGES).map((name) => `torch.${name}`);

const NAMED_TYPES: ReadonlySet<string> = new Set<StorageType>([
  ...Object.values(STORAGES),
  ...(["uint16", "uint32", "uint64", "complex64", "complex128"] as const),
  ...(Object.keys(FLOAT8) as Float8[]),
]);

/** The type that `torch.float8_e5m2` and the like name. */
export function namedType(name: string): StorageType | undefined {
  const type = name.replace(/^torch\./, "");
  return NAMED_TYPES.has(type) ? (type as StorageType) : undefined;
}

/** Whether its numbers can be read. */
export const isReal = (type: StorageType): type is DType | Float8 => !/^(complex|bytes)/.test(type);

const isFloat8 = (type: StorageType): type is Float8 => Object.hasOwn(FLOAT8, type);

/** Bytes of one element. */
export function sizeOf(type: StorageType): number {
  if (type === "complex64") return 8;
  if (type === "complex128") return 16;
  return type === "bytes" || isFloat8(type) ? 1 : itemSize(type);
}

/** The type that numbers have once they are read: float8 becomes float32, which holds each of its values. */
export const readType = (type: DType | Float8): DType => (isFloat8(type) ? "float32" : type);

/** Numbers of a storage. */
export function numbersOf(type: DType | Float8, bytes: Uint8Array): TensorData {
  const count = Math.floor(bytes.length / sizeOf(type));
  if (!isFloat8(type)) return fromBytes(type, [count], bytes.subarray(0, count * itemSize(type)));
  const values = Float32Array.from({ length: 256 }, (_, bits) => decodeFloat8(bits, FLOAT8[type]));
  return { dtype: "float32", shape: [count], data: Float32Array.from(bytes, (bits) => values[bits]!) };
}

function decodeFloat8(bits: number, { mantissa, bias, special }: (typeof FLOAT8)[Float8]): number {
  const sign = bits & 0x80 ? -1 : 1;
  const top = (1 << (7 - mantissa)) - 1;
  const exponent = (bits & 0x7f) >> mantissa;
  const fraction = bits & ((1 << mantissa) - 1);
  if (special === "fnuz" && bits === 0x80) return Number.NaN;
  if (special === "fn" && (bits & 0x7f) === 0x7f) return Number.NaN;
  if (special === "ieee" && exponent === top) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  const scale = 2 ** -mantissa;
  return exponent === 0
    ? sign * fraction * scale * 2 ** (1 - bias)
    : sign * (1 + fraction * scale) * 2 ** (exponent - bias);
}

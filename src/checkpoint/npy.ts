/**
 * NumPy's .npy files: one array each.
 *
 * Source: NumPy Enhancement Proposal 1, "A simple file format for NumPy arrays"; versions 1.0 to 3.0 are read, 1.0 is written.
 */
import { type DType, fromBytes, itemSize, numel, type TensorData, toBytes, toFloat32 } from "../graph/index.ts";
import { dataView } from "./access.ts";
import { CheckpointError, ensure, quote } from "./error.ts";

const MAGIC = "\x93NUMPY";

/** NumPy's type codes, without the byte order. */
export const NUMPY_TYPES: Readonly<Record<string, DType>> = {
  f2: "float16",
  f4: "float32",
  f8: "float64",
  i1: "int8",
  i2: "int16",
  i4: "int32",
  i8: "int64",
  u1: "uint8",
  u2: "uint16",
  u4: "uint32",
  u8: "uint64",
  b1: "bool",
};

/** Whether bytes are those of a .npy file. */
export const isNpy = (bytes: Uint8Array): boolean => [...MAGIC].every((char, i) => bytes[i] === char.charCodeAt(0));

/**
 * The array in a .npy file, row-major; arrays in Fortran order or with the other byte order are converted.
 *
 * Throws a CheckpointError where the file is damaged, or holds text, Python objects or records.
 */
export function readNpy(bytes: Uint8Array): TensorData {
  ensure(isNpy(bytes) && bytes.length >= 12, () => "this is no .npy file: it does not begin with NumPy's magic string");
  const view = dataView(bytes);
  const isShort = bytes[6] === 1;
  const start = isShort ? 10 : 12;
  const begin = start + (isShort ? view.getUint16(8, true) : view.getUint32(8, true));
  ensure(begin <= bytes.length, () => ".npy: the header is cut short");
  const { dtype, bigEndian, fortran, shape } = parseHeader(
    new TextDecoder("latin1").decode(bytes.subarray(start, begin)),
  );
  const length = numel(shape) * itemSize(dtype);
  ensure(
    bytes.length - begin === length,
    () =>
      `.npy: ${dtype} [${shape.join(", ")}] takes ${length} bytes, but ${bytes.length - begin} follow the header; the file is damaged`,
  );
  const stored = bytes.subarray(begin);
  const ordered = bigEndian ? swapped(stored, itemSize(dtype)) : stored;
  if (!fortran || shape.length < 2) return fromBytes(dtype, shape, ordered);
  return transposed(fromBytes(dtype, [...shape].reverse(), ordered));
}

/** A tensor as a .npy file. NumPy has no bfloat16, which is written as float32. */
export function encodeNpy(tensor: TensorData): Uint8Array {
  if (tensor.dtype === "bfloat16") return encodeNpy(toFloat32(tensor));
  const { dtype, shape } = tensor;
  const code = Object.keys(NUMPY_TYPES).find((key) => NUMPY_TYPES[key] === dtype)!;
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(", ");
  const dict = `{'descr': '${itemSize(dtype) === 1 ? "|" : "<"}${code}', 'fortran_order': False, 'shape': (${sizes}), }`;
  // padded so that the numbers begin at a multiple of 64 bytes
  const begin = Math.ceil((10 + dict.length + 1) / 64) * 64;
  const header = `${dict.padEnd(begin - 11)}\n`;
  const numbers = toBytes(tensor);
  const file = new Uint8Array(begin + numbers.length);
  for (let i = 0; i < MAGIC.length; i++) file[i] = MAGIC.charCodeAt(i);
  file.set([1, 0, header.length & 0xff, header.length >> 8], 6);
  for (let i = 0; i < header.length; i++) file[10 + i] = header.charCodeAt(i);
  file.set(numbers, begin);
  return file;
}

/** The header is a Python dictionary with three keys. */
function parseHeader(text: string) {
  const descr = /['"]descr['"]\s*:\s*(?:['"]([<>|=])(\w+)['"]|(\S.*?), ')/.exec(text);
  const order = /['"]fortran_order['"]\s*:\s*(True|False)/.exec(text)?.[1];
  const sizes = /['"]shape['"]\s*:\s*\(([\d\s,L]*)\)/.exec(text)?.[1];
  if (!descr || order === undefined || sizes === undefined)
    throw new CheckpointError(`.npy: the header is damaged: ${quote(text.trim())}`);
  const [, byteOrder, code = "", other] = descr;
  const dtype = Object.hasOwn(NUMPY_TYPES, code) ? NUMPY_TYPES[code] : undefined;
  if (!dtype) {
    throw new CheckpointError(
      `.npy: arrays of type ${quote(other ?? `${byteOrder}${code}`)} are not supported; save numbers, such as x.astype("float32")`,
    );
  }
  const shape = sizes
    .split(",")
    .map((size) => size.replace("L", "").trim())
    .filter((size) => size !== "")
    .map(Number);
  ensure(Number.isSafeInteger(numel(shape)), () => `.npy: the shape (${sizes}) is too large`);
  return { dtype, bigEndian: byteOrder === ">", fortran: order === "True", shape };
}

export function swapped(bytes: Uint8Array, size: number): Uint8Array {
  const out = bytes.slice();
  for (let at = 0; at < out.length; at += size) out.subarray(at, at + size).reverse();
  return out;
}

/** The tensor with its axes in the opposite order. */
function transposed({ dtype, shape, data }: TensorData): TensorData {
  const out = data.slice();
  const index = new Array<number>(shape.length).fill(0);
  // the strides that the axes of `shape` have in the result
  const strides = shape.map((_, axis) => numel(shape.slice(0, axis)));
  for (let i = 0, o = 0; i < data.length; i++) {
    out[o] = data[i]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      o += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      o -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return { dtype, shape: [...shape].reverse(), data: out };
}

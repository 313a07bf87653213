import type { TensorData } from "./tensor.ts";

let halves: Uint32Array | undefined;

/** The float32 bits of every float16: 5 bits of exponent (bias 15) and 10 of mantissa become 8 (bias 127) and 23. */
function halfTable(): Uint32Array {
  return Uint32Array.from({ length: 65536 }, (_, half) => {
    const sign = (half & 0x8000) << 16;
    const exponent = (half >> 10) & 0x1f;
    const mantissa = half & 0x3ff;
    // NaNs become quiet ones, as IEEE 754 asks of conversions.
    if (exponent === 31) return sign | 0x7f800000 | (mantissa << 13) | (mantissa === 0 ? 0 : 0x400000);
    if (exponent > 0) return sign | ((exponent + 112) << 23) | (mantissa << 13);
    if (mantissa === 0) return sign;
    // A subnormal, mantissa · 2^-24: its leading one becomes implicit.
    const shift = Math.clz32(mantissa) - 21;
    return sign | ((113 - shift) << 23) | (((mantissa << shift) & 0x3ff) << 13);
  });
}

/**
 * The tensor in float32: float16 and bfloat16 exactly, float64 rounded to nearest. Other types are returned as they are.
 */
export function toFloat32(tensor: TensorData): TensorData {
  const { dtype, shape, data } = tensor;
  switch (dtype) {
    case "float64":
      return { dtype: "float32", shape, data: new Float32Array(data as Float64Array) };
    case "float16":
    case "bfloat16": {
      const source = data as Uint16Array;
      const bits = new Uint32Array(source.length);
      widen(dtype, source, bits);
      return { dtype: "float32", shape, data: new Float32Array(bits.buffer) };
    }
    default:
      return tensor;
  }
}

/** The float32 bits of numbers of 16 bits. */
export function widen(dtype: "float16" | "bfloat16", source: Uint16Array, bits: Uint32Array): void {
  if (dtype === "bfloat16") {
    for (let i = 0; i < source.length; i++) bits[i] = source[i]! << 16;
    return;
  }
  halves ??= halfTable();
  for (let i = 0; i < source.length; i++) bits[i] = halves[source[i]!]!;
}

/** The real types that weights can be converted to. */
export type RealType = "float32" | "float16" | "bfloat16";

/** The tensor in a real type, rounded to the nearest number, ties to even; integers and bool are returned as they are. */
export function toReal(tensor: TensorData, dtype: RealType): TensorData {
  if (tensor.dtype === dtype || !["float64", "float32", "float16", "bfloat16"].includes(tensor.dtype)) return tensor;
  // by way of float32, as in PyTorch
  const wide = toFloat32(tensor);
  if (dtype === "float32") return wide;
  const { shape, data } = wide as TensorData<"float32">;
  const bits = new Uint32Array(data.buffer, data.byteOffset, data.length);
  return { dtype, shape, data: Uint16Array.from(bits, dtype === "float16" ? toHalf : toBrain) };
}

/** float16 of the number with these float32 bits. */
export function toHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const size = bits & 0x7fffffff;
  if (size > 0x7f800000) return sign | 0x7e00;
  // from halfway between the largest number and the next power of two on, infinity
  if (size >= 0x477ff000) return sign | 0x7c00;
  if (size < 0x38800000) return sign | subnormal(size);
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13);
}

/** Multiples of 2^-24, rounded; 2^-14 comes out as the first normal number. */
function subnormal(size: number): number {
  // below half of the smallest there is zero
  if (size < 0x33000000) return 0;
  const mantissa = (size & 0x7fffff) | 0x800000;
  const shift = 126 - (size >>> 23);
  const half = 1 << (shift - 1);
  const whole = mantissa >>> shift;
  const rest = mantissa & ((1 << shift) - 1);
  return whole + (rest > half || (rest === half && (whole & 1) === 1) ? 1 : 0);
}

/** bfloat16 of the number with these float32 bits: their upper half. */
export function toBrain(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

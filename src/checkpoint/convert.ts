import type { TensorData } from "../graph/tensor.ts";

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
      if (dtype === "bfloat16") {
        for (let i = 0; i < bits.length; i++) bits[i] = source[i]! << 16;
      } else {
        halves ??= halfTable();
        for (let i = 0; i < bits.length; i++) bits[i] = halves[source[i]!]!;
      }
      return { dtype: "float32", shape, data: new Float32Array(bits.buffer) };
    }
    default:
      return tensor;
  }
}

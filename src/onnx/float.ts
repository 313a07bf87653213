import { type TensorData, tensor } from "../graph/index.ts";

/** The tensor in float32: modules compute in it. Whole numbers stay as they are. */
export function toFloat32({ dtype, shape, data }: TensorData): TensorData {
  switch (dtype) {
    case "float64":
      return tensor("float32", shape, Float32Array.from(data as Float64Array));
    case "float16":
      return tensor("float32", shape, Float32Array.from(data as Uint16Array, half));
    case "bfloat16":
      return tensor(
        "float32",
        shape,
        new Float32Array(Uint32Array.from(data as Uint16Array, (bits) => bits << 16).buffer),
      );
    default:
      return { dtype, shape, data } as TensorData;
  }
}

/** A float16 by its bits: sign, 5 of exponent, 10 of fraction. */
function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = (bits & 1023) / 1024;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (exponent === 0 ? 2 ** -14 * fraction : 2 ** (exponent - 15) * (1 + fraction));
}

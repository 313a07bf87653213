/** Quantized weights as real numbers: scale · (integer − zero point). */
import type { TensorData } from "../graph/index.ts";
import type { Quantizer, StoredTensor } from "./stored.ts";

export interface ChannelScales {
  readonly scale: ArrayLike<number>;
  readonly zeroPoint: ArrayLike<number>;
  readonly axis?: number;
}

/** Scales and zero points as numbers; `read` reads those that are tensors. */
export async function perChannel(
  { scale, zeroPoint, axis }: Quantizer,
  read: (tensor: StoredTensor) => Promise<TensorData>,
): Promise<ChannelScales> {
  const numbers = async (values: Quantizer["scale"]): Promise<ArrayLike<number>> =>
    "stride" in values ? Array.from((await read(values)).data as Float64Array, Number) : (values as readonly number[]);
  return { scale: await numbers(scale), zeroPoint: await numbers(zeroPoint), ...(axis !== undefined && { axis }) };
}

/** `q [d0, …] → w [same]` in float32, rounded once, as PyTorch's `dequantize`. */
export function dequantize(quantized: TensorData, { scale, zeroPoint, axis }: ChannelScales): TensorData {
  const { shape } = quantized;
  const data = quantized.data as Int8Array;
  const inner = axis === undefined ? data.length : shape.slice(axis + 1).reduce((product, size) => product * size, 1);
  const channels = axis === undefined ? 1 : shape[axis]!;
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++) {
    const channel = Math.floor(i / inner) % channels;
    out[i] = (data[i]! - zeroPoint[channel]!) * Math.fround(scale[channel]!);
  }
  return { dtype: "float32", shape, data: out };
}

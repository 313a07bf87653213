import { check, type DType } from "../graph/index.ts";

/** Numbers of TensorProto.DataType in onnx.proto. */
export const ONNX_TYPE = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const satisfies Record<DType, number>;

/** The type with a number of TensorProto.DataType. Throws if it is not supported. */
export function dtypeOfOnnx(type: number): DType {
  const found = Object.entries(ONNX_TYPE).find(([, number]) => number === type);
  check(found, () => `ONNX element type ${type} is not supported; supported are ${Object.keys(ONNX_TYPE).join(", ")}`);
  return found[0] as DType;
}

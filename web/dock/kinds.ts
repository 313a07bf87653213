/** Families of rows, by their type, for the colors of table and bars. */
import type { Kind } from "convnets/draw";
import type { Row } from "convnets/summary";

const BY_TYPE: readonly (readonly [RegExp, Kind])[] = [
  [/^Conv/, "conv"],
  [/^Linear|Gemm|MatMul/, "linear"],
  [/Pool/, "pool"],
  [/Norm|^LocalResponse/, "norm"],
  [/Softmax$/, "softmax"],
  [/^Dropout/, "dropout"],
  [/^(ReLU|ReLU6|CELU|ELU|GELU|SELU|SiLU|Mish|Tanh|PReLU|LeakyReLU|Hard|Sigmoid|Softplus|Relu|Clip)/, "activation"],
  [/^(Add|Concat|Mul|Sum)/, "join"],
];

export function kindOf({ type, kernelSize }: Row): Kind {
  const [, kind = "other"] = BY_TYPE.find(([pattern]) => pattern.test(type)) ?? [];
  const sizes = typeof kernelSize === "number" ? [kernelSize] : kernelSize;
  return kind === "conv" && sizes?.every((size) => size === 1) ? "pointwise" : kind;
}

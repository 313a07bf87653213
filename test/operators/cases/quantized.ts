import fc from "fast-check";
import { type Attributes, type DType, Float, type TensorData, tensor } from "../../../src/graph/index.ts";
import { type Case, type Family, family } from "../../support/family.ts";

const size = fc.integer({ min: 1, max: 4 });

/** Scales are powers of 2, so that nothing is rounded but what is to be. */
const [X, W, Y] = [0.25, 0.5, 1];
const [ZERO, OUT] = [3, 10];

interface Options {
  domain?: string;
  attributes?: Attributes;
  types?: readonly DType[];
  outputs?: number;
}

type Extra = number | readonly [value: number, dtype: DType] | undefined;

/** The operator over whole numbers in these types: a number stands for an input, [value, type] for a constant. */
function apply(
  op: string,
  given: readonly Extra[],
  { domain = "", attributes = {}, types = [] }: Options = {},
): Case["build"] {
  return (x) => {
    const { ops } = x[0]!.tracer;
    const inputs = given.map((item) => {
      if (item === undefined) return undefined;
      if (typeof item === "number") return ops.cast(x[item]!.value, types[item] ?? "uint8");
      const [value, dtype] = item;
      return ops.constant(tensor(dtype, [], [value]));
    });
    const [y] = ops.emit(op, inputs, attributes, { domain });
    return x[0]!.wrap(ops.cast(y!, "float32"));
  };
}

const scale = (value: number) => [value, "float32"] as const;
const zero = (value: number, dtype: DType = "uint8") => [value, dtype] as const;
const round = (real: string) => `(torch.round(${real}) + ${OUT}).clamp(0, 255)`;
const microsoft = { domain: "com.microsoft" };

const quantize = (domain: string): Family =>
  family(fc.record({ C: size, W: size }), ({ C, W }, N, draw) => ({
    inputs: [draw.integers([N, C, W], -40, 40)],
    wrt: [],
    build: apply("QuantizeLinear", [0, scale(4), zero(OUT)], { domain, types: ["float32"] }),
    torch: round("x[0] / 4"),
  }));
const dequantize = (domain: string): Family =>
  family(fc.record({ C: size, W: size }), ({ C, W }, N, draw) => ({
    inputs: [draw.integers([N, C, W], 0, 255)],
    wrt: [],
    build: apply("DequantizeLinear", [0, scale(X), zero(ZERO)], { domain }),
    torch: `(x[0] - ${ZERO}) * ${X}`,
  }));
const unary = (op: string, real: string, attributes: Attributes = {}): Family =>
  family(fc.record({ C: size, W: size }), ({ C, W }, N, draw) => ({
    inputs: [draw.integers([N, C, W], 0, 15)],
    wrt: [],
    build: apply(op, [0, scale(X), zero(ZERO), scale(Y / 64), zero(OUT)], { ...microsoft, attributes }),
    torch: round(`${real.replace("x", `((x[0] - ${ZERO}) * ${X})`)} * 64`),
  }));
const binary = (op: string, sign: string): Family =>
  family(fc.record({ C: size, W: size, wide: fc.boolean() }), ({ C, W: width, wide }, N, draw) => ({
    inputs: [draw.integers([N, C, width], 0, 15), draw.integers(wide ? [N, C, width] : [C, 1], 0, 15)],
    batched: wide ? [0, 1] : [0],
    wrt: [],
    build: apply(op, [0, scale(X), zero(ZERO), 1, scale(W), zero(1), scale(Y), zero(OUT)], microsoft),
    torch: round(`((x[0] - ${ZERO}) * ${X}) ${sign} ((x[1] - 1) * ${W})`),
  }));
const product = fc.record({ M: size, K: size, columns: size });
const conv = fc.record({
  C: size,
  O: size,
  kernel: fc.integer({ min: 1, max: 3 }),
  pad: fc.integer({ min: 0, max: 1 }),
  side: fc.integer({ min: 3, max: 5 }),
});
const window = (kernel: number, pad: number) => ({ kernel_shape: [kernel, kernel], pads: [pad, pad, pad, pad] });

/** Numbers that cover 0 to 255, so that the scale is 1. */
function covering(data: TensorData<"float32">): TensorData<"float32"> {
  data.data[0] = 0;
  data.data[1] = 255;
  return data;
}

export const quantized: Record<string, Family> = {
  QuantizeLinear: quantize(""),
  DequantizeLinear: dequantize(""),
  "com.microsoft.QuantizeLinear": quantize("com.microsoft"),
  "com.microsoft.DequantizeLinear": dequantize("com.microsoft"),
  DynamicQuantizeLinear: family(fc.record({ C: size, W: size }), ({ C, W: width }, N, draw) => ({
    inputs: [covering(draw.integers([N, C, width + 1], 0, 255))],
    batched: [],
    wrt: [],
    build: apply("DynamicQuantizeLinear", [0], { types: ["float32"] }),
    torch: "x[0]",
  })),
  QLinearConv: family(conv, ({ C, O, kernel, pad, side }, N, draw) => ({
    inputs: [
      draw.integers([N, C, side, side], 0, 15),
      draw.integers([O, C, kernel, kernel], -4, 4),
      draw.integers([O], -20, 20),
    ],
    wrt: [],
    build: apply("QLinearConv", [0, scale(X), zero(ZERO), 1, scale(W), zero(0, "int8"), scale(Y), zero(OUT), 2], {
      attributes: window(kernel, pad),
      types: ["uint8", "int8", "int32"],
    }),
    torch: round(`F.conv2d(x[0] - ${ZERO}, x[1], x[2], padding=${pad}) * ${X * W}`),
  })),
  ConvInteger: family(conv, ({ C, O, kernel, pad, side }, N, draw) => ({
    inputs: [draw.integers([N, C, side, side], 0, 15), draw.integers([O, C, kernel, kernel], 0, 9)],
    wrt: [],
    build: apply("ConvInteger", [0, 1, zero(ZERO), zero(5)], { attributes: window(kernel, pad) }),
    torch: `F.conv2d(x[0] - ${ZERO}, x[1] - 5, padding=${pad})`,
  })),
  QLinearMatMul: family(product, ({ M, K, columns }, N, draw) => ({
    inputs: [draw.integers([N, M, K], 0, 15), draw.integers([K, columns], -4, 4)],
    wrt: [],
    build: apply("QLinearMatMul", [0, scale(X), zero(ZERO), 1, scale(W), zero(0, "int8"), scale(Y), zero(OUT)], {
      types: ["uint8", "int8"],
    }),
    torch: round(`((x[0] - ${ZERO}) @ x[1]) * ${X * W}`),
  })),
  MatMulInteger: family(product, ({ M, K, columns }, N, draw) => ({
    inputs: [draw.integers([N, M, K], 0, 15), draw.integers([K, columns], 0, 9)],
    wrt: [],
    build: apply("MatMulInteger", [0, 1, zero(ZERO), zero(5)]),
    torch: `(x[0] - ${ZERO}) @ (x[1] - 5)`,
  })),
  "com.microsoft.QGemm": family(
    fc.record({ K: size, columns: size, turned: fc.boolean(), real: fc.boolean() }),
    ({ K, columns, turned, real }, N, draw) => {
      const sum = `((x[0] - ${ZERO}) @ x[1]${turned ? ".t()" : ""} + x[2]) * ${X * W}`;
      const output = real ? [] : [scale(Y), zero(OUT)];
      return {
        inputs: [
          draw.integers([N, K], 0, 15),
          draw.integers(turned ? [columns, K] : [K, columns], -4, 4),
          draw.integers([columns], -20, 20),
        ],
        wrt: [],
        build: apply("QGemm", [0, scale(X), zero(ZERO), 1, scale(W), zero(0, "int8"), 2, ...output], {
          ...microsoft,
          attributes: { transB: turned ? 1 : 0 },
          types: ["uint8", "int8", "int32"],
        }),
        torch: real ? sum : round(sum),
      };
    },
  ),
  "com.microsoft.QLinearAdd": binary("QLinearAdd", "+"),
  "com.microsoft.QLinearMul": binary("QLinearMul", "*"),
  "com.microsoft.QLinearConcat": family(fc.record({ C: size, W: size }), ({ C, W: width }, N, draw) => ({
    inputs: [draw.integers([N, C, width], 0, 15), draw.integers([N, 2, width], 0, 15)],
    batched: [0, 1],
    wrt: [],
    build: apply("QLinearConcat", [scale(Y), zero(OUT), 0, scale(X), zero(ZERO), 1, scale(W), zero(1)], {
      ...microsoft,
      attributes: { axis: 1 },
    }),
    torch: round(`torch.cat([(x[0] - ${ZERO}) * ${X}, (x[1] - 1) * ${W}], 1)`),
  })),
  "com.microsoft.QLinearGlobalAveragePool": family(fc.record({ C: size }), ({ C }, N, draw) => ({
    inputs: [draw.integers([N, C, 2, 4], 0, 60)],
    wrt: [],
    build: apply("QLinearGlobalAveragePool", [0, scale(X), zero(ZERO), scale(X), zero(OUT)], microsoft),
    torch: round(`(x[0] - ${ZERO}).mean([2, 3], keepdim=True)`),
  })),
  "com.microsoft.QLinearAveragePool": family(
    fc.record({ C: size, side: fc.integer({ min: 2, max: 5 }) }),
    ({ C, side }, N, draw) => ({
      inputs: [draw.integers([N, C, side, side], 0, 60)],
      wrt: [],
      build: apply("QLinearAveragePool", [0, scale(X), zero(ZERO), scale(X), zero(OUT)], {
        ...microsoft,
        attributes: { kernel_shape: [2, 2] },
      }),
      torch: round(`F.avg_pool2d(x[0] - ${ZERO}, 2, stride=1)`),
    }),
  ),
  "com.microsoft.QLinearLeakyRelu": unary("QLinearLeakyRelu", "F.leaky_relu(x, 0.5)", { alpha: new Float(0.5) }),
  "com.microsoft.QLinearSigmoid": unary("QLinearSigmoid", "x.sigmoid()"),
};

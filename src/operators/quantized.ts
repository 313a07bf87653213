import {
  attribute,
  broadcast,
  check,
  type DType,
  formatShape,
  type Node,
  type TensorType,
  type Value,
} from "../graph/index.ts";
import { convolutionMacs, convolutionShape } from "./convolution.ts";
import { matmulShape, swapped } from "./linear.ts";
import { dtypeOfOnnx } from "./onnx-types.ts";
import { type Application, axisOf, elements, input, type Operator, sameAsInput } from "./operator.ts";
import { outputSizes, windowOf } from "./window.ts";

/*
 * Networks in whole numbers: real = scale · (integer − zero point). They are run as they are; none of these has a gradient, and
 * `dequantize` in an .onnx reader's options gives the network in real numbers.
 */

/** Type of a zero point, which is that of the integers. */
const typeOf = (zeroPoint: Value | undefined, otherwise: DType = "uint8"): DType => zeroPoint?.dtype ?? otherwise;

const quantize: Operator = {
  infer({ x, inputs, attributes, op }) {
    const to = attribute.int({ op, attributes }, "output_dtype", 0);
    return [{ dtype: to > 0 ? dtypeOfOnnx(to) : typeOf(inputs[2]), shape: x.shape }];
  },
  keeps: "classes",
  title: "quantize",
};

const dequantize: Operator = {
  infer: ({ x, w: scale }) => [{ dtype: scale.dtype, shape: x.shape }],
  keeps: "classes",
  title: "dequantize",
};

/** (A, scale, zero point, B, scale, zero point, scale and zero point of the output). */
const binary = (title: string): Operator => ({
  infer(node) {
    const [a, b] = [node.input(0), node.input(3)];
    const shape = broadcast(a.shape, b.shape);
    check(shape, () => `${node.op}: the shapes ${formatShape(a.shape)} and ${formatShape(b.shape)} do not broadcast`);
    return [{ dtype: a.dtype, shape }];
  },
  kind: "join",
  title,
});

const unary: Operator = { infer: sameAsInput, kind: "activation" };

/** Elements of the output times the size that a product sums over. */
const innerMacs = (node: Node, x: Value, axis: number) =>
  elements(node.outputs[0]!.shape) * elements([x.shape.at(axis)!]);

const flag = (node: Pick<Node, "op" | "attributes">, name: string) => attribute.int(node, name, 0) === 1;

function checkFirst(node: Application): void {
  check(
    attribute.int(node, "channels_last", 0) === 0,
    () => `${node.op}: channels in the last axis are not supported; quantize the model with channels in the second`,
  );
}

/** Operators on quantized tensors: x and w are integers, each followed by its scale and its zero point. */
export const quantized = {
  /** q = saturate(round(x / scale) + zero point) */
  QuantizeLinear: quantize,
  /** y = (q − zero point) · scale */
  DequantizeLinear: dequantize,
  "com.microsoft.QuantizeLinear": quantize,
  "com.microsoft.DequantizeLinear": dequantize,
  /** x → q in uint8, and the scale and zero point that cover all of x. */
  DynamicQuantizeLinear: {
    infer: ({ x }) => [
      { dtype: "uint8", shape: x.shape },
      { dtype: "float32", shape: [] },
      { dtype: "uint8", shape: [] },
    ],
    title: "quantize",
  },
  /** x [N, C, H, W], w [O, C/group, kH, kW] → y [N, O, outH, outW], all quantized; the bias is the last input. */
  QLinearConv: {
    infer: (node) => [
      { dtype: typeOf(node.inputs[7], node.x.dtype), shape: convolutionShape(node, node.x, node.input(3)) },
    ],
    macs: ({ inputs, outputs: [y] }) => convolutionMacs(y, inputs[3]),
    kind: "conv",
    title: "conv",
  },
  /** The same without scales: y in int32. */
  ConvInteger: {
    infer: (node) => [{ dtype: "int32", shape: convolutionShape(node, node.x, node.w) }],
    macs: ({ inputs, outputs: [y] }) => convolutionMacs(y, inputs[1]),
    kind: "conv",
    title: "conv",
  },
  /** x [..., M, K], w [..., K, N] → y [..., M, N], all quantized. */
  QLinearMatMul: {
    infer: (node) => [
      { dtype: typeOf(node.inputs[7], node.x.dtype), shape: matmulShape(node.op, node.x.shape, node.input(3).shape) },
    ],
    macs: (node) => innerMacs(node, input(node, 0), -1),
    kind: "linear",
    title: "linear",
  },
  MatMulInteger: {
    infer: (node) => [{ dtype: "int32", shape: matmulShape(node.op, node.x.shape, node.w.shape) }],
    macs: (node) => innerMacs(node, input(node, 0), -1),
    kind: "linear",
    title: "linear",
  },
  /** y = op(x)·op(w) + b; in float32 if no scale of the output is given. */
  "com.microsoft.QGemm": {
    infer(node) {
      const [a, b] = [node.x.shape, node.input(3).shape];
      const shape = matmulShape(node.op, flag(node, "transA") ? swapped(a) : a, flag(node, "transB") ? swapped(b) : b);
      return [{ dtype: node.inputs[7] ? typeOf(node.inputs[8], node.x.dtype) : "float32", shape }];
    },
    macs: (node) => innerMacs(node, input(node, 0), flag(node, "transA") ? -2 : -1),
    kind: "linear",
    title: "linear",
  },
  "com.microsoft.QLinearAdd": binary("+"),
  "com.microsoft.QLinearMul": binary("×"),
  /** (scale and zero point of the output, then each part with its scale and zero point). */
  "com.microsoft.QLinearConcat": {
    infer(node): TensorType[] {
      const parts = node.inputs.slice(2).filter((part, i): part is Value => i % 3 === 0 && part !== undefined);
      check(parts[0], () => `${node.op}: there is nothing to join`);
      const axis = axisOf(node.op, attribute.int(node, "axis"), parts[0].shape.length);
      const sizes = parts.map(({ shape }) => shape[axis]);
      check(
        sizes.every((size) => typeof size === "number"),
        () => `${node.op}: the sizes of axis ${axis} have to be known`,
      );
      const total = (sizes as number[]).reduce((sum, size) => sum + size, 0);
      return [{ dtype: parts[0].dtype, shape: parts[0].shape.map((dim, i) => (i === axis ? total : dim)) }];
    },
    kind: "join",
    title: "concat",
  },
  "com.microsoft.QLinearGlobalAveragePool": {
    infer(node) {
      checkFirst(node);
      const { dtype, shape } = node.x;
      return [{ dtype, shape: shape.map((dim, axis) => (axis < 2 ? dim : 1)) }];
    },
    keeps: "classes",
    kind: "pool",
    title: "avg pool",
  },
  "com.microsoft.QLinearAveragePool": {
    infer(node) {
      checkFirst(node);
      const { dtype, shape } = node.x;
      const sizes = outputSizes(node.op, shape, windowOf(node, shape));
      return [{ dtype, shape: [...shape.slice(0, 2), ...sizes] }];
    },
    keeps: "classes",
    kind: "pool",
    title: "avg pool",
  },
  "com.microsoft.QLinearLeakyRelu": { ...unary, title: "leaky ReLU" },
  "com.microsoft.QLinearSigmoid": { ...unary, keeps: "classes", title: "sigmoid" },
} as const satisfies Record<string, Operator>;

/** Whether an operator is one on quantized tensors. */
export const isQuantized = (op: string, domain = ""): boolean =>
  Object.hasOwn(quantized, domain === "" ? op : `${domain}.${op}`);

import {
  attribute,
  broadcast,
  check,
  formatShape,
  type Node,
  type Shape,
  type TensorType,
  type Value,
} from "../graph/index.ts";
import { unbroadcast } from "./elementwise.ts";
import {
  type Application,
  type Backward,
  elements,
  type GradientRules,
  type Gradients,
  input,
  type Operator,
} from "./operator.ts";
import type { Ops } from "./ops.ts";

/** With the last two axes exchanged. */
export function swapped(shape: Shape): Shape {
  return [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
}

/** Shape of a·b over the last two axes, with the leading axes broadcast. */
export function matmulShape(op: string, a: Shape, b: Shape): Shape {
  check(
    a.length >= 2 && b.length >= 2,
    () => `${op}: needs two matrices, but got ${formatShape(a)} and ${formatShape(b)}`,
  );
  const batch = broadcast(a.slice(0, -2), b.slice(0, -2));
  check(
    batch && (a.at(-1) === b.at(-2) || typeof a.at(-1) === "string" || typeof b.at(-2) === "string"),
    () => `${op}: ${formatShape(a)} and ${formatShape(b)} do not multiply: the inner sizes have to be equal`,
  );
  return [...batch, a.at(-2)!, b.at(-1)!];
}

type Attributed = Pick<Node, "op" | "attributes">;

const flag = (node: Attributed, name: string) => attribute.int(node, name, 0) === 1;

/** Whether either side of a product is transposed. */
const turns = (node: Attributed) => ({ transA: flag(node, "transA"), transB: flag(node, "transB") });

/** Type of op(x)·op(w), op being a transposition or nothing. */
function productType({ op, x, w }: Application, { transA = false, transB = false } = {}): TensorType[] {
  const shape = matmulShape(op, transA ? swapped(x.shape) : x.shape, transB ? swapped(w.shape) : w.shape);
  return [{ dtype: x.dtype, shape }];
}

/** Elements of the output times the size that the product sums over. */
function productMacs(node: Node, transA = false): number {
  const inner = input(node, 0).shape.at(transA ? -2 : -1)!;
  return elements(node.outputs[0]!.shape) * elements([inner]);
}

/** Products of matrices. */
export const linear = {
  /** y = alpha · op(x)·op(w) + beta · b, x [M, K], w [K, N], b broadcast to [M, N] → y [M, N] */
  Gemm: {
    infer(node) {
      const { x, w } = node;
      check(
        x.shape.length === 2 && w.shape.length === 2,
        () => `Gemm: needs two matrices, but got ${formatShape(x.shape)} and ${formatShape(w.shape)}`,
      );
      return productType(node, turns(node));
    },
    macs: (node) => productMacs(node, flag(node, "transA")),
    weights: { 1: "weight", 2: "bias" },
    kind: "linear",
    title: "linear",
  },
  /** y = x·w, x [..., M, K], w [..., K, N] → y [..., M, N] */
  MatMul: {
    infer: productType,
    macs: (node) => productMacs(node),
    weights: { 0: "weight", 1: "weight" },
    kind: "linear",
    title: "linear",
  },
  /** MatMul with either side transposed over its last two axes: an operator of ONNX Runtime. */
  "com.microsoft.FusedMatMul": {
    infer: (node) => productType(node, turns(node)),
    macs: (node) => productMacs(node, flag(node, "transA")),
  },
} as const satisfies Record<string, Operator>;

/** Gradients of y = op(x)·op(w). */
function productGradients(g: Ops, { x, w }: Backward, dy: Value, { transA = false, transB = false } = {}): Gradients {
  const dx = () =>
    transA ? g.matmulT(w, dy, { transA: transB, transB: true }) : g.matmulT(dy, w, { transB: !transB });
  const dw = () =>
    transB ? g.matmulT(dy, x, { transA: true, transB: transA }) : g.matmulT(x, dy, { transA: !transA });
  return [() => unbroadcast(g, dx(), x), () => unbroadcast(g, dw(), w)];
}

/** Gradient rules of the operators above. */
export const linearGradients = (): GradientRules<typeof linear> => ({
  Gemm(g, node) {
    const { inputs, dy } = node;
    const b = inputs[2];
    return [
      ...productGradients(g, node, g.scale(dy, attribute.float(node, "alpha", 1)), turns(node)),
      b && (() => unbroadcast(g, g.scale(dy, attribute.float(node, "beta", 1)), b)),
    ];
  },
  MatMul: (g, node) => productGradients(g, node, node.dy),
  "com.microsoft.FusedMatMul": (g, node) =>
    productGradients(g, node, g.scale(node.dy, attribute.float(node, "alpha", 1)), turns(node)),
});

import { attribute, broadcast, check, type Dim, formatShape, type Shape, type Value } from "../graph/index.ts";
import { unbroadcast } from "./elementwise.ts";
import { type Application, elements, input, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";

function swapped(shape: Shape): Shape {
  return [...shape.slice(0, -2), shape.at(-1)!, shape.at(-2)!];
}

/** Shape of a·b over the last two axes, with the leading axes broadcast. */
function matmulShape(op: string, a: Shape, b: Shape): Shape {
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

const flag = (node: Application | Parameters<typeof attribute.int>[0], name: string) =>
  attribute.int(node, name, 0) === 1;

/** Gradients of y = op(a)·op(b), op being a transposition or nothing. */
function productGradients(
  g: Ops,
  dy: Value,
  a: Value,
  b: Value,
  transA: boolean,
  transB: boolean,
  needs: (i: number) => boolean,
) {
  const da = () =>
    transA ? g.matmulT(b, dy, { transA: transB, transB: true }) : g.matmulT(dy, b, { transB: !transB });
  const db = () =>
    transB ? g.matmulT(dy, a, { transA: true, transB: transA }) : g.matmulT(a, dy, { transA: !transA });
  return [needs(0) ? unbroadcast(g, da(), a) : undefined, needs(1) ? unbroadcast(g, db(), b) : undefined];
}

/** Products of matrices. */
export const linear = {
  /** y = alpha · op(a)·op(b) + beta · c, a [M, K], b [K, N], c broadcast to [M, N] → y [M, N] */
  Gemm: {
    infer(node) {
      const [a, b] = [input(node, 0), input(node, 1)];
      check(
        a.shape.length === 2 && b.shape.length === 2,
        () => `Gemm: needs two matrices, but got ${formatShape(a.shape)} and ${formatShape(b.shape)}`,
      );
      const shape = matmulShape(
        "Gemm",
        flag(node, "transA") ? swapped(a.shape) : a.shape,
        flag(node, "transB") ? swapped(b.shape) : b.shape,
      );
      return [{ dtype: a.dtype, shape }];
    },
    gradient(g, { node, dy, needs }) {
      const [a, b, c] = [input(node, 0), input(node, 1), node.inputs[2]];
      const scaled = g.scale(dy[0]!, attribute.float(node, "alpha", 1));
      return [
        ...productGradients(g, scaled, a, b, flag(node, "transA"), flag(node, "transB"), needs),
        c && needs(2) ? unbroadcast(g, g.scale(dy[0]!, attribute.float(node, "beta", 1)), c) : undefined,
      ];
    },
    macs: (node) => elements(node.outputs[0]!.shape) * innerSize(node.inputs[0]!, flag(node, "transA")),
  },
  /** y = a·b, a [..., M, K], b [..., K, N] → y [..., M, N] */
  MatMul: {
    infer(node) {
      const [a, b] = [input(node, 0), input(node, 1)];
      return [{ dtype: a.dtype, shape: matmulShape("MatMul", a.shape, b.shape) }];
    },
    gradient: (g, { node, dy, needs }) =>
      productGradients(g, dy[0]!, input(node, 0), input(node, 1), false, false, needs),
    macs: (node) => elements(node.outputs[0]!.shape) * innerSize(node.inputs[0]!, false),
  },
  /** MatMul with either side transposed over its last two axes: an operator of ONNX Runtime. */
  "com.microsoft.FusedMatMul": {
    infer(node) {
      const [a, b] = [input(node, 0), input(node, 1)];
      const shape = matmulShape(
        "FusedMatMul",
        flag(node, "transA") ? swapped(a.shape) : a.shape,
        flag(node, "transB") ? swapped(b.shape) : b.shape,
      );
      return [{ dtype: a.dtype, shape }];
    },
    gradient(g, { node, dy, needs }) {
      const scaled = g.scale(dy[0]!, attribute.float(node, "alpha", 1));
      const [a, b] = [input(node, 0), input(node, 1)];
      return productGradients(g, scaled, a, b, flag(node, "transA"), flag(node, "transB"), needs);
    },
    macs: (node) => elements(node.outputs[0]!.shape) * innerSize(node.inputs[0]!, flag(node, "transA")),
  },
} as const satisfies Record<string, Operator>;

function innerSize({ shape }: Value, transposed: boolean): number {
  return elements([shape.at(transposed ? -2 : -1) as Dim]);
}

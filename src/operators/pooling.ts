import { attribute, type Node, tensor, type Value } from "../graph/index.ts";
import { elements, input, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { outputSize, outputSizes, type Window, windowOf } from "./window.ts";

/**
 * One axis of average pooling as a matrix [out, size]: row o holds 1/count where window o meets the input. The average over
 * a window of an image is then the product rows · x · columnsᵀ, whatever the padding, the rounding or the divisor.
 */
export function averagingMatrix(size: number, window: Window, axis: 0 | 1, includePad: boolean): Float32Array {
  const out = outputSize(size, window, axis);
  const { kernel, stride, dilation, before, after } = window;
  const matrix = new Float32Array(out * size);
  for (let o = 0; o < out; o++) {
    const met: number[] = [];
    let counted = 0;
    for (let k = 0; k < kernel[axis]; k++) {
      const at = o * stride[axis] - before[axis] + k * dilation[axis];
      if (at >= 0 && at < size) met.push(at);
      // padding counts, but not what hangs over it with ceil_mode
      if (at < size + after[axis]) counted++;
    }
    for (const at of met) matrix[o * size + at] = 1 / (includePad ? counted : met.length);
  }
  return matrix;
}

/** Windows of adaptive pooling along one axis: from ⌊o·size/out⌋ to ⌈(o+1)·size/out⌉ (PyTorch's rule). */
export function adaptiveMatrix(size: number, out: number): Float32Array {
  const matrix = new Float32Array(out * size);
  for (let o = 0; o < out; o++) {
    const start = Math.floor((o * size) / out);
    const end = Math.ceil(((o + 1) * size) / out);
    matrix.fill(1 / (end - start), o * size + start, o * size + end);
  }
  return matrix;
}

/** rows · x · columnsᵀ for each image and channel: x [N, C, H, W], rows [oH, H], columns [oW, W] → [N, C, oH, oW]. */
export function separable(g: Ops, x: Value, rows: Float32Array, columns: Float32Array): Value {
  const [H, W] = [x.shape[2] as number, x.shape[3] as number];
  const tall = g.matmul(g.constant(tensor("float32", [rows.length / H, H], rows)), x);
  return g.matmul(tall, g.constant(tensor("float32", [W, columns.length / W], transposed(columns, W))));
}

function transposed(matrix: Float32Array, columns: number): Float32Array {
  const rows = matrix.length / columns;
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!);
}

function averageGradient(g: Ops, node: Node, dy: Value): Value {
  const x = input(node, 0);
  const window = windowOf(node, x.shape);
  const [H, W] = [x.shape[2] as number, x.shape[3] as number];
  const [outH, outW] = [dy.shape[2] as number, dy.shape[3] as number];
  if (
    outH === 1 &&
    outW === 1 &&
    window.kernel[0] === H &&
    window.kernel[1] === W &&
    window.before.every((p) => p === 0)
  ) {
    return g.expand(g.scale(dy, 1 / (H * W)), x);
  }
  const includePad = attribute.int(node, "count_include_pad", 0) === 1;
  const rows = averagingMatrix(H, window, 0, includePad);
  const columns = averagingMatrix(W, window, 1, includePad);
  return separable(g, dy, transposed(rows, H), transposed(columns, W));
}

/**
 * Gradient of max pooling: dy goes to the element that won its window, the first one where several are equal.
 *
 * MaxPool's second output numbers the winners over the whole input, so the gradient is one scattered sum.
 */
function maxGradient(g: Ops, node: Node, dy: Value): Value {
  const x = input(node, 0);
  const [, indices] = g.emit("MaxPool", [x], node.attributes, { outputs: 2 });
  return scatterSum(g, dy, indices!, x);
}

/** Zeros of the shape of x, with dy added at flat positions. */
function scatterSum(g: Ops, dy: Value, positions: Value, x: Value): Value {
  const flat = (value: Value) => g.one("Reshape", [value, g.ints([-1])]);
  const empty = flat(g.expand(g.scalar(0), x));
  const sum = g.one("ScatterElements", [empty, flat(positions), flat(dy)], { axis: 0, reduction: "add" });
  return g.reshape(sum, x.shape);
}

/** Pooling over images: x [N, C, H, W] → y [N, C, outH, outW]. */
export const pooling = {
  /** The second output, where it is used, numbers the winners over the whole of x. */
  MaxPool: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const out = [shape[0]!, shape[1]!, ...outputSizes("MaxPool", shape, windowOf(node, shape))];
      return [
        { dtype, shape: out },
        { dtype: "int64", shape: out },
      ];
    },
    gradient: (g, { node, dy }) => [maxGradient(g, node, dy[0]!)],
  },
  AveragePool: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      return [{ dtype, shape: [shape[0]!, shape[1]!, ...outputSizes("AveragePool", shape, windowOf(node, shape))] }];
    },
    gradient: (g, { node, dy }) => [averageGradient(g, node, dy[0]!)],
  },
  GlobalAveragePool: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      return [{ dtype, shape: [shape[0]!, shape[1]!, ...shape.slice(2).map(() => 1)] }];
    },
    gradient(g, { node, dy }) {
      const x = input(node, 0);
      return [g.expand(g.scale(dy[0]!, 1 / elements(x.shape.slice(2))), x)];
    },
  },
} as const satisfies Record<string, Operator>;

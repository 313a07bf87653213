import { attribute, type Dim, type Shape, type TensorType, tensor, type Value } from "../graph/index.ts";
import { maxPoolGradient } from "./max-pool-gradient.ts";
import { type Application, type Backward, elements, type GradientRules, type Operator } from "./operator.ts";
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

export function transposed(matrix: Float32Array, columns: number): Float32Array {
  const rows = matrix.length / columns;
  return Float32Array.from(matrix, (_, i) => matrix[(i % rows) * columns + Math.floor(i / rows)]!);
}

/** Pooling of each channel: [N, C, …] → [N, C, sizes…]. */
const pooled = ({ x: { dtype, shape } }: Application, sizes: Shape): TensorType[] => [
  { dtype, shape: [...shape.slice(0, 2), ...sizes] },
];

const windowSizes = (node: Application) => outputSizes(node.op, node.x.shape, windowOf(node, node.x.shape));
const onePixel = (node: Application) =>
  pooled(
    node,
    node.x.shape.slice(2).map(() => 1),
  );

/** Pooling over images: x [N, C, H, W] → y [N, C, outH, outW]. */
export const pooling = {
  /** The second output, where it is used, numbers the winners over the whole of x. */
  MaxPool: {
    infer(node) {
      const [y] = pooled(node, windowSizes(node));
      return [y!, { dtype: "int64", shape: y!.shape }];
    },
    kind: "pool",
    title: "max pool",
  },
  /** The way back from MaxPool's winners; the shape of the output is the third input. */
  MaxUnpool: { infer: (node) => [{ dtype: node.x.dtype, shape: node.sizes(2) }] },
  AveragePool: {
    infer: (node) => pooled(node, windowSizes(node)),
    keeps: "classes",
    kind: "pool",
    title: "avg pool",
  },
  GlobalAveragePool: {
    infer: onePixel,
    keeps: "classes",
    kind: "pool",
    title: "avg pool",
  },
  GlobalMaxPool: {
    infer: onePixel,
    keeps: "classes",
    kind: "pool",
    title: "max pool",
  },
} as const satisfies Record<string, Operator>;

function averageGradient(g: Ops, node: Backward): Value {
  const { x, dy } = node;
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

function maxGradient(g: Ops, node: Backward): Value {
  const { x, y } = node;
  const window = windowOf(node, x.shape);
  const isGlobal = ([0, 1] as const).every(
    (axis) => window.kernel[axis] === x.shape[axis + 2] && window.before[axis] === 0 && y.shape[axis + 2] === 1,
  );
  return isGlobal ? globalMaxGradient(g, node) : maxPoolGradient(g, node, window);
}

/** Gradient of the maximum over all pixels: dy goes to the first one that holds it. */
function globalMaxGradient(g: Ops, { x, dy }: Backward): Value {
  const [N, C, ...sizes] = x.shape as readonly [Dim, Dim, ...number[]];
  const pixels = elements(sizes);
  const winner = g.one("ArgMax", [g.reshape(x, [N, C, pixels])], { axis: 2, keepdims: 1 });
  const won = g.indicator(g.equal(winner, g.ints([...Array(pixels).keys()])));
  return g.reshape(g.mul(won, g.reshape(dy, [N, C, 1])), x.shape);
}

/** Gradient rules of the operators above. */
export const poolingGradients = (): GradientRules<typeof pooling> => ({
  MaxPool: (g, node) => [maxGradient(g, node)],
  AveragePool: (g, node) => [averageGradient(g, node)],
  GlobalAveragePool: (g, { x, dy }) => [g.expand(g.scale(dy, 1 / elements(x.shape.slice(2))), x)],
  GlobalMaxPool: (g, node) => [globalMaxGradient(g, node)],
});

import {
  type Attributes,
  attribute,
  isStatic,
  type Shape,
  type TensorType,
  tensor,
  type Value,
} from "../graph/index.ts";
import { type Application, type Backward, elements, type GradientRules, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { explicitEnd, outputSize, outputSizes, type Window, windowOf } from "./window.ts";

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

/** Pixels of a row from which cutting rows apart costs little: ONNX Runtime copies row by row, on one thread. */
const LONG_ROW = 24;

/**
 * Gradient of max pooling: dy goes to the element that won its window, the first one where several are equal.
 *
 * MaxPool's second output numbers the winners over the whole input, so the gradient is one scattered sum. With stride 1, where
 * that output and the sum are as large as the input, comparing is faster, if rows are long enough to be cut at little cost; on
 * WebGPU, which has no such output, nothing else is possible.
 */
function maxGradient(g: Ops, { x, y, dy }: Backward, attributes: Attributes): Value {
  const window = windowOf({ op: "MaxPool", attributes }, x.shape);
  const plain = [...window.stride, ...window.dilation].every((step) => step === 1);
  const longRows = (x.shape[3] as number) >= LONG_ROW;
  if ((plain && longRows) || g.target === "webgpu") return comparedGradient(g, x, y, dy, window);
  const [, indices] = g.emit("MaxPool", [x], attributes, { outputs: 2 });
  const apart = window.kernel.every((size, axis) => window.dilation[axis]! * (size - 1) < window.stride[axis]!);
  return apart ? unpooled(g, dy, indices!, x) : scatterSum(g, dy, indices!, x);
}

/** Zeros of the shape of x, with dy at flat positions that are all different. */
function unpooled(g: Ops, dy: Value, positions: Value, x: Value): Value {
  const shape = isStatic(x.shape) ? g.ints(x.shape) : g.one("Shape", [x]);
  // the positions say all, so the window is left out: with its padding the engine would not believe the shape
  return g.one("MaxUnpool", [dy, positions, shape], { kernel_shape: [1, 1] });
}

/**
 * Max pooling is a maximum along rows of pixels, then one along columns; so is its gradient, backwards. The first winner in the
 * second step lies in the first row that holds the maximum, and in the first step it is the first of that row.
 */
function comparedGradient(g: Ops, x: Value, y: Value, dy: Value, window: Window): Value {
  const after = ([0, 1] as const).map((axis) => explicitEnd(x.shape[axis + 2] as number, window, axis));
  const explicit: Window = { ...window, after: after as [number, number], ceil: false };
  const rows = maxOfRows(g, x, explicit);
  const dRows = maxGradientAlong(g, rows, y, dy, explicit, 0);
  return maxGradientAlong(g, x, rows, dRows, explicit, 1);
}

/** Maximum along the width: x [N, C, H, W] → [N, C, H, outW] */
function maxOfRows(g: Ops, x: Value, { kernel, stride, dilation, before, after }: Window): Value {
  const attributes = { kernel_shape: [1, kernel[1]], strides: [1, stride[1]], dilations: [1, dilation[1]] };
  // what hangs over at the end may be more than engines take as padding
  if (after[1] >= kernel[1]) return g.one("MaxPool", [padLowest(g, x, 1, before[1], after[1])], attributes);
  return g.one("MaxPool", [x], { ...attributes, pads: [0, before[1], 0, after[1]] });
}

/** Pads along the height (0) or width (1) with what never wins. */
function padLowest(g: Ops, x: Value, along: 0 | 1, before: number, after: number): Value {
  // GPUs need not know infinities
  const lowest = g.target === "webgpu" ? -LARGEST_FLOAT32 : Number.NEGATIVE_INFINITY;
  return g.one("Pad", [x, g.ints(padsAlong(along, before, after)), g.scalar(lowest)]);
}

const LARGEST_FLOAT32 = (2 - 2 ** -23) * 2 ** 127;

/** Padding of images along the height (0) or width (1), as Pad takes it. */
const padsAlong = (along: 0 | 1, before: number, after: number) =>
  [0, 1, 2, 3, 0, 1, 2, 3].map((axis, i) => (axis !== along + 2 ? 0 : i < 4 ? before : after));

/** Gradient of y = maximum over windows of x along the height (0) or width (1). Every tap but the last is compared. */
function maxGradientAlong(g: Ops, x: Value, y: Value, dy: Value, window: Window, along: 0 | 1): Value {
  const [kernel, stride, dilation] = [window.kernel[along], window.stride[along], window.dilation[along]];
  const axis = along + 2;
  const out = y.shape[axis] as number;
  const padded = padLowest(g, x, along, window.before[along], window.after[along]);
  let left = dy;
  const shares: Value[] = [];
  for (let tap = 0; tap < kernel; tap++) {
    let share = left;
    if (tap < kernel - 1) {
      const start = tap * dilation;
      const met = g.slice(padded, [[axis, start, start + (out - 1) * stride + 1, stride]]);
      share = g.mul(left, g.indicator(g.equal(met, y)));
      left = g.sub(left, share);
    }
    shares.push(share);
  }
  return stride === 1 ? shiftedSum(g, x, shares, window, along) : interleavedSum(g, x, shares, window, along);
}

/** Σ of the shares of all taps, each moved to the elements of x that its tap met, at stride 1. */
function shiftedSum(g: Ops, x: Value, shares: readonly Value[], { dilation, before }: Window, along: 0 | 1): Value {
  const axis = along + 2;
  const size = x.shape[axis] as number;
  const moved = shares.flatMap((share, tap) => {
    const out = share.shape[axis] as number;
    // the share of window o belongs to element o + shift
    const shift = tap * dilation[along] - before[along];
    const [cutStart, cutEnd] = [Math.max(0, -shift), Math.max(0, out + shift - size)];
    // this tap meets nothing but padding
    if (cutStart + cutEnd >= out) return [];
    const kept = cutStart + cutEnd === 0 ? share : g.slice(share, [[axis, cutStart, out - cutEnd]]);
    const start = Math.max(0, shift);
    return [g.pad(kept, padsAlong(along, start, size - start - (out - cutStart - cutEnd)))];
  });
  return g.sum(moved);
}

/**
 * The same at larger strides s: the share of window o belongs to element o·s + tap·dilation of the padded x, that is to element
 * o + ⌊tap·dilation / s⌋ of every s-th, counted from tap·dilation mod s; these s parts are then dealt out in turn.
 */
function interleavedSum(g: Ops, x: Value, shares: readonly Value[], window: Window, along: 0 | 1): Value {
  const axis = along + 2;
  const [stride, dilation, before] = [window.stride[along], window.dilation[along], window.before[along]];
  const size = x.shape[axis] as number;
  const out = shares[0]!.shape[axis] as number;
  const length = out + Math.floor(((shares.length - 1) * dilation) / stride);
  const parts: Value[][] = Array.from({ length: stride }, () => []);
  shares.forEach((share, tap) => {
    const shift = Math.floor((tap * dilation) / stride);
    parts[(tap * dilation) % stride]!.push(g.pad(share, padsAlong(along, shift, length - out - shift)));
  });
  const shape = parts[0]![0]!.shape;
  const columns = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
  const nothing = () => g.expand(g.scalar(0), parts[0]![0]!);
  const dealt = g.concat(
    parts.map((part) => g.reshape(part.length > 0 ? g.sum(part) : nothing(), columns)),
    axis + 1,
  );
  const whole = g.reshape(dealt, [...shape.slice(0, axis), length * stride, ...shape.slice(axis + 1)]);
  // negative padding cuts off
  return g.pad(whole, padsAlong(along, -before, size + before - length * stride));
}

/** Zeros of the shape of x, with dy added at flat positions. */
function scatterSum(g: Ops, dy: Value, positions: Value, x: Value): Value {
  const flat = (value: Value) => g.one("Reshape", [value, g.ints([-1])]);
  const empty = flat(g.expand(g.scalar(0), x));
  const sum = g.one("ScatterElements", [empty, flat(positions), flat(dy)], { axis: 0, reduction: "add" });
  return g.reshape(sum, x.shape);
}

/** Gradient rules of the operators above. */
export const poolingGradients = (): GradientRules<typeof pooling> => ({
  MaxPool: (g, node) => [maxGradient(g, node, node.attributes)],
  AveragePool: (g, node) => [averageGradient(g, node)],
  GlobalAveragePool: (g, { x, dy }) => [g.expand(g.scale(dy, 1 / elements(x.shape.slice(2))), x)],
  GlobalMaxPool(g, node) {
    const size = node.x.shape.slice(2) as number[];
    return [maxGradient(g, node, { kernel_shape: size, strides: size })];
  },
});

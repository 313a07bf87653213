import { attribute, type Dim, type Node, product, type Value } from "../graph/index.ts";
import { turnedByBlocks } from "./blocked.ts";
import { blockedMaxPoolGradient } from "./blocked-pool.ts";
import { gatheredMaxPoolGradient } from "./gathered.ts";
import type { Backward } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { dealt, edge, isShort, wrappedShift } from "./shift.ts";
import { isWebGpu } from "./target.ts";
import { withoutViews } from "./views.ts";
import { explicitEnd, outputSize, type Window, windowOf } from "./window.ts";

/** One axis of a window that slides over a tensor. Sizes in elements. */
interface Line {
  /** Axis of the tensor. */
  readonly axis: number;
  readonly size: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  /** Padding in front of the first element. */
  readonly before: number;
  /** Padding behind the last one; what hangs over with ceil_mode is padding too. */
  readonly after: number;
}

function lineOf(window: Window, x: Value, along: 0 | 1, axis = along + 2): Line {
  const size = x.shape[along + 2] as number;
  return {
    axis,
    size,
    out: outputSize(size, window, along),
    kernel: window.kernel[along],
    stride: window.stride[along],
    dilation: window.dilation[along],
    before: window.before[along],
    after: explicitEnd(size, window, along),
  };
}

/** Pixels of a row from which cutting rows costs little: ONNX Runtime copies row by row, on one thread. */
const LONG_ROW = 24;

/**
 * Gradient of max pooling: dy goes to the element that won its window, the first one where several are equal.
 *
 *     x [N, C, H, W], y and dy [N, C, outH, outW] → dx [N, C, H, W]
 *
 * MaxPool's second output numbers the winners. ONNX Runtime computes it one element at a time, so this is written in other operators when
 * the graph is compiled (`lowerMaxPoolGradient`); GPUs have no such output.
 */
export function maxPoolGradient(g: Ops, node: Backward, window: Window): Value {
  const { x, y, dy } = node;
  if (isWebGpu(g.target)) return gatheredMaxPoolGradient(g, x, y, dy, window);
  const [, winners] = g.emit("MaxPool", [x], node.attributes, { outputs: 2 });
  const count = product(x.shape);
  const flat = (value: Value) => g.reshape(value, [product(value.shape)]);
  const zeros = g.reshape(g.expand(g.scalar(0), x), [count]);
  const sums = g.one("ScatterElements", [zeros, flat(winners!), flat(dy)], { axis: 0, reduction: "add" });
  return g.reshape(sums, x.shape);
}

/** Whether no element can be negative, as behind ReLUs. */
function isPositive(g: Ops, value: Value): boolean {
  const producer = g.graph.producer(value);
  if (!producer) return false;
  const isJoint = ["Concat", "MaxPool", "Reshape"].includes(producer.op);
  const inputs = producer.op === "Concat" ? producer.inputs : producer.inputs.slice(0, 1);
  const isRelu = producer.op === "Relu" || producer.attributes.activation === "Relu";
  return isRelu || (isJoint && inputs.every((input) => input && isPositive(g, input)));
}

/** Whether a ReLU follows max pooling, so that windows without a positive element have no gradient. */
function isOfRelu(g: Ops, dy: Value, x: Value, window: Window): boolean {
  const product = g.graph.producer(withoutViews(g.graph, dy));
  if (product?.op !== "Mul") return false;
  return product.inputs.some((factor) => {
    const slope = factor && g.graph.producer(factor);
    const relu = slope?.op === "HardSigmoid" ? g.graph.producer(slope.inputs[0]!) : undefined;
    const pool = relu?.op === "Relu" ? g.graph.producer(relu.inputs[0]!) : undefined;
    const isIts =
      pool?.op === "MaxPool" &&
      pool.inputs[0] === x &&
      JSON.stringify(windowOf(pool, x.shape)) === JSON.stringify(window);
    return isIts && attribute.float(slope!, "beta", 0.5) === 0;
  });
}

/** The sums of `maxPoolGradient` in operators that ONNX Runtime is fast at on processors; undefined for those of something else. */
export function lowerMaxPoolGradient(
  g: Ops,
  node: Node,
  [, winners, dy]: Node["inputs"],
  block: number | undefined,
): Value | undefined {
  const pool = winners && g.graph.producer(withoutViews(g.graph, winners));
  if (pool?.op !== "MaxPool" || attribute.string(node, "reduction", "none") !== "add") return undefined;
  const x = pool.inputs[0]!;
  const window = windowOf(pool, x.shape);
  const y = g.one("MaxPool", [x], pool.attributes);
  const dPooled = g.reshape(withoutViews(g.graph, dy!), y.shape);
  const dx =
    (block &&
      blockedMaxPoolGradient(g, x, dPooled, window, {
        block,
        ignoresZeros: isPositive(g, x) || isOfRelu(g, dPooled, x, window),
      })) ||
    comparedMaxPoolGradient(g, [x, y, dPooled], window, block);
  return g.reshape(dx, node.outputs[0]!.shape);
}

/**
 * Max pooling is a maximum along rows of pixels, then one along columns; so is its gradient, backwards. The first winner in the second step
 * lies in the first row that holds the maximum, and in the first step it is the first of that row.
 */
function comparedMaxPoolGradient(
  g: Ops,
  [x, y, dy]: readonly [Value, Value, Value],
  window: Window,
  block: number | undefined,
): Value {
  const [N, C, H, W] = x.shape as readonly [Dim, number, number, number];
  if (W >= LONG_ROW) {
    const [columns, rows] = [lineOf(window, x, 0), lineOf(window, x, 1)];
    const along = taps(g, x, rows);
    const highest = maximum(g, along);
    const dRows = winnersShare(g, highest, taps(g, highest, columns), y, dy, columns);
    return winnersShare(g, x, along, highest, dRows, rows);
  }
  const turn = (v: Value) => (block && turnedByBlocks(g, v)) || g.transpose(v, [1, 0]);
  // pixels in front, so that short rows are not cut one by one: [H, W, N·C]
  const front = (value: Value, h: number, w: number) => {
    const images = product([N, C]);
    return g.reshape(turn(g.reshape(value, [images, h * w])), [h, w, images]);
  };
  const [columns, rows] = [lineOf(window, x, 0, 0), lineOf(window, x, 1, 1)];
  const turned = front(x, H, W);
  const along = taps(g, turned, rows);
  const highest = maximum(g, along);
  const across = taps(g, highest, columns);
  const dRows = winnersShare(g, highest, across, maximum(g, across), front(dy, columns.out, rows.out), columns);
  const dx = winnersShare(g, turned, along, highest, dRows, rows);
  return g.reshape(turn(g.reshape(dx, [H * W, product([N, C])])), [N, C, H, W]);
}

const maximum = (g: Ops, values: readonly Value[]): Value =>
  values.reduce((most, value) => g.one("Max", [most, value]));

/** Whether padding shifts the rows of images that are too short to be copied one by one. */
const shiftsRows = ({ shape }: Value, axis: number, before: number, after: number) =>
  shape.length === 4 &&
  axis === 3 &&
  before === -after &&
  Math.abs(before) < Number(shape[3]) &&
  isShort(Number(shape[3]));

/** Pads an axis with what never wins. Negative padding cuts off. */
function padLowest(g: Ops, x: Value, axis: number, before: number, after: number): Value {
  if (before === 0 && after === 0) return x;
  if (shiftsRows(x, axis, before, after)) {
    const lowest = edge(g, x.shape[3] as number, after, { inside: 0, outside: Number.NEGATIVE_INFINITY });
    return g.add(wrappedShift(g, x, after), lowest);
  }
  return g.one("Pad", [x, g.ints(padsAlong(x, axis, before, after)), g.scalar(Number.NEGATIVE_INFINITY)]);
}

/** Padding of one axis, as Pad takes it. */
function padsAlong({ shape }: Value, axis: number, before: number, after: number): number[] {
  const end = (count: number) => shape.map((_, i) => (i === axis ? count : 0));
  return [...end(before), ...end(after)];
}

/** Where a tap, one element of the window, meets the input: window o meets element o + shift of those that count phase, phase + stride, … */
interface Tap {
  readonly phase: number;
  readonly shift: number;
}

/** The taps that meet more than padding. `length` is that of a phase. */
function tapsOf({ out, kernel, stride, dilation, before }: Line, length: number): Tap[] {
  return Array.from({ length: kernel }, (_, tap) => {
    const start = tap * dilation - before;
    const shift = Math.floor(start / stride);
    return { phase: start - shift * stride, shift };
  }).filter(({ shift }) => shift < length && shift + out > 0);
}

/** Elements of each of the `stride` phases of an axis: every stride-th element, the last ones padded. */
const phaseLength = ({ size, stride }: Line) => Math.ceil(size / stride);

/** What each tap meets: tensors of `out` elements along the axis. */
function taps(g: Ops, x: Value, line: Line): Value[] {
  const { axis, out } = line;
  const length = phaseLength(line);
  const phases = phasesOf(g, x, line);
  return tapsOf(line, length).map(({ phase, shift }) =>
    padLowest(g, phases[phase]!, axis, -shift, shift + out - length),
  );
}

/** Whether phases are made by a transposition, as strided cuts of the last axis are slow. */
const isDealt = ({ shape }: Value, { axis }: Line) => axis === shape.length - 1;

function phasesOf(g: Ops, x: Value, line: Line): Value[] {
  const { axis, size, stride } = line;
  if (stride === 1) return [x];
  const length = phaseLength(line);
  const padded = padLowest(g, x, axis, 0, length * stride - size);
  const indices = [...Array(stride).keys()];
  if (!isDealt(x, line)) return indices.map((i) => g.slice(padded, [[axis, i, length * stride, stride]]));
  const phases = dealt(g, padded, stride);
  return indices.map((i) => g.one("Gather", [phases, g.scalar(i, "int64")]));
}

/** Gradient of y = maximum over windows of x along one axis, from what the taps meet. Every tap but the last is compared. */
function winnersShare(g: Ops, x: Value, met: readonly Value[], y: Value, dy: Value, line: Line): Value {
  let left = dy;
  const shares = met.map((values, tap) => {
    if (tap === met.length - 1) return left;
    const share = g.mul(left, g.indicator(g.equal(values, y)));
    left = g.sub(left, share);
    return share;
  });
  const { axis, out, size, stride } = line;
  const length = phaseLength(line);
  const parts: Value[][] = Array.from({ length: stride }, () => []);
  tapsOf(line, length).forEach(({ phase, shift }, tap) => {
    const [share, after] = [shares[tap]!, length - shift - out];
    // what would wrap around is the share of padding, which is zero
    const isWrapped = shift !== 0 && shiftsRows(share, axis, shift, after);
    parts[phase]!.push(isWrapped ? wrappedShift(g, share, after) : g.pad(share, padsAlong(dy, axis, shift, after)));
  });
  const like = parts.find((part) => part.length > 0)![0]!;
  const sums = parts.map((part) => (part.length > 0 ? g.sum(part) : g.expand(g.scalar(0), like)));
  return g.pad(dealtOut(g, x, sums, line), padsAlong(x, axis, 0, size - length * stride));
}

/** The phases of an axis, element by element in turn. */
function dealtOut(g: Ops, x: Value, phases: readonly Value[], line: Line): Value {
  const [first] = phases as readonly [Value];
  if (phases.length === 1) return first;
  const { axis } = line;
  const [before, after] = [first.shape.slice(0, axis), first.shape.slice(axis + 1)];
  const length = first.shape[axis] as number;
  const whole = [...before, length * phases.length, ...after];
  if (!isDealt(x, line)) {
    const columns = phases.map((phase) => g.reshape(phase, [...before, length, 1, ...after]));
    return g.reshape(g.concat(columns, axis + 1), whole);
  }
  const rows = phases.map((phase) => g.reshape(phase, [1, product(phase.shape)]));
  return g.reshape(g.transpose(g.concat(rows, 0), [1, 0]), whole);
}

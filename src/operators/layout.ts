import {
  type Attributes,
  attribute,
  broadcast,
  check,
  type Dim,
  formatShape,
  isStatic,
  type Node,
  product,
  quotient,
  type Shape,
  type TensorData,
  type Value,
} from "../graph/index.ts";
import { unbroadcast } from "./elementwise.ts";
import { type Evaluators, elementAt, everywhere, sameElements } from "./evaluation.ts";
import {
  type Application,
  axisOf,
  type Gradient,
  type GradientRules,
  input,
  type Operator,
  sameAsInput,
} from "./operator.ts";
import type { Ops } from "./ops.ts";
import { padGradient } from "./padding.ts";

/** The shape that Reshape gives: 0 keeps the size at that axis, one −1 takes what is left. */
function reshaped(from: Shape, target: Shape): Shape {
  const shape = target.map((size, axis) => (size === 0 ? (from[axis] ?? 0) : size));
  const open = shape.indexOf(-1);
  const total = product(from);
  const rest = product(shape.filter((_, axis) => axis !== open));
  const fit = quotient(total, rest);
  // whether named sizes fit is seen when the graph runs
  const fits = open >= 0 ? fit !== undefined : fit === 1 || (!isStatic([total, rest]) && fit === undefined);
  check(fits, () => `Reshape: ${formatShape(from)} does not reshape to [${target.join(", ")}]`);
  return shape.map((size, axis) => (axis === open ? fit! : size));
}

/** Sizes of the parts of a Split. */
function splitSizes(node: Application): readonly number[] {
  if (node.inputs[1]) return node.numbers(1);
  const size = sizeOf(node.x, node.axis(0));
  const count = attribute.int(node, "num_outputs", 2);
  const part = Math.ceil(size / count);
  return Array.from({ length: count }, (_, i) => Math.min(part, size - i * part));
}

/** What a Slice takes along one axis. */
export interface SlicePart {
  axis: number;
  start: number;
  step: number;
  size: Dim;
}

/** Start, step and size along each sliced axis, by ONNX's rules of clamping. */
export function sliceParts(node: Application): SlicePart[] {
  const { shape } = node.x;
  const [starts, ends] = [node.numbers(1), node.numbers(2)];
  const axes = node.inputs[3] ? node.numbers(3) : starts.map((_, i) => i);
  const steps = node.inputs[4] ? node.numbers(4) : starts.map(() => 1);
  return axes.map((given, i) => {
    const axis = axisOf("Slice", given, shape.length);
    const dim = shape[axis]!;
    const step = steps[i]!;
    if (typeof dim === "string") {
      const whole = step === 1 && starts[i] === 0 && ends[i]! >= 2 ** 31 - 1;
      check(whole, () => `Slice: axis ${axis} has the size ${dim}, which is not known`);
      return { axis, start: 0, step, size: dim };
    }
    const [start, end] = clamped(dim, starts[i]!, ends[i]!, step);
    return { axis, start, step, size: Math.max(0, Math.ceil((end - start) / step)) };
  });
}

/** Where a slice of an axis starts and ends. */
function clamped(size: number, start: number, end: number, step = 1): readonly [number, number] {
  const clamp = (at: number) => {
    const index = at < 0 ? at + size : at;
    return step > 0 ? Math.min(Math.max(index, 0), size) : Math.min(Math.max(index, -1), size - 1);
  };
  return [clamp(start), clamp(end)];
}

/** The sizes that a Shape node reads: those of x, or with `start` and `end` a part of them. */
export function shapeRead(node: Pick<Node, "op" | "inputs" | "attributes">): Shape {
  const { shape } = input(node, 0);
  const rank = shape.length;
  return shape.slice(...clamped(rank, attribute.int(node, "start", 0), attribute.int(node, "end", rank)));
}

function sizeOf({ shape, name }: Value, axis: number): number {
  const size = shape[axis];
  check(typeof size === "number", () => `the size of axis ${axis} of ${name} is not known`);
  return size;
}

/** The shape with another size along one axis. */
const withSize = (shape: Shape, axis: number, size: Dim): Shape => shape.map((dim, i) => (i === axis ? size : dim));

const filling = ({ value }: Attributes): TensorData | undefined =>
  value && typeof value === "object" && "dtype" in value ? value : undefined;

/** Operators that move or choose elements without computing. */
export const layout = {
  Reshape: {
    infer: (node) => [{ dtype: node.x.dtype, shape: reshaped(node.x.shape, node.sizes(1)) }],
    keeps: "elements",
  },
  /** x [d0, …] → y [d0·…·d(axis−1), d(axis)·…] */
  Flatten: {
    infer(node) {
      const { dtype, shape } = node.x;
      const axis = attribute.int(node, "axis", 1);
      const split = axis < 0 ? axis + shape.length : axis;
      return [{ dtype, shape: [product(shape.slice(0, split)), product(shape.slice(split))] }];
    },
    keeps: "elements",
  },
  /** Leaves out the axes of size 1 that the second input lists, or all of them. */
  Squeeze: {
    infer(node) {
      const { dtype, shape } = node.x;
      const axes = node.inputs[1] && node.numbers(1).map((axis) => axisOf("Squeeze", axis, shape.length));
      return [{ dtype, shape: shape.filter((dim, axis) => (axes ? !axes.includes(axis) : dim !== 1)) }];
    },
    keeps: "elements",
    title: "reshape",
  },
  /** Puts in axes of size 1, at the places in y that the second input lists. */
  Unsqueeze: {
    infer(node) {
      const { dtype, shape } = node.x;
      const axes = node.numbers(1);
      const rank = shape.length + axes.length;
      const added = axes.map((axis) => axisOf("Unsqueeze", axis, rank));
      const rest = [...shape];
      return [{ dtype, shape: Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : rest.shift()!)) }];
    },
    keeps: "elements",
    title: "reshape",
  },
  Transpose: {
    infer(node) {
      const { dtype, shape } = node.x;
      return [{ dtype, shape: permOf(node).map((axis) => shape[axis]!) }];
    },
    keeps: "elements",
  },
  Concat: {
    infer(node) {
      const axis = node.axis();
      const { dtype, shape: first } = node.x;
      const shapes = node.inputs.map((_, i) => node.input(i).shape);
      for (const shape of shapes) {
        check(
          shape.length === first.length && shape.every((dim, i) => i === axis || dim === first[i]),
          () => `Concat: ${shapes.map(formatShape).join(", ")} differ elsewhere than along axis ${axis}`,
        );
      }
      const total = shapes.reduce<Dim>((sum, shape) => addDims(sum, shape[axis]!), 0);
      return [{ dtype, shape: withSize(first, axis, total) }];
    },
    kind: "join",
  },
  /** Needs to know how many outputs there are: from the sizes, else from the attribute `num_outputs`, else two. */
  Split: {
    infer(node) {
      const { dtype, shape } = node.x;
      const axis = node.axis(0);
      return splitSizes(node).map((size) => ({ dtype, shape: withSize(shape, axis, size) }));
    },
  },
  /** Part of x along some axes: inputs are starts, ends, axes and steps. */
  Slice: {
    infer(node) {
      const { dtype, shape } = node.x;
      const parts = sliceParts(node);
      return [{ dtype, shape: shape.map((dim, axis) => parts.find((part) => part.axis === axis)?.size ?? dim) }];
    },
  },
  /** Pads with a constant or, by `mode`, with elements of x. */
  Pad: {
    infer(node) {
      const { dtype, shape } = node.x;
      const pads = node.numbers(1);
      return [{ dtype, shape: shape.map((dim, axis) => addDims(dim, pads[axis]! + pads[axis + shape.length]!)) }];
    },
  },
  /** Broadcasts x to the shape that the second input holds. */
  Expand: {
    infer(node) {
      const { dtype, shape } = node.x;
      const target = node.sizes(1);
      const wide = broadcast(shape, target);
      check(wide, () => `Expand: ${formatShape(shape)} does not expand to ${formatShape(target)}`);
      return [{ dtype, shape: wide }];
    },
  },
  /** The shape of x, or with `start` and `end` a part of it. */
  Shape: {
    infer: (node) => [{ dtype: "int64", shape: [shapeRead(node).length] }],
  },
  /** The number of elements of x. */
  Size: {
    infer: () => [{ dtype: "int64", shape: [] }],
  },
  /** Parts of x along an axis, by their positions: x [.., D, ..], indices [I…] → y [.., I…, ..] */
  Gather: {
    infer(node) {
      const { x, w: indices } = node;
      const axis = node.axis(0);
      return [{ dtype: x.dtype, shape: [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)] }];
    },
  },
  Constant: {
    infer({ attributes }) {
      const value = filling(attributes);
      check(value, () => "Constant: only tensors are supported");
      return [{ dtype: value.dtype, shape: value.shape }];
    },
  },
  /** The attribute `value`, 0 by default, all over the shape that the input holds. */
  /** Numbers from a start in steps, up to a limit: y [⌈(limit − start) / step⌉]. */
  Range: {
    infer(node) {
      const [[start], [limit], [step]] = [node.sizes(0), node.sizes(1), node.sizes(2)];
      const named = start === 0 && step === 1 ? limit : undefined;
      const isKnown = typeof start === "number" && typeof limit === "number" && typeof step === "number" && step !== 0;
      check(isKnown || named !== undefined, () => `Range: from ${start} to ${limit} in steps of ${step} is not known`);
      return [{ dtype: node.x.dtype, shape: [isKnown ? Math.max(0, Math.ceil((limit - start) / step)) : named!] }];
    },
  },
  ConstantOfShape: {
    infer: (node) => [{ dtype: filling(node.attributes)?.dtype ?? "float32", shape: node.sizes(0) }],
  },
  ScatterElements: { infer: sameAsInput },
} as const satisfies Record<string, Operator>;

function permOf(node: Application): readonly number[] {
  return attribute.ints(node, "perm", [...node.x.shape.keys()].reverse());
}

/** The permutation that undoes another. */
const inverse = (perm: readonly number[]) => perm.map((_, axis) => perm.indexOf(axis));

function addDims(a: Dim, b: Dim): Dim {
  if (a === 0) return b;
  if (b === 0) return a;
  check(isStatic([a, b]), () => `sizes ${a} and ${b} cannot be added before the graph runs`);
  return Number(a) + Number(b);
}

type ScatterPart = SlicePart & { readonly size: number };

/** Puts the elements of dy along an axis at start, start + step, … of an axis of zeros: the gradient of slicing one axis. */
function scatterAxis(g: Ops, dy: Value, { axis, start, step, size }: ScatterPart, total: number): Value {
  if (step < 0) {
    const reversed = g.slice(dy, [[axis, -1, -(2 ** 31), -1]]);
    return scatterAxis(g, reversed, { axis, start: start + (size - 1) * step, step: -step, size }, total);
  }
  let spread = dy;
  const before = dy.shape.slice(0, axis);
  const after = dy.shape.slice(axis + 1);
  if (step > 1) {
    const apart = g.reshape(dy, [...before, size, 1, ...after]);
    const pads = apart.shape.map(() => 0);
    const wide = g.pad(apart, [...pads, ...pads.map((_, i) => (i === axis + 1 ? step - 1 : 0))]);
    spread = g.reshape(wide, [...before, size * step, ...after]);
    const reach = Math.min(size * step, total - start);
    if (reach < size * step) spread = g.slice(spread, [[axis, 0, reach]]);
  }
  const reach = spread.shape[axis] as number;
  const zeros = dy.shape.map(() => 0);
  const at = (count: number) => zeros.map((_, i) => (i === axis ? count : 0));
  return g.pad(spread, [...at(start), ...at(total - start - reach)]);
}

/** The gradient where only the shape changes: dy in the shape of x. */
const reshapedBack: Gradient = (g, { x, dy }) => [g.reshape(dy, x.shape)];

/** Gradient rules of the operators above. */
export const layoutGradients = (): GradientRules<typeof layout> => ({
  Reshape: reshapedBack,
  Flatten: reshapedBack,
  Squeeze: reshapedBack,
  Unsqueeze: reshapedBack,
  Transpose: (g, node) => [g.transpose(node.dy, inverse(permOf(node)))],
  Concat(g, node) {
    const axis = node.axis();
    const sizes = node.inputs.map((value) => sizeOf(value!, axis));
    return sizes.length === 1 ? [node.dy] : g.split(node.dy, sizes, axis);
  },
  Split(g, node) {
    const parts = node.outputs.map((y, i) => node.dys[i] ?? g.expand(g.scalar(0), y));
    return [g.concat(parts, node.axis(0))];
  },
  Slice(g, node) {
    const { x, dy } = node;
    const parts = sliceParts(node).filter(({ size, step, axis }) => step !== 1 || size !== x.shape[axis]);
    return [parts.reduce((dx, part) => scatterAxis(g, dx, part as ScatterPart, sizeOf(x, part.axis)), dy)];
  },
  Pad: padGradient,
  Expand: (g, { x, dy }) => [unbroadcast(g, dy, x)],
  Gather(g, node) {
    const { x, w: indices, dy } = node;
    const axis = node.axis(0);
    const count = product(indices.shape);
    const parts = g.reshape(dy, withSize(x.shape, axis, count));
    const row = g.reshape(
      indices,
      x.shape.map((_, i) => (i === axis ? count : 1)),
    );
    const inputs = [g.expand(g.scalar(0), x), g.expand(row, parts), parts];
    return [g.one("ScatterElements", inputs, { axis, reduction: "add" })];
  },
});

/** Constant evaluation of the operators above. */
export const layoutElements = (): Evaluators<typeof layout> => ({
  Reshape: sameElements,
  Flatten: sameElements,
  Squeeze: sameElements,
  Unsqueeze: sameElements,
  Transpose(node, { shape }) {
    const axes = inverse(permOf(node));
    const from = (place: readonly number[]) => axes.map((axis) => place[axis]!);
    return everywhere(shape, (place) => elementAt(node, 0, from(place)));
  },
  Concat(node, { shape }) {
    const axis = node.axis();
    const owners = node.inputs.flatMap((value, i) =>
      Array.from({ length: sizeOf(value!, axis) }, (_, at) => [i, at] as const),
    );
    return everywhere(shape, (place) => {
      const [i, at] = owners[place[axis]!]!;
      return elementAt(node, i, place.with(axis, at));
    });
  },
  // the parts of a vector follow each other
  Split: ({ x, known }) => (x.shape.length === 1 ? known(0) : undefined),
  Slice(node, { shape }) {
    const parts = sliceParts(node);
    const from = (at: number, axis: number) => {
      const { start, step } = parts.find((part) => part.axis === axis) ?? { start: 0, step: 1 };
      return start + at * step;
    };
    return everywhere(shape, (place) => elementAt(node, 0, place.map(from)));
  },
  Expand: (node, { shape }) => everywhere(shape, (place) => elementAt(node, 0, place)),
  Shape: shapeRead,
  Size: ({ x }) => [product(x.shape)],
  Gather(node, { shape }) {
    const axis = node.axis(0);
    const size = sizeOf(node.x, axis);
    const end = axis + node.w.shape.length;
    return everywhere(shape, (place) => {
      const at = elementAt(node, 1, place.slice(axis, end));
      if (typeof at !== "number" || at < -size || at >= size) return undefined;
      return elementAt(node, 0, [...place.slice(0, axis), at < 0 ? at + size : at, ...place.slice(end)]);
    });
  },
  Range({ known }, { shape: [count = 0] }) {
    const [start, step] = [known(0)?.[0], known(2)?.[0]];
    return typeof start === "number" && typeof step === "number"
      ? Array.from({ length: count }, (_, i) => start + i * step)
      : undefined;
  },
  ConstantOfShape({ attributes }, { shape }) {
    const value = Number(filling(attributes)?.data[0] ?? 0);
    return everywhere(shape, () => value);
  },
});

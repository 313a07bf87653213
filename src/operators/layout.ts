import {
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
import { type Application, axisOf, constantInput, input, type Operator, shapeInput } from "./operator.ts";
import type { Ops } from "./ops.ts";

/** ONNX's Reshape: 0 keeps the size at that axis, one −1 takes what is left. */
function reshaped(op: string, from: Shape, target: readonly number[]): Shape {
  const shape: Dim[] = target.map((size, axis) => (size === 0 ? (from[axis] ?? 0) : size));
  const open = target.indexOf(-1);
  const rest = product(shape.filter((_, axis) => axis !== open));
  const total = product(from);
  const fit = quotient(total, rest);
  const impossible = () => `${op}: ${formatShape(from)} does not reshape to [${target.join(", ")}]`;
  if (open >= 0) {
    check(fit !== undefined, impossible);
    shape[open] = fit;
  } else {
    check(fit === 1 || (typeof total === "string" && fit === undefined), impossible);
  }
  return shape;
}

/** Gradient of an operator that only rearranges: dy in the shape of x. */
const backToShape: Operator["gradient"] = (g, { node, dy }) => [g.reshape(dy[0]!, input(node, 0).shape)];

/** Axes of Squeeze and Unsqueeze: an input in this opset. */
function axesInput(node: Application, rank: number): readonly number[] | undefined {
  return node.inputs[1] && constantInput(node, 1).map((axis) => axisOf(node.op, axis, rank));
}

/** Sizes of the parts of a Split. */
function splitSizes(node: Application, total: Dim, outputs: number): readonly number[] {
  if (node.inputs[1]) return constantInput(node, 1);
  check(typeof total === "number", () => `Split: the axis has the size ${total}, which is not known`);
  const size = Math.ceil(total / outputs);
  return Array.from({ length: outputs }, (_, i) => Math.min(size, total - i * size));
}

export interface SlicePart {
  axis: number;
  start: number;
  step: number;
  size: Dim;
}

/** Start, step and size along each sliced axis, by ONNX's rules of clamping. */
export function sliceParts(node: Application): SlicePart[] {
  const { shape } = input(node, 0);
  const [starts, ends] = [constantInput(node, 1), constantInput(node, 2)];
  const axes = node.inputs[3] ? constantInput(node, 3) : starts.map((_, i) => i);
  const steps = node.inputs[4] ? constantInput(node, 4) : starts.map(() => 1);
  return axes.map((given, i) => {
    const axis = axisOf("Slice", given, shape.length);
    const dim = shape[axis]!;
    const step = steps[i]!;
    if (typeof dim === "string") {
      const whole = step === 1 && starts[i] === 0 && ends[i]! >= 2 ** 31 - 1;
      check(whole, () => `Slice: axis ${axis} has the size ${dim}, which is not known`);
      return { axis, start: 0, step, size: dim };
    }
    const clamp = (at: number) => {
      const index = at < 0 ? at + dim : at;
      return step > 0 ? Math.min(Math.max(index, 0), dim) : Math.min(Math.max(index, -1), dim - 1);
    };
    const start = clamp(starts[i]!);
    return { axis, start, step, size: Math.max(0, Math.ceil((clamp(ends[i]!) - start) / step)) };
  });
}

/** The node as an application, for rules that need its constants once more. */
export function applied(g: Ops, node: Node): Application {
  const constant = (i: number) => {
    const data: TensorData | undefined = node.inputs[i] && g.graph.constants.get(node.inputs[i]);
    return data && Array.from(data.data as ArrayLike<number>, Number);
  };
  return { op: node.op, inputs: node.inputs, attributes: node.attributes, constant, shapeOf: () => undefined };
}

function perSize(value: Value, axis: number): number {
  const size = value.shape[axis];
  check(typeof size === "number", () => `the size of axis ${axis} of ${value.name} is not known`);
  return size;
}

/** Operators that move or choose elements without computing. */
export const layout = {
  Reshape: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const read = node.shapeOf(1);
      return [{ dtype, shape: read ?? reshaped("Reshape", shape, constantInput(node, 1)) }];
    },
    gradient: backToShape,
  },
  /** x [d0, …] → y [d0·…·d(axis−1), d(axis)·…] */
  Flatten: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const axis = attribute.int(node, "axis", 1);
      const split = axis < 0 ? axis + shape.length : axis;
      return [{ dtype, shape: [product(shape.slice(0, split)), product(shape.slice(split))] }];
    },
    gradient: backToShape,
  },
  Squeeze: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const axes = axesInput(node, shape.length);
      return [{ dtype, shape: shape.filter((dim, axis) => (axes ? !axes.includes(axis) : dim !== 1)) }];
    },
    gradient: backToShape,
  },
  Unsqueeze: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const axes = constantInput(node, 1);
      const rank = shape.length + axes.length;
      const added = axes.map((axis) => axisOf("Unsqueeze", axis, rank));
      const rest = [...shape];
      return [{ dtype, shape: Array.from({ length: rank }, (_, axis) => (added.includes(axis) ? 1 : rest.shift()!)) }];
    },
    gradient: backToShape,
  },
  Transpose: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const perm = permOf(node, shape.length);
      return [{ dtype, shape: perm.map((axis) => shape[axis]!) }];
    },
    gradient(g, { node, dy }) {
      const perm = permOf(node, input(node, 0).shape.length);
      return [
        g.transpose(
          dy[0]!,
          perm.map((_, axis) => perm.indexOf(axis)),
        ),
      ];
    },
  },
  Concat: {
    infer(node) {
      const first = input(node, 0);
      const axis = axisOf("Concat", attribute.int(node, "axis"), first.shape.length);
      const shapes = node.inputs.map((_, i) => input(node, i).shape);
      for (const shape of shapes) {
        check(
          shape.length === first.shape.length && shape.every((dim, i) => i === axis || dim === first.shape[i]),
          () => `Concat: ${shapes.map(formatShape).join(", ")} differ elsewhere than along axis ${axis}`,
        );
      }
      const total = shapes.reduce<Dim>((sum, shape) => addDims(sum, shape[axis]!), 0);
      return [{ dtype: first.dtype, shape: first.shape.map((dim, i) => (i === axis ? total : dim)) }];
    },
    gradient(g, { node, dy, needs }) {
      const axis = axisOf("Concat", attribute.int(node, "axis"), input(node, 0).shape.length);
      const sizes = node.inputs.map((value) => perSize(value!, axis));
      if (sizes.length === 1) return [dy[0]];
      const parts = g.emit("Split", [dy[0]!, g.ints(sizes)], { axis }, { outputs: sizes.length });
      return parts.map((part, i) => (needs(i) ? part : undefined));
    },
  },
  /** Needs to know how many outputs there are: from the sizes, else from the attribute `num_outputs`, else two. */
  Split: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const axis = axisOf("Split", attribute.int(node, "axis", 0), shape.length);
      const sizes = splitSizes(node, shape[axis]!, attribute.int(node, "num_outputs", 2));
      return sizes.map((size) => ({ dtype, shape: shape.map((dim, i) => (i === axis ? size : dim)) }));
    },
    gradient(g, { node, dy }) {
      const axis = axisOf("Split", attribute.int(node, "axis", 0), input(node, 0).shape.length);
      return [
        g.concat(
          node.outputs.map((y, i) => dy[i] ?? g.expand(g.scalar(0), y)),
          axis,
        ),
      ];
    },
  },
  Slice: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const parts = sliceParts(node);
      return [{ dtype, shape: shape.map((dim, axis) => parts.find((part) => part.axis === axis)?.size ?? dim) }];
    },
    gradient(g, { node, dy }) {
      const x = input(node, 0);
      const parts = sliceParts(applied(g, node)).filter(({ size, step, axis }) => step !== 1 || size !== x.shape[axis]);
      let dx = dy[0]!;
      for (const { axis, start, step, size } of parts)
        dx = scatterAxis(g, dx, axis, start, step, size as number, perSize(x, axis));
      return [dx];
    },
  },
  /** Pads with a constant (`mode` "constant"; other modes have no gradient here). */
  Pad: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const pads = constantInput(node, 1);
      return [{ dtype, shape: shape.map((dim, axis) => addDims(dim, pads[axis]! + pads[axis + shape.length]!)) }];
    },
    gradient(g, { node, dy }) {
      const mode = attribute.string(node, "mode", "constant");
      check(mode === "constant", () => `Pad: mode "${mode}" has no gradient here; only "constant" has`);
      const pads = constantInput(applied(g, node), 1);
      // what was added is cut off again, and zeros stand for what was cut off
      return [
        g.pad(
          dy[0]!,
          pads.map((count) => -count),
        ),
      ];
    },
  },
  Expand: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const target = shapeInput(node, 1);
      const wide = broadcast(shape, target);
      check(wide, () => `Expand: ${formatShape(shape)} does not expand to ${formatShape(target)}`);
      return [{ dtype, shape: wide }];
    },
    gradient(g, { node, dy }) {
      return [unbroadcast(g, dy[0]!, input(node, 0))];
    },
  },
  Shape: { infer: (node) => [{ dtype: "int64", shape: [input(node, 0).shape.length] }] },
  Size: { infer: () => [{ dtype: "int64", shape: [] }] },
  /** Parts of x along an axis, by their positions: x [.., D, ..], indices [I…] → y [.., I…, ..] */
  Gather: {
    infer(node) {
      const [data, indices] = [input(node, 0), input(node, 1)];
      const axis = axisOf("Gather", attribute.int(node, "axis", 0), data.shape.length);
      return [
        { dtype: data.dtype, shape: [...data.shape.slice(0, axis), ...indices.shape, ...data.shape.slice(axis + 1)] },
      ];
    },
    gradient(g, { node, dy }) {
      const [x, indices] = [input(node, 0), input(node, 1)];
      const axis = axisOf("Gather", attribute.int(node, "axis", 0), x.shape.length);
      const count = product(indices.shape);
      const parts = g.reshape(
        dy[0]!,
        x.shape.map((dim, i) => (i === axis ? count : dim)),
      );
      const row = g.reshape(
        indices,
        x.shape.map((_, i) => (i === axis ? count : 1)),
      );
      const inputs = [g.expand(g.scalar(0), x), g.expand(row, parts), parts];
      return [g.one("ScatterElements", inputs, { axis, reduction: "add" }), undefined];
    },
  },
  Constant: {
    infer(node) {
      const { value } = node.attributes;
      check(value && typeof value === "object" && "dtype" in value, () => "Constant: only tensors are supported");
      return [{ dtype: value.dtype, shape: value.shape }];
    },
  },
  ConstantOfShape: {
    infer(node) {
      const { value } = node.attributes;
      const dtype = value && typeof value === "object" && "dtype" in value ? value.dtype : "float32";
      return [{ dtype, shape: shapeInput(node, 0) }];
    },
  },
  ScatterElements: { infer: (node) => [{ dtype: input(node, 0).dtype, shape: input(node, 0).shape }] },
} as const satisfies Record<string, Operator>;

function permOf(node: Pick<Node, "op" | "attributes">, rank: number): readonly number[] {
  return attribute.ints(node, "perm", [...Array(rank).keys()].reverse());
}

function addDims(a: Dim, b: Dim): Dim {
  if (a === 0) return b;
  if (b === 0) return a;
  check(isStatic([a, b]), () => `sizes ${a} and ${b} cannot be added before the graph runs`);
  return Number(a) + Number(b);
}

/** Puts the elements of dy along an axis at start, start + step, … of an axis of zeros: the gradient of slicing one axis. */
function scatterAxis(g: Ops, dy: Value, axis: number, start: number, step: number, size: number, total: number): Value {
  if (step < 0) {
    const reversed = g.slice(dy, [[axis, -1, -(2 ** 31), -1]]);
    return scatterAxis(g, reversed, axis, start + (size - 1) * step, -step, size, total);
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

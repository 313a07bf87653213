/** TensorFlow's operators that move elements, and that compute with shapes. */
import { type Dim, product, quotient, type Shape, type Value } from "../graph/index.ts";
import type { Builder } from "./builder.ts";
import { ensure } from "./error.ts";
import { sizesOf, type TfCall, type TfValue } from "./tf-value.ts";

type Rule = (call: TfCall) => TfValue | readonly TfValue[];

const plain = (value: Value): TfValue => ({ held: { value, images: false } });
const passed: Rule = (call) => call.input(0);

/** The shape that a target means: −1 is what is left, and a batch that the converter fixed is open. */
export function targetShape(from: Shape, target: readonly Dim[]): Shape {
  const total = product(from);
  const at = target.indexOf(-1);
  if (at >= 0) {
    const left = quotient(total, product(target.filter((_, i) => i !== at)));
    ensure(left !== undefined, () => `[${from}] cannot become [${target}]`);
    return target.with(at, left);
  }
  const isFixed = product(target) !== total && product(target.slice(1)) === product(from.slice(1));
  return isFixed ? [from[0]!, ...target.slice(1)] : target;
}

const reshaped = (b: Builder, value: Value, shape: Shape): TfValue =>
  plain(b.reshape(value, targetShape(value.shape, shape)));

const reshape: Rule = (call) => reshaped(call.b, call.b.plain(call.held(0)), call.sizes(1));

const squeeze: Rule = (call) => {
  const first = call.input(0);
  if ("sizes" in first) return { ...first, isScalar: true };
  const value = call.b.plain(call.held(0));
  const rank = value.shape.length;
  const named = (call.numbers("squeeze_dims") ?? call.numbers("axis") ?? []).map((axis) =>
    axis < 0 ? axis + rank : axis,
  );
  const isLeft = (dim: Dim, axis: number) => (named.length > 0 ? !named.includes(axis) : dim !== 1);
  ensure(
    named.every((axis) => value.shape[axis] === 1),
    () => `[${value.shape}] has other sizes than 1 at [${named}]`,
  );
  return reshaped(call.b, value, value.shape.filter(isLeft));
};

const expandDims: Rule = (call) => {
  const first = call.input(0);
  const [given = 0] = call.ints(1);
  if ("sizes" in first) return { ...first, isScalar: false };
  const value = call.b.plain(call.held(0));
  const at = given < 0 ? given + value.shape.length + 1 : given;
  return reshaped(call.b, value, value.shape.toSpliced(at, 0, 1));
};

const transpose: Rule = (call) => {
  const value = call.b.plain(call.held(0));
  const order = call.ints(1);
  const isOrder = order.toSorted((p, q) => p - q).every((axis, i) => axis === i) && order.length === value.shape.length;
  ensure(isOrder, () => `[${order}] is no order of the axes of [${value.shape}]`);
  return plain(call.b.transpose(value, order));
};

const concat =
  (axisFirst: boolean): Rule =>
  (call) => {
    const last = call.inputs.length - 1;
    const [axis = 0] = call.ints(axisFirst ? 0 : last);
    const parts = axisFirst ? call.inputs.slice(1) : call.inputs.slice(0, -1);
    if (parts.some((part) => "sizes" in part)) {
      const sizes = parts.map(sizesOf);
      ensure(
        sizes.every((list) => list !== undefined),
        () => "it joins sizes with tensors",
      );
      return { sizes: sizes.flatMap((list) => list ?? []), isScalar: false };
    }
    const held = parts.map((_, i) => call.held(axisFirst ? i + 1 : i));
    ensure(held.length > 0, () => "it joins nothing");
    const { values, images } = call.b.aligned(held);
    const own = call.b.axis({ value: values[0]!, images }, axis);
    return { held: { value: call.b.ops.concat(values, own), images } };
  };

const split =
  (sized: boolean): Rule =>
  (call) => {
    const { b } = call;
    const x = call.held(sized ? 0 : 1);
    const [axis = 0] = call.ints(sized ? 2 : 0);
    const own = b.axis(x, axis);
    const total = x.value.shape[own];
    const count = call.number("num_split", 1);
    ensure(typeof total === "number", () => `it splits an axis of the size ${total}`);
    ensure(count > 0 && count <= 1000, () => `it splits into ${count} parts`);
    const sizes = sized ? call.ints(1) : Array.from({ length: count }, () => total / count);
    return b.ops.split(x.value, sizes, own).map((value) => ({ held: { value, images: x.images } }));
  };

/** Stacks sizes to a shape, or tensors along a new axis. */
const pack: Rule = (call) => {
  const sizes = call.inputs.map(sizesOf);
  if (sizes.every((list) => list?.length === 1)) return { sizes: sizes.map((list) => list![0]!), isScalar: false };
  const { b } = call;
  const values = call.inputs.map((_, i) => b.plain(call.held(i)));
  const rank = values[0]!.shape.length;
  const axis = call.number("axis", 0);
  const at = axis < 0 ? axis + rank + 1 : axis;
  return plain(
    b.ops.concat(
      values.map((value) => b.reshape(value, value.shape.toSpliced(at, 0, 1))),
      at,
    ),
  );
};

const has = (mask: number, axis: number) => (mask & (1 << axis)) !== 0;

const stridedSlice: Rule = (call) => {
  const first = call.input(0);
  for (const name of ["ellipsis_mask", "new_axis_mask"])
    ensure(call.number(name, 0) === 0, () => `its ${name} is not supported`);
  const [begins, ends, steps] = [call.ints(1), call.ints(2), call.ints(3)];
  const [beginMask, endMask, shrink] = ["begin_mask", "end_mask", "shrink_axis_mask"].map((name) =>
    call.number(name, 0),
  ) as [number, number, number]; // prettier-ignore
  if (!("held" in first)) {
    const sizes = sizesOf(first) ?? [];
    const step = steps[0] ?? 1;
    ensure(begins.length === 1 && step > 0, () => "it takes a part of a shape that is not supported");
    const start = has(beginMask, 0) ? 0 : begins[0]!;
    if (has(shrink, 0)) return { sizes: [sizes.at(start) ?? 1], isScalar: true };
    const part = sizes.slice(start, has(endMask, 0) ? undefined : ends[0]);
    return { sizes: part.filter((_, i) => i % step === 0), isScalar: false };
  }
  const { b } = call;
  const x = first.held;
  const parts = begins.flatMap((begin, axis): [number, number, number, number][] => {
    const step = steps[axis] ?? 1;
    const isOne = has(shrink, axis);
    const [open, close] = step > 0 ? [0, END] : [END, -END];
    const from = has(beginMask, axis) && !isOne ? open : begin;
    const to = isOne ? (begin === -1 ? END : begin + 1) : has(endMask, axis) ? close : ends[axis]!;
    return from === 0 && to === END && step === 1 ? [] : [[b.axis(x, axis), from, to, isOne ? 1 : step]];
  });
  const value = b.ops.slice(x.value, parts);
  if (shrink === 0) return { held: { value, images: x.images } };
  const whole = b.plain({ value, images: x.images });
  return reshaped(
    b,
    whole,
    whole.shape.filter((_, axis) => !has(shrink, axis)),
  );
};

/** Further than any axis reaches. */
const END = 2 ** 31 - 1;

const slice: Rule = (call) => {
  const { b } = call;
  const x = call.held(0);
  const [begins, sizes] = [call.ints(1), call.ints(2)];
  const parts = begins.flatMap((begin, axis): [number, number, number][] => {
    const size = sizes[axis]!;
    return begin === 0 && size === -1 ? [] : [[b.axis(x, axis), begin, size === -1 ? END : begin + size]];
  });
  return { held: { value: b.ops.slice(x.value, parts), images: x.images } };
};

const cast: Rule = (call) => {
  const first = call.input(0);
  if ("sizes" in first) return first;
  const x = call.held(0);
  return { held: { ...x, value: call.b.ops.cast(x.value, call.type("DstT")) } };
};

const shape: Rule = (call) => ({ sizes: call.b.shape(call.held(0)), isScalar: false });

export const shapeOperators: Readonly<Record<string, Rule>> = {
  Identity: passed,
  StopGradient: passed,
  PreventGradient: passed,
  CheckNumerics: passed,
  Snapshot: passed,
  Reshape: reshape,
  Squeeze: squeeze,
  ExpandDims: expandDims,
  Transpose: transpose,
  Concat: concat(true),
  ConcatV2: concat(false),
  Split: split(false),
  SplitV: split(true),
  Pack: pack,
  StridedSlice: stridedSlice,
  Slice: slice,
  Cast: cast,
  Shape: shape,
};

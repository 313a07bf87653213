import {
  type Attributes,
  check,
  type Dim,
  formatShape,
  product,
  quotient,
  type Shape,
  type Value,
} from "../graph/index.ts";
import type { Tracer } from "./tracer.ts";

/**
 * A tensor while a network is traced: it has a shape and operations, but no numbers. Each operation adds operators to the graph
 * and returns a new tensor; it throws when the shapes do not fit.
 */
export class Tensor {
  readonly value: Value;
  readonly tracer: Tracer;

  constructor(value: Value, tracer: Tracer) {
    this.value = value;
    this.tracer = tracer;
  }

  /** Sizes of the axes; those that are known only when the graph runs are names, such as "N". */
  get shape(): Shape {
    return this.value.shape;
  }

  /** x + other, broadcast as in NumPy; the other arithmetic likewise. */
  add(other: Tensor | number): Tensor {
    return this.apply("Add", [other]);
  }

  sub(other: Tensor | number): Tensor {
    return this.apply("Sub", [other]);
  }

  mul(other: Tensor | number): Tensor {
    return this.apply("Mul", [other]);
  }

  div(other: Tensor | number): Tensor {
    return this.apply("Div", [other]);
  }

  neg(): Tensor {
    return this.apply("Neg");
  }

  exp(): Tensor {
    return this.apply("Exp");
  }

  log(): Tensor {
    return this.apply("Log");
  }

  sqrt(): Tensor {
    return this.apply("Sqrt");
  }

  relu(): Tensor {
    return this.apply("Relu");
  }

  sigmoid(): Tensor {
    return this.apply("Sigmoid");
  }

  tanh(): Tensor {
    return this.apply("Tanh");
  }

  abs(): Tensor {
    return this.apply("Abs");
  }

  pow(exponent: Tensor | number): Tensor {
    return this.apply("Pow", [exponent]);
  }

  /** Limits to [min, max]; either may be left out. */
  clamp(min?: number, max?: number): Tensor {
    const { ops } = this.tracer;
    check(min !== undefined || max !== undefined, () => "clamp: needs min, max or both");
    const limits = [min, max].map((limit) => (limit === undefined ? undefined : ops.scalar(limit)));
    return this.wrap(ops.one("Clip", [this.value, ...limits]));
  }

  /** The smaller of each two elements, broadcast as in NumPy. */
  minimum(other: Tensor | number): Tensor {
    return this.apply("Min", [other]);
  }

  /** The larger of each two elements, broadcast as in NumPy. */
  maximum(other: Tensor | number): Tensor {
    return this.apply("Max", [other]);
  }

  /** x where the condition holds, else other. */
  where(condition: Tensor, other: Tensor | number): Tensor {
    const { ops } = this.tracer;
    return this.wrap(ops.where(condition.value, this.value, this.#operand(other)));
  }

  /** Whether x > other, as truth values for `where`; the other comparisons likewise. */
  gt(other: Tensor | number): Tensor {
    return this.apply("Greater", [other]);
  }

  ge(other: Tensor | number): Tensor {
    return this.apply("GreaterOrEqual", [other]);
  }

  lt(other: Tensor | number): Tensor {
    return this.apply("Less", [other]);
  }

  le(other: Tensor | number): Tensor {
    return this.apply("LessOrEqual", [other]);
  }

  eq(other: Tensor | number): Tensor {
    return this.apply("Equal", [other]);
  }

  /** As float32: true is 1, false is 0. */
  float(): Tensor {
    return this.wrap(this.tracer.ops.cast(this.value, "float32"));
  }

  /** exp(x) / Σ exp(x) along the axis `dim`. */
  softmax(dim: number): Tensor {
    return this.apply("Softmax", [], { axis: dim });
  }

  /** x − log Σ exp(x) along the axis `dim`. */
  logSoftmax(dim: number): Tensor {
    return this.apply("LogSoftmax", [], { axis: dim });
  }

  /** Matrix product over the last two axes: x [..., M, K], other [..., K, N] → y [..., M, N] */
  matmul(other: Tensor): Tensor {
    return this.wrap(this.tracer.ops.matmul(this.value, other.value));
  }

  /** Sum over one axis or several, all by default. They are removed, or with `keepdim` kept as size 1. */
  sum(dims?: number | readonly number[], keepdim = false): Tensor {
    return this.wrap(this.tracer.ops.reduceSum(this.value, this.#axes(dims), keepdim));
  }

  /** Mean over one axis or several, all by default. They are removed, or with `keepdim` kept as size 1. */
  mean(dims?: number | readonly number[], keepdim = false): Tensor {
    return this.wrap(this.tracer.ops.reduceMean(this.value, this.#axes(dims), keepdim));
  }

  /** Variance over one axis or several, all by default, divided by the count less `correction` (1, as in PyTorch). */
  var(dims?: number | readonly number[], { correction = 1, keepdim = false } = {}): Tensor {
    const centered = this.sub(this.mean(dims, true));
    const freedom = this.wrap(this.tracer.ops.count(this.value, this.#axes(dims))).sub(correction);
    return centered.mul(centered).sum(dims, keepdim).div(freedom);
  }

  /** Largest value over one axis or several, all by default. Equal ones share the gradient. */
  amax(dims?: number | readonly number[], keepdim = false): Tensor {
    return this.#extreme("ReduceMax", this.#axes(dims), keepdim);
  }

  /** Smallest value over one axis or several, all by default. Equal ones share the gradient. */
  amin(dims?: number | readonly number[], keepdim = false): Tensor {
    return this.#extreme("ReduceMin", this.#axes(dims), keepdim);
  }

  #extreme(op: string, axes: readonly number[], keepdim: boolean): Tensor {
    return this.apply(op, [], { axes, keepdims: keepdim ? 1 : 0 });
  }

  /** Position (int64) of the largest value along an axis, the first of equal ones; without an axis, in the flattened x. */
  argmax(dim?: number, keepdim = false): Tensor {
    if (dim === undefined) return this.flatten().argmax(0, keepdim);
    return this.apply("ArgMax", [], { axis: dim, keepdims: keepdim ? 1 : 0 });
  }

  #axes(dims: number | readonly number[] = []): readonly number[] {
    const axes = typeof dims === "number" ? [dims] : dims;
    return axes.length > 0 ? axes.map((dim) => this.#axis(dim)) : this.shape.map((_, axis) => axis);
  }

  /** An axis counted from the front. */
  #axis(dim: number, rank = this.shape.length): number {
    check(dim >= -rank && dim < rank, () => `axis ${dim} is outside the ${rank} axes of ${formatShape(this.shape)}`);
    return dim < 0 ? dim + rank : dim;
  }

  /** The same elements in another shape; one size may be −1 and is then inferred. */
  view(...shape: Dim[]): Tensor {
    const open = shape.indexOf(-1);
    const total = product(this.shape);
    const rest = quotient(total, product(shape.filter((_, axis) => axis !== open)));
    check(
      open < 0 ? rest === 1 : rest !== undefined,
      () => `view: ${formatShape(this.shape)} holds ${total} elements and does not fit ${formatShape(shape)}`,
    );
    const target = shape.map((dim, axis) => (axis === open ? rest! : dim));
    return this.wrap(this.tracer.ops.reshape(this.value, target));
  }

  /** Joins the axes from `startDim` to `endDim` into one: by default all, as in PyTorch. `flatten(1)` keeps the batch. */
  flatten(startDim = 0, endDim = -1): Tensor {
    const end = endDim < 0 ? endDim + this.shape.length : endDim;
    const joined = product(this.shape.slice(startDim, end + 1));
    if (startDim === 1 && end === this.shape.length - 1) return this.apply("Flatten", [], { axis: 1 });
    return this.view(...this.shape.slice(0, startDim), joined, ...this.shape.slice(end + 1));
  }

  /** The axes in another order: axis i of the result is axis `dims[i]` of x. */
  permute(...dims: number[]): Tensor {
    return this.wrap(this.tracer.ops.transpose(this.value, dims));
  }

  /** x with two axes exchanged. */
  transpose(dim0: number, dim1: number): Tensor {
    const order = this.shape.map((_, axis) => axis);
    const [a, b] = [this.#axis(dim0), this.#axis(dim1)];
    [order[a], order[b]] = [b, a];
    return this.permute(...order);
  }

  /** Without the axis `dim`, if its size is 1; by default without all axes of size 1. */
  squeeze(dim?: number): Tensor {
    const axes = dim === undefined ? this.shape.map((_, axis) => axis) : [this.#axis(dim)];
    const ones = axes.filter((axis) => this.shape[axis] === 1);
    return ones.length === 0 ? this : this.#withInts("Squeeze", ones);
  }

  /** With an axis of size 1 at the place `dim` of the result. */
  unsqueeze(dim: number): Tensor {
    return this.#withInts("Unsqueeze", [this.#axis(dim, this.shape.length + 1)]);
  }

  #withInts(op: string, list: readonly number[], ...more: number[]): Tensor {
    return this.apply(op, [this.wrap(this.tracer.ops.ints(list)), ...more]);
  }

  /** Broadcasts axes of size 1, and axes that x lacks in front, to these sizes; −1 keeps a size. */
  expand(...sizes: Dim[]): Tensor {
    const own = (i: number) => this.shape[i - sizes.length + this.shape.length];
    check(
      sizes.length >= this.shape.length &&
        sizes.every((size, i) => size === own(i) || (size === -1 ? own(i) : Number(size) > 0 && (own(i) ?? 1) === 1)),
      () => `expand: ${formatShape(this.shape)} does not expand to ${formatShape(sizes)}`,
    );
    // a 1 keeps the size
    const target = sizes.map((size, i) => (size === -1 || size === own(i) ? 1 : (size as number)));
    return this.#withInts("Expand", target);
  }

  /** Elements from `start` to before `end` along the axis `dim`, every `step`-th; negative ones count from the end. */
  slice(dim: number, start = 0, end = 2 ** 31 - 1, step = 1): Tensor {
    check(Number.isInteger(step) && step > 0, () => `slice: step has to be a positive whole number, but is ${step}`);
    return this.wrap(this.tracer.ops.slice(this.value, [[this.#axis(dim), start, end, step]]));
  }

  /**
   * Adds a constant around the last axes, in PyTorch's order: `[left, right, top, bottom]` for images. Negative amounts cut off.
   * `F.pad` mirrors and repeats as well.
   */
  pad(amounts: readonly number[], value = 0): Tensor {
    const rank = this.shape.length;
    check(
      amounts.length % 2 === 0 && amounts.length <= 2 * rank,
      () => `pad: takes two amounts for each axis of ${formatShape(this.shape)}, from the last, but got [${amounts}]`,
    );
    const pads = [0, 1].flatMap((end) => this.shape.map((_, axis) => amounts[2 * (rank - 1 - axis) + end] ?? 0));
    return this.#withInts("Pad", pads, value);
  }

  /** Parts of `size` elements along the axis `dim`, the last perhaps smaller; or parts of these sizes. */
  split(size: number | readonly number[], dim = 0): Tensor[] {
    const axis = this.#axis(dim);
    const total = this.shape[axis];
    check(typeof total === "number", () => `split: the size of axis ${dim} of ${formatShape(this.shape)} is not known`);
    const sizes =
      typeof size === "number"
        ? Array.from({ length: Math.ceil(total / size) }, (_, i) => Math.min(size, total - i * size))
        : size;
    check(
      sizes.reduce((sum, part) => sum + part, 0) === total,
      () => `split: parts of ${sizes.join(" + ")} elements do not make up the ${total} of axis ${dim}`,
    );
    if (sizes.length === 1) return [this];
    return this.tracer.ops.split(this.value, sizes, axis).map((part) => this.wrap(part));
  }

  /** At most so many parts along the axis `dim`, all but the last of one size. */
  chunk(chunks: number, dim = 0): Tensor[] {
    return this.split(Math.ceil((this.shape[this.#axis(dim)] as number) / chunks), dim);
  }

  /** `length` elements from `start` on along the axis `dim`. */
  narrow(dim: number, start: number, length: number): Tensor {
    return this.wrap(this.tracer.ops.slice(this.value, [[dim, start, start + length]]));
  }

  /**
   * Applies an ONNX operator, with its further inputs and attributes: `x.apply("HardSwish")`, `x.apply("Clip", [0, 6])`. Throws
   * where an operator needs more inputs than it is given.
   */
  apply(op: string, inputs: readonly (Tensor | number)[] = [], attributes: Attributes = {}): Tensor {
    check(
      inputs.length > 0 || !SEVERAL_INPUTS.test(op),
      () => `apply: ${op} needs more inputs than x; give them in a list, such as x.apply("Clip", [0, 6])`,
    );
    const values = inputs.map((input) => this.#operand(input));
    return this.wrap(this.tracer.ops.one(op, [this.value, ...values], attributes));
  }

  /** A number as a constant: a whole one beside whole numbers. */
  #operand(input: Tensor | number): Value {
    if (typeof input !== "number") return input.value;
    const whole = this.value.dtype === "int64" && Number.isInteger(input);
    return this.tracer.ops.scalar(input, whole ? "int64" : "float32");
  }

  /** A value of the same graph as a tensor. */
  wrap(value: Value): Tensor {
    return new Tensor(value, this.tracer);
  }
}

/** Operators that do nothing, or nothing sensible, without a second input. */
const SEVERAL_INPUTS =
  /^(Add|Sub|Mul|Div|Pow|Mod|Max|Min|Sum|Mean|And|Or|Clip|Dropout|.*(Equal|Greater|Less|Elements).*)$/;

/** Joins tensors along the axis `dim`: x₁ [N, C₁, H, W], x₂ [N, C₂, H, W] → y [N, C₁ + C₂, H, W] for `dim` 1. */
export function cat(tensors: readonly Tensor[], dim = 0): Tensor {
  const [first] = tensors;
  check(first, () => "cat: needs at least one tensor");
  return first.wrap(
    first.tracer.ops.concat(
      tensors.map(({ value }) => value),
      dim,
    ),
  );
}

/** Joins tensors of one shape along a new axis `dim`: K tensors [N, C, H, W] → y [N, K, C, H, W] for `dim` 1. */
export function stack(tensors: readonly Tensor[], dim = 0): Tensor {
  const [first] = tensors;
  check(first, () => "stack: needs at least one tensor");
  const rank = first.shape.length + 1;
  return cat(
    tensors.map((tensor) => tensor.unsqueeze(dim)),
    dim < 0 ? dim + rank : dim,
  );
}

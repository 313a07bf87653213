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

  /** exp(x) / Σ exp(x) along the axis `dim`. */
  softmax(dim: number): Tensor {
    return this.wrap(this.tracer.ops.one("Softmax", [this.value], { axis: dim }));
  }

  /** x − log Σ exp(x) along the axis `dim`. */
  logSoftmax(dim: number): Tensor {
    return this.wrap(this.tracer.ops.one("LogSoftmax", [this.value], { axis: dim }));
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

  #axes(dims: number | readonly number[] = []): readonly number[] {
    const axes = typeof dims === "number" ? [dims] : dims;
    return axes.length > 0 ? axes : this.shape.map((_, axis) => axis);
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
    if (startDim === 1 && end === this.shape.length - 1)
      return this.wrap(this.tracer.ops.one("Flatten", [this.value], { axis: 1 }));
    return this.view(...this.shape.slice(0, startDim), joined, ...this.shape.slice(end + 1));
  }

  /** The axes in another order: axis i of the result is axis `dims[i]` of x. */
  permute(...dims: number[]): Tensor {
    return this.wrap(this.tracer.ops.transpose(this.value, dims));
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
    const values = inputs.map((input) => (typeof input === "number" ? this.tracer.ops.scalar(input) : input.value));
    return this.wrap(this.tracer.ops.one(op, [this.value, ...values], attributes));
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

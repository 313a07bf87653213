import { check, type Dim, formatShape, product, quotient, type Shape, type Value } from "../graph/index.ts";
import type { Tracer } from "./tracer.ts";

/** A tensor while a network is traced: it has a shape and operations, but no numbers yet. */
export class Tensor {
  readonly value: Value;
  readonly tracer: Tracer;

  constructor(value: Value, tracer: Tracer) {
    this.value = value;
    this.tracer = tracer;
  }

  get shape(): Shape {
    return this.value.shape;
  }

  add(other: Tensor | number): Tensor {
    return this.#binary("Add", other);
  }

  sub(other: Tensor | number): Tensor {
    return this.#binary("Sub", other);
  }

  mul(other: Tensor | number): Tensor {
    return this.#binary("Mul", other);
  }

  div(other: Tensor | number): Tensor {
    return this.#binary("Div", other);
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

  softmax(dim: number): Tensor {
    return this.wrap(this.tracer.ops.one("Softmax", [this.value], { axis: dim }));
  }

  logSoftmax(dim: number): Tensor {
    return this.wrap(this.tracer.ops.one("LogSoftmax", [this.value], { axis: dim }));
  }

  matmul(other: Tensor): Tensor {
    return this.wrap(this.tracer.ops.matmul(this.value, other.value));
  }

  /** Sum over some axes, all by default. */
  sum(dims?: readonly number[], keepdim = false): Tensor {
    const axes = dims ?? this.shape.map((_, axis) => axis);
    return this.wrap(this.tracer.ops.reduceSum(this.value, axes, keepdim));
  }

  /** Mean over some axes, all by default. */
  mean(dims?: readonly number[], keepdim = false): Tensor {
    const axes = dims ?? this.shape.map((_, axis) => axis);
    return this.wrap(this.tracer.ops.reduceMean(this.value, axes, keepdim));
  }

  /** The same elements in another shape; one size may be −1, which is then inferred. */
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

  /** Joins the axes from `startDim` to `endDim` into one. */
  flatten(startDim = 0, endDim = -1): Tensor {
    const end = endDim < 0 ? endDim + this.shape.length : endDim;
    const joined = product(this.shape.slice(startDim, end + 1));
    if (startDim === 1 && end === this.shape.length - 1)
      return this.wrap(this.tracer.ops.one("Flatten", [this.value], { axis: 1 }));
    return this.view(...this.shape.slice(0, startDim), joined, ...this.shape.slice(end + 1));
  }

  /** Axes in another order. */
  permute(...dims: number[]): Tensor {
    return this.wrap(this.tracer.ops.transpose(this.value, dims));
  }

  /** `length` elements from `start` on along one axis. */
  narrow(dim: number, start: number, length: number): Tensor {
    return this.wrap(this.tracer.ops.slice(this.value, [[dim, start, start + length]]));
  }

  /** Applies an operator of one input and no attributes. */
  apply(op: string): Tensor {
    return this.wrap(this.tracer.ops.one(op, [this.value]));
  }

  wrap(value: Value): Tensor {
    return new Tensor(value, this.tracer);
  }

  #binary(op: string, other: Tensor | number): Tensor {
    const value = typeof other === "number" ? this.tracer.ops.scalar(other) : other.value;
    return this.wrap(this.tracer.ops.one(op, [this.value, value]));
  }
}

/** Joins tensors along an axis. */
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

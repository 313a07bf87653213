import {
  type Attributes,
  check,
  type DType,
  Float,
  formatShape,
  type Graph,
  isStatic,
  type Node,
  numel,
  type Shape,
  sameShape,
  type TensorData,
  tensor,
  type Value,
} from "../graph/index.ts";
import { shapeRead } from "./layout.ts";
import { ONNX_TYPE } from "./onnx-types.ts";
import { Application } from "./operator.ts";
import { operator } from "./registry.ts";
import type { Target } from "./target.ts";

/** How operators are added to a graph. */
export interface OpsOptions {
  /** Kind of engine that formulas are written for. Default `"cpu"`. */
  target?: Target;
  /** Merge equal computations as they are added. Default false. */
  share?: boolean;
}

/** Elements of a node's inputs that a graph knows before it runs: those of constants, shapes that are read, and both joined. */
export function knownIn(graph: Graph, inputs: Node["inputs"]): Application["known"] {
  return (i) => {
    const value = inputs[i];
    const data = value && graph.constants.get(value)?.data;
    if (data) return Array.from(data, Number);
    const producer = value && graph.producer(value);
    if (producer?.op === "Concat" && value?.shape.length === 1) {
      const parts = producer.inputs.map((_, part) => knownIn(graph, producer.inputs)(part));
      return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
    }
    return producer?.op === "Shape" ? shapeRead(producer) : undefined;
  };
}

/**
 * Adds operators to a graph and infers their shapes.
 *
 *     const ops = new Ops(graph);
 *     const y = ops.relu(ops.add(x, ops.scalar(1)));
 *     const limited = ops.one("Clip", [y, ops.scalar(0), ops.scalar(6)]); // any operator of `OPERATORS`
 *
 * The methods are the operators that the library's own rules use; `one` and `emit` add any other. They throw if the operator is not
 * known, or if its inputs do not fit.
 */
export class Ops {
  readonly graph: Graph;
  readonly target: Target;
  /** Path of the module on whose behalf nodes are added. */
  scope = "";
  readonly #shared: Map<string, readonly Value[]> | undefined;
  readonly #ids = new Map<Value, number>();

  constructor(graph: Graph, { target = "cpu", share = false }: OpsOptions = {}) {
    this.graph = graph;
    this.target = target;
    this.#shared = share ? new Map() : undefined;
  }

  /** Adds a node and returns its outputs. */
  emit(
    op: string,
    inputs: readonly (Value | undefined)[],
    attributes: Attributes = {},
    { domain = "", outputs }: { domain?: string; outputs?: number } = {},
  ): readonly Value[] {
    const key =
      this.#shared &&
      `${domain}.${op}(${inputs.map((value) => value && this.#id(value))}|${outputs}|${JSON.stringify(attributes)})`;
    const known = key !== undefined ? this.#shared?.get(key) : undefined;
    if (known) return known;
    const types = operator(op, domain).infer(new Application({ op, inputs, attributes }, knownIn(this.graph, inputs)));
    const node = this.graph.add({ op, domain, inputs, attributes, scope: this.scope }, types.slice(0, outputs));
    if (key !== undefined) this.#shared?.set(key, node.outputs);
    return node.outputs;
  }

  /** Adds a node and returns its first output. */
  one(op: string, inputs: readonly (Value | undefined)[], attributes: Attributes = {}, domain = ""): Value {
    return this.emit(op, inputs, attributes, { domain, outputs: 1 })[0]!;
  }

  // Constants

  constant(data: TensorData): Value {
    // JSON.stringify would be slow over large tables, which are not met twice anyway
    const key =
      this.#shared && data.data.length <= 64 ? `constant ${data.dtype}[${data.shape}] ${data.data}` : undefined;
    const known = key !== undefined ? this.#shared?.get(key) : undefined;
    if (known) return known[0]!;
    const value = this.graph.constant(data);
    if (key !== undefined) this.#shared?.set(key, [value]);
    return value;
  }

  scalar(value: number, dtype: DType = "float32"): Value {
    if (dtype === "int64") return this.constant(tensor("int64", [], BigInt64Array.of(BigInt(value))));
    check(dtype === "float32", () => `scalar: no constants of ${dtype} are made`);
    return this.constant(tensor("float32", [], Float32Array.of(value)));
  }

  /** A vector of int64, such as a shape or a list of axes. */
  ints(values: readonly number[]): Value {
    return this.constant(tensor("int64", [values.length], BigInt64Array.from(values, BigInt)));
  }

  /** A vector of float32. */
  floats(values: readonly number[]): Value {
    return this.constant(tensor("float32", [values.length], Float32Array.from(values)));
  }

  // Arithmetic

  add = (a: Value, b: Value): Value => this.one("Add", [a, b]);
  sub = (a: Value, b: Value): Value => this.one("Sub", [a, b]);
  mul = (a: Value, b: Value): Value => this.one("Mul", [a, b]);
  div = (a: Value, b: Value): Value => this.one("Div", [a, b]);
  neg = (x: Value): Value => this.one("Neg", [x]);
  exp = (x: Value): Value => this.one("Exp", [x]);
  log = (x: Value): Value => this.one("Log", [x]);
  sqrt = (x: Value): Value => this.one("Sqrt", [x]);
  pow = (x: Value, exponent: number): Value => this.one("Pow", [x, this.scalar(exponent)]);
  relu = (x: Value): Value => this.one("Relu", [x]);
  scale = (x: Value, factor: number): Value => (factor === 1 ? x : this.mul(x, this.scalar(factor)));

  /** Sum of any number of values. */
  sum(values: readonly Value[]): Value {
    check(values.length > 0, () => "sum: needs at least one value");
    const [first, ...others] = values as readonly [Value, ...Value[]];
    // ONNX Runtime adds two tensors five times as fast as it sums three
    if (others.length < 2 || first.shape.length > 1) return others.reduce(this.add, first);
    return this.one("Sum", values);
  }

  greater = (a: Value, b: Value): Value => this.one("Greater", [a, b]);
  less = (a: Value, b: Value): Value => this.one("Less", [a, b]);
  equal = (a: Value, b: Value): Value => this.one("Equal", [a, b]);
  and = (a: Value, b: Value): Value => this.one("And", [a, b]);
  where = (condition: Value, a: Value, b: Value): Value => this.one("Where", [condition, a, b]);

  cast(x: Value, dtype: DType): Value {
    return x.dtype === dtype ? x : this.one("Cast", [x], { to: ONNX_TYPE[dtype] });
  }

  /** 1 where the condition holds, else 0: a factor for gradients. */
  indicator = (condition: Value): Value => this.cast(condition, "float32");

  // Reductions

  /** Sum over one axis or several; they are kept as size 1 unless `keepdims` is false. */
  reduceSum(x: Value, axes: number | readonly number[], keepdims = true): Value {
    const list = [axes].flat();
    return list.length === 0 ? x : this.one("ReduceSum", [x, this.ints(list)], { keepdims: keepdims ? 1 : 0 });
  }

  /** Mean over one axis or several; they are kept as size 1 unless `keepdims` is false. */
  reduceMean(x: Value, axes: number | readonly number[], keepdims = true): Value {
    return this.one("ReduceMean", [x], { axes: [axes].flat(), keepdims: keepdims ? 1 : 0 });
  }

  argMax = (x: Value, axis: number): Value => this.one("ArgMax", [x], { axis, keepdims: 0 });

  // Layout

  /**
   * Reshapes to a shape of which each named size stands at the same axis in the input, but for one at most, which ONNX
   * infers (−1).
   */
  reshape(x: Value, shape: Shape): Value {
    if (sameShape(x.shape, shape)) return x;
    const target = shape.map((dim, axis) => (typeof dim === "number" ? dim : x.shape[axis] === dim ? 0 : -1));
    check(
      target.filter((dim) => dim === -1).length <= 1,
      () => `reshape: ${formatShape(x.shape)} to ${formatShape(shape)} leaves more than one size open`,
    );
    return this.one("Reshape", [x, this.ints(target)]);
  }

  transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? x : this.one("Transpose", [x], { perm });
  }

  concat(values: readonly Value[], axis: number): Value {
    return values.length === 1 ? values[0]! : this.one("Concat", values, { axis });
  }

  /** Parts of these sizes along an axis. */
  split(x: Value, sizes: readonly number[], axis: number): readonly Value[] {
    return this.emit("Split", [x, this.ints(sizes)], { axis }, { outputs: sizes.length });
  }

  /** Part of a tensor along some axes; each entry is [axis, start, end, step]. */
  slice(x: Value, parts: readonly (readonly [axis: number, start: number, end: number, step?: number])[]): Value {
    if (parts.length === 0) return x;
    const column = (i: 0 | 1 | 2) => this.ints(parts.map((part) => part[i]));
    return this.one("Slice", [x, column(1), column(2), column(0), this.ints(parts.map((part) => part[3] ?? 1))]);
  }

  /** Pads with zeros; `pads` as in ONNX: all starts, then all ends, in elements. */
  pad(x: Value, pads: readonly number[]): Value {
    return pads.every((count) => count === 0) ? x : this.one("Pad", [x, this.ints(pads)]);
  }

  /** Broadcasts to a shape; named sizes are read from `like`, which has that shape. */
  expand(x: Value, like: Value): Value {
    if (sameShape(x.shape, like.shape)) return x;
    return this.one("Expand", [x, isStatic(like.shape) ? this.ints(like.shape) : this.one("Shape", [like])]);
  }

  /** Product of the sizes of some axes, as a float32 scalar. */
  count(x: Value, axes: readonly number[]): Value {
    const dims = axes.map((axis) => x.shape[axis]!);
    if (isStatic(dims)) return this.scalar(numel(dims));
    const sizes = this.one("Gather", [this.one("Shape", [x]), this.ints(axes)], { axis: 0 });
    return this.cast(this.one("ReduceProd", [sizes], { keepdims: 0 }), "float32");
  }

  // Linear algebra

  matmul = (a: Value, b: Value): Value => this.one("MatMul", [a, b]);

  /** `a·b` over the last two axes, either of them transposed. On CPUs one operator, elsewhere a Transpose before. */
  matmulT(a: Value, b: Value, { transA = false, transB = false }: { transA?: boolean; transB?: boolean }): Value {
    if (this.target.startsWith("webgpu") || (!transA && !transB)) {
      const swap = (x: Value) => {
        const order = x.shape.map((_, axis) => axis);
        order.push(order.splice(-2, 1)[0]!);
        return this.transpose(x, order);
      };
      return this.matmul(transA ? swap(a) : a, transB ? swap(b) : b);
    }
    const attributes = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: new Float(1) };
    return this.one("FusedMatMul", [a, b], attributes, "com.microsoft");
  }

  #id(value: Value): number {
    const id = this.#ids.get(value) ?? this.#ids.size;
    this.#ids.set(value, id);
    return id;
  }
}

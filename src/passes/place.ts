import {
  type Attributes,
  check,
  type Dim,
  isStatic,
  product,
  quotient,
  type Shape,
  type TensorData,
  tensor,
  type Value,
} from "../graph/index.ts";
import { Application, evaluator, type Ops, operator } from "../operators/index.ts";
import { evaluate, type Known, knownOf, toConstant } from "./evaluate.ts";

/** A value on its way into a graph. Where its numbers are known, nothing is added for it before somebody asks for the value. */
export interface Placed {
  readonly type: Value;
  readonly known?: Known | undefined;
  /** The numbers of a constant of any size. */
  readonly data?: TensorData;
  value(): Value;
}

/** A node on its way into a graph. */
export interface Placeable {
  readonly op: string;
  readonly domain?: string;
  readonly inputs: readonly (Placed | undefined)[];
  readonly attributes?: Attributes;
  readonly scope?: string;
  /** Names of the outputs used. */
  readonly outputs: readonly string[];
}

/** How nodes are put into a graph. */
export interface PlacementOptions {
  /** Leave out what is known before the graph runs. Default true. */
  fold?: boolean;
  /** A batch size that an exporter fixed, and what it is now. */
  batch?: { readonly from: number; readonly to: Dim } | undefined;
}

/**
 * Puts nodes into a graph one after the other, as they are or for inputs of other shapes: types are inferred anew, and the
 * arithmetic of shapes (Shape → Gather → Concat → Reshape) is done here instead of when the graph runs.
 */
export class Placement {
  readonly ops: Ops;
  readonly #fold: boolean;
  readonly #batch: PlacementOptions["batch"];

  constructor(ops: Ops, { fold = true, batch }: PlacementOptions = {}) {
    this.ops = ops;
    this.#fold = fold;
    this.#batch = batch;
  }

  /** A value that is in the graph already. */
  leaf(value: Value): Placed {
    const data = this.ops.graph.constants.get(value);
    return { type: value, value: () => value, ...(data && { data, known: knownOf(data) }) };
  }

  constant(data: TensorData, name = "constant"): Placed {
    let value: Value | undefined;
    const make = () => {
      value ??= this.ops.graph.constant(data, name);
      return value;
    };
    if (!this.#fold) make();
    return { type: { name, dtype: data.dtype, shape: data.shape }, data, known: knownOf(data), value: make };
  }

  /** A vector of int64, such as a shape or a list of axes. */
  ints(values: readonly number[]): Placed {
    return this.constant(tensor("int64", [values.length], BigInt64Array.from(values, BigInt)));
  }

  /** The value in another shape, of which at most one size is not known. */
  reshape(x: Placed, shape: Shape): Placed {
    const target = reshapeTarget(x.type.shape, shape);
    check(target, () => `reshape: [${x.type.shape}] to [${shape}] leaves more than one size open`);
    return this.one("Reshape", [x, this.ints(target)]);
  }

  /** Places a node of one output that the source does not have. */
  one(op: string, inputs: readonly (Placed | undefined)[], attributes: Attributes = {}): Placed {
    return this.place({ op, inputs, attributes, scope: this.ops.scope, outputs: [op] })[0]!;
  }

  place(given: Placeable): readonly Placed[] {
    const node = this.#fold ? this.#adapted(given) : given;
    const { op, domain = "", inputs, attributes = {}, outputs } = node;
    const application = new Application(
      { op, inputs: inputs.map((input) => input?.type), attributes },
      (i) => inputs[i]?.known?.values ?? (inputs[i]?.data && Array.from(inputs[i].data.data, Number)),
    );
    const types = operator(op, domain).infer(application);
    check(outputs.length <= types.length, () => `${op} has ${types.length} outputs, but ${outputs.length} are named`);
    const typed = outputs.map((name, i) => ({ name, dtype: types[i]!.dtype, shape: checked(op, types[i]!.shape) }));
    const known = evaluate(evaluator(op, domain), application, typed);
    let emitted: readonly Value[] | undefined;
    const emit = () => {
      emitted ??= this.#emit(node, typed);
      return emitted;
    };
    if (!known || !this.#fold)
      return emit().map((value, i) => ({ type: value, known: known?.[i], value: () => value }));
    return typed.map((type, i) => {
      const numbers = known[i]!;
      const data = toConstant(numbers);
      if (data) return { ...this.constant(data, type.name), known: numbers };
      return { type, known: numbers, value: () => emit()[i]! };
    });
  }

  /** Adds the node itself. */
  #emit(
    { op, domain = "", inputs, attributes = {}, scope = "" }: Placeable,
    outputs: readonly Value[],
  ): readonly Value[] {
    const values = inputs.map((input) => input?.value());
    return this.ops.graph.append({ op, domain, inputs: values, outputs, attributes, scope }).outputs;
  }

  /** Sizes that are known become constants, named ones what ONNX infers (0 or −1). */
  #adapted(node: Placeable): Placeable {
    const [x, target] = node.inputs;
    const sizes = target?.known?.values;
    if (!x || !sizes || (node.op !== "Reshape" && node.op !== "Expand")) return node;
    const { shape } = x.type;
    const { from, to } = this.#batch ?? {};
    const free = from !== undefined && sizes[0] === from && shape[0] === to;
    if (node.op === "Expand") {
      // a size of 1 keeps that of x
      const kept = sizes.map((size, axis) => {
        const own = shape[axis - sizes.length + shape.length];
        return (typeof size === "string" && size === own) || (axis === 0 && free) ? 1 : size;
      });
      return isStatic(kept) && kept.some((size, axis) => size !== sizes[axis])
        ? { ...node, inputs: [x, this.ints(kept)] }
        : node;
    }
    if (!free && isStatic(sizes)) return node;
    const full = reshapedShape(shape, free ? [0, ...sizes.slice(1)] : sizes);
    const constant = full && reshapeTarget(shape, full);
    return constant ? { ...node, inputs: [x, this.ints(constant)] } : node;
  }
}

/** The shape that Reshape gives for a target whose sizes may be named: 0 keeps that of x, −1 is what is left. */
function reshapedShape(from: Shape, target: readonly Dim[]): Shape | undefined {
  const shape = target.map((size, axis) => (size === 0 ? (from[axis] ?? 0) : size));
  const open = shape.indexOf(-1);
  if (open < 0) return shape;
  const rest = quotient(product(from), product(shape.filter((_, axis) => axis !== open)));
  return rest === undefined ? undefined : shape.map((size, axis) => (axis === open ? rest : size));
}

/** A target for Reshape that gives this shape for every value of the names; undefined where ONNX has none. */
function reshapeTarget(from: Shape, shape: Shape): readonly number[] | undefined {
  const target = shape.map((dim, axis) => (typeof dim === "number" ? dim : from[axis] === dim ? 0 : -1));
  return target.filter((dim) => dim === -1).length <= 1 ? target : undefined;
}

/** Longest name of a size, in characters. */
const MAX_NAME = 200;

function checked(op: string, shape: Shape): Shape {
  check(
    shape.every((dim) => (typeof dim === "string" ? dim.length <= MAX_NAME : Number.isSafeInteger(dim) && dim >= 0)),
    () => `${op}: its output would have the shape [${shape.map((dim) => String(dim).slice(0, 40))}]`,
  );
  return shape;
}

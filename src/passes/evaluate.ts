import {
  type Attributes,
  attribute,
  broadcast,
  type Dim,
  type DType,
  isStatic,
  numel,
  product,
  quotient,
  type TensorData,
  type TensorType,
  tensor,
} from "../graph/index.ts";

/** Numbers of a small tensor that are known before the graph runs. Sizes among them may be named, as in shapes. */
export interface Known {
  readonly dtype: KnownType;
  readonly shape: readonly number[];
  readonly values: readonly Dim[];
}

/** Of which no size is named. */
interface NumericKnown extends Known {
  readonly values: readonly number[];
}

const KNOWN_TYPES = ["int64", "int32", "bool", "float32"] as const satisfies readonly DType[];
export type KnownType = (typeof KNOWN_TYPES)[number];

/** More elements than the arithmetic of shapes ever has. */
const MAX_ELEMENTS = 1024;
/** A product of more names than this is no size that anybody meant. */
const MAX_NAME = 200;

/** What evaluation needs of a node: the numbers of its inputs where they are known, their types in any case. */
export interface Evaluated {
  readonly op: string;
  readonly attributes: Attributes;
  readonly inputs: readonly (Known | undefined)[];
  readonly types: readonly (TensorType | undefined)[];
  /** How many outputs it has. */
  readonly outputs: number;
}

/** The numbers of a constant, where it is small and of a type that shapes are computed in. */
export function knownOf({ dtype, shape, data }: TensorData): Known | undefined {
  const type = KNOWN_TYPES.find((known) => known === dtype);
  return type && data.length <= MAX_ELEMENTS ? { dtype: type, shape, values: Array.from(data, Number) } : undefined;
}

/** Whether no size is named. */
export const isNumeric = (known: Known): known is NumericKnown => isStatic(known.values);

/** Known numbers as a constant; undefined where they cannot be one. */
export function toConstant(known: Known): TensorData | undefined {
  if (!isNumeric(known)) return undefined;
  const { dtype, shape, values } = known;
  if (dtype === "float32") return tensor(dtype, shape, Float32Array.from(values));
  if (!values.every(Number.isSafeInteger)) return undefined;
  if (dtype === "int64") return tensor(dtype, shape, BigInt64Array.from(values, BigInt));
  return dtype === "int32"
    ? tensor(dtype, shape, Int32Array.from(values))
    : tensor(dtype, shape, Uint8Array.from(values));
}

/**
 * What a node gives, where that is known before the graph runs: the arithmetic that exporters put around Reshape, Expand or
 * Resize. Undefined for all that depends on images or weights, and for operators that shapes are not computed with.
 */
export function evaluate(node: Evaluated): readonly Known[] | undefined {
  const rule = Object.hasOwn(RULES, node.op) ? RULES[node.op] : undefined;
  const results = rule?.(node);
  const fits = results?.every(
    ({ values }) => values.length <= MAX_ELEMENTS && values.every((v) => typeof v === "number" || v.length <= MAX_NAME),
  );
  return fits ? results : undefined;
}

type Rule = (node: Evaluated) => readonly Known[] | undefined;
type Result = Dim | undefined;

const whole = (shape: readonly number[], values: readonly Dim[]): Known => ({ dtype: "int64", shape, values });

/** Elements of a result, unless one of them is not known. */
function complete(dtype: KnownType, shape: readonly number[], values: readonly Result[]): readonly Known[] | undefined {
  return values.every((value) => value !== undefined) ? [{ dtype, shape, values }] : undefined;
}

const rounded = (dtype: KnownType, value: number): number => (dtype === "float32" ? Math.fround(value) : value);

/** Where element `i` of a result comes from in an input that is broadcast to it. */
function sourceIndex(i: number, shape: readonly number[], from: readonly number[]): number {
  let index = 0;
  let stride = 1;
  for (let axis = shape.length - 1, rest = i; axis >= 0; axis--) {
    const at = rest % shape[axis]!;
    rest = Math.floor(rest / shape[axis]!);
    const size = from[axis - shape.length + from.length];
    if (size === undefined) continue;
    if (size !== 1) index += at * stride;
    stride *= size;
  }
  return index;
}

/** An operator of at least so many inputs, which broadcast. */
function elementwise(arity: number, f: (values: Dim[], dtype: KnownType) => Result, to?: KnownType): Rule {
  return ({ inputs }) => {
    const known = inputs.filter((input) => input !== undefined);
    if (known.length < arity) return undefined;
    const shape = broadcast(...known.map((input) => input.shape)) as readonly number[] | undefined;
    if (known.length !== inputs.length || !shape || numel(shape) > MAX_ELEMENTS) return undefined;
    const dtype = known.at(-1)!.dtype;
    const values = Array.from({ length: numel(shape) }, (_, i) =>
      f(
        known.map((input) => input.values[sourceIndex(i, shape, input.shape)]!),
        dtype,
      ),
    );
    return complete(to ?? dtype, shape, values);
  };
}

const isNumber = (value: Dim): value is number => typeof value === "number";

/** An operator over numbers; `named` is what it gives where one of them is a name. */
function arithmetic(f: (...values: number[]) => number, named: (...values: Dim[]) => Result = () => undefined): Rule {
  return elementwise(f.length, (values, dtype) =>
    values.every(isNumber) ? rounded(dtype, f(...values)) : named(...values),
  );
}

function comparison(f: (a: number, b: number) => boolean, named: (a: Dim, b: Dim) => boolean | undefined): Rule {
  return elementwise(
    2,
    ([a, b]) => {
      const result = isNumber(a!) && isNumber(b!) ? f(a, b) : named(a!, b!);
      return result === undefined ? undefined : Number(result);
    },
    "bool",
  );
}

/** A product of a name and a whole number. */
const namedProduct = (a: Dim, b: Dim): Result =>
  [a, b].every((value) => !isNumber(value) || (Number.isSafeInteger(value) && value >= 0))
    ? product([a, b])
    : undefined;
const same = (value: Dim): Dim => value;
/** No size is negative, so a name differs from every negative number. */
const namedEqual = (a: Dim, b: Dim) => (a === b ? true : [a, b].some((v) => isNumber(v) && v < 0) ? false : undefined);

/** The elements in the same order, in another shape. */
const reshaped =
  (shapeOf: (node: Evaluated, x: Known) => readonly number[] | undefined): Rule =>
  (node) => {
    const x = node.inputs[0];
    const shape = x && shapeOf(node, x);
    return x && shape?.every(Number.isInteger) && numel(shape) === x.values.length ? [{ ...x, shape }] : undefined;
  };

const axesOf = ({ inputs }: Evaluated, rank: number): readonly number[] | undefined =>
  inputs[1] && isNumeric(inputs[1]) ? inputs[1].values.map((axis) => (axis < 0 ? axis + rank : axis)) : undefined;

/** Whole numbers of a vector, such as a shape is. */
function vector(known: Known | undefined): readonly number[] | undefined {
  return known && known.shape.length === 1 && isNumeric(known) ? known.values : undefined;
}

const isVector = (known: Known | undefined): known is Known => known?.shape.length === 1;

/** A reduction of a vector to one number; other reductions are not met among shapes. */
function total(f: (values: readonly Dim[]) => Result): Rule {
  return ({ inputs: [x], attributes }) => {
    if (!isVector(x)) return undefined;
    const keep = attribute.int({ op: "reduction", attributes }, "keepdims", 1) === 1;
    return complete(x.dtype, keep ? [1] : [], [f(x.values)]);
  };
}

const numbersOnly = (f: (values: readonly number[]) => number) => (values: readonly Dim[]) =>
  values.every(isNumber) ? f(values) : undefined;

/** Elements taken from others: `at` gives the element of each place, counted along every axis. */
function assembled(
  dtype: KnownType,
  shape: readonly number[],
  at: (index: readonly number[]) => Result,
): readonly Known[] | undefined {
  if (numel(shape) > MAX_ELEMENTS) return undefined;
  const index = shape.map(() => 0);
  const values = Array.from({ length: numel(shape) }, () => {
    const value = at(index);
    for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
    return value;
  });
  return complete(dtype, shape, values);
}

/** The element at a place, counted along every axis. */
const element = ({ shape, values }: Known, index: readonly number[]): Result =>
  values[index.reduce((flat, at, axis) => flat * shape[axis]! + at, 0)];

const fromFront = (axis: number, rank: number): number => (axis < 0 ? axis + rank : axis);

function axisOf({ op, attributes }: Evaluated, rank: number, otherwise?: number): number | undefined {
  const axis = fromFront(attribute.int({ op, attributes }, "axis", otherwise), rank);
  return axis >= 0 && axis < rank ? axis : undefined;
}

function slice({ inputs: [x, starts, ends, axes, steps] }: Evaluated): readonly Known[] | undefined {
  const [from, to] = [vector(starts), vector(ends)];
  const given = axes ? vector(axes) : from?.map((_, i) => i);
  const by = steps ? vector(steps) : from?.map(() => 1);
  if (!x || !from || !to || !given || !by || by.includes(0)) return undefined;
  const taken = x.shape.map((size, axis) => {
    const i = given.findIndex((other) => fromFront(other, x.shape.length) === axis);
    if (i < 0) return Array.from({ length: size }, (_, at) => at);
    const step = by[i]!;
    const clamp = (at: number) => {
      const index = at < 0 ? at + size : at;
      return step > 0 ? Math.min(Math.max(index, 0), size) : Math.min(Math.max(index, -1), size - 1);
    };
    const [start, end] = [clamp(from[i]!), clamp(to[i]!)];
    return Array.from({ length: Math.max(0, Math.ceil((end - start) / step)) }, (_, at) => start + at * step);
  });
  return assembled(
    x.dtype,
    taken.map(({ length }) => length),
    (index) =>
      element(
        x,
        index.map((at, axis) => taken[axis]![at]!),
      ),
  );
}

function gather(node: Evaluated): readonly Known[] | undefined {
  const [x, indices] = node.inputs;
  const axis = x && axisOf(node, x.shape.length, 0);
  if (!x || axis === undefined || !indices || !isNumeric(indices)) return undefined;
  const size = x.shape[axis]!;
  const end = axis + indices.shape.length;
  return assembled(x.dtype, [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)], (index) => {
    const at = element(indices, index.slice(axis, end)) as number;
    if (at < -size || at >= size) return undefined;
    return element(x, [...index.slice(0, axis), fromFront(at, size), ...index.slice(end)]);
  });
}

function transpose({ op, inputs: [x], attributes }: Evaluated): readonly Known[] | undefined {
  if (!x) return undefined;
  const axes = x.shape.map((_, axis) => axis);
  const perm = attribute.ints({ op, attributes }, "perm", axes.toReversed());
  if (perm.length !== axes.length || !axes.every((axis) => perm.includes(axis))) return undefined;
  return assembled(
    x.dtype,
    perm.map((axis) => x.shape[axis]!),
    (index) =>
      element(
        x,
        axes.map((axis) => index[perm.indexOf(axis)]!),
      ),
  );
}

function concat(node: Evaluated): readonly Known[] | undefined {
  const parts = node.inputs.filter((input) => input !== undefined);
  const [first] = parts;
  const axis = first && axisOf(node, first.shape.length);
  if (!first || axis === undefined || parts.length !== node.inputs.length) return undefined;
  const total = parts.reduce((sum, { shape }) => sum + shape[axis]!, 0);
  return assembled(
    first.dtype,
    first.shape.map((size, i) => (i === axis ? total : size)),
    (index) => {
      let at = index[axis]!;
      for (const part of parts) {
        if (at < part.shape[axis]!) return element(part, index.with(axis, at));
        at -= part.shape[axis]!;
      }
      return undefined;
    },
  );
}

function split({ inputs: [x, sizes] }: Evaluated): readonly Known[] | undefined {
  const counts = vector(sizes);
  if (!isVector(x) || !counts) return undefined;
  let start = 0;
  return counts.map((count) => {
    const values = x.values.slice(start, start + count);
    start += count;
    return { dtype: x.dtype, shape: [values.length], values };
  });
}

function filled(dtype: KnownType, shape: readonly number[] | undefined, value: Dim): readonly Known[] | undefined {
  if (!shape?.every((size) => size >= 0) || numel(shape) > MAX_ELEMENTS) return undefined;
  return [{ dtype, shape, values: new Array<Dim>(numel(shape)).fill(value) }];
}

/** Numbers of Cast's attribute `to`, of the types that are followed. */
const CASTS: Readonly<Record<number, KnownType>> = { 1: "float32", 6: "int32", 7: "int64", 9: "bool" };

function cast({ inputs: [x], attributes }: Evaluated): readonly Known[] | undefined {
  const dtype = CASTS[attribute.int({ op: "Cast", attributes }, "to")];
  if (!x || !dtype) return undefined;
  const convert = (value: number) =>
    dtype === "bool" ? Number(value !== 0) : dtype === "float32" ? Math.fround(value) : Math.trunc(value);
  const values = x.values.map((value) => (isNumber(value) ? convert(value) : dtype === "bool" ? undefined : value));
  return complete(dtype, x.shape, values);
}

const RULES: Readonly<Record<string, Rule>> = {
  Shape: ({ types: [x] }) => x && [whole([x.shape.length], x.shape)],
  Size: ({ types: [x] }) => x && [whole([], [product(x.shape)])],
  Identity: ({ inputs: [x] }) => x && [x],
  Cast: cast,

  Add: arithmetic(
    (a, b) => a + b,
    (a, b) => (a === 0 ? b : b === 0 ? a : undefined),
  ),
  Sub: arithmetic(
    (a, b) => a - b,
    (a, b) => (b === 0 ? a : a === b ? 0 : undefined),
  ),
  Mul: arithmetic((a, b) => a * b, namedProduct),
  Div: elementwise(2, ([a, b], dtype) => {
    if (!isNumber(a!) || !isNumber(b!)) return quotient(a!, b!);
    if (dtype === "float32") return Math.fround(a / b);
    return b === 0 ? undefined : Math.trunc(a / b);
  }),
  Mod: arithmetic((a, b) => a - b * Math.floor(a / b)),
  Min: arithmetic(Math.min),
  Max: arithmetic(Math.max),
  Neg: arithmetic((a) => -a),
  Abs: arithmetic(Math.abs, same),
  Floor: arithmetic(Math.floor, same),
  Ceil: arithmetic(Math.ceil, same),
  Sqrt: arithmetic(Math.sqrt),
  Equal: comparison((a, b) => a === b, namedEqual),
  Greater: comparison(
    (a, b) => a > b,
    () => undefined,
  ),
  Less: comparison(
    (a, b) => a < b,
    () => undefined,
  ),
  And: arithmetic((a, b) => a & b),
  Or: arithmetic((a, b) => a | b),
  Not: arithmetic((a) => 1 - a),
  Where: elementwise(3, ([condition, a, b]) => (condition === 1 ? a : condition === 0 ? b : undefined)),

  Reshape: reshaped(({ inputs: [, target] }, { shape, values }) => {
    const sizes = vector(target)?.map((size, axis) => (size === 0 ? (shape[axis] ?? 0) : size));
    const rest = sizes && numel(sizes.filter((size) => size !== -1));
    return sizes?.map((size) => (size === -1 ? values.length / rest! : size));
  }),
  Squeeze: reshaped((node, { shape }) => {
    const axes = node.inputs.length > 1 ? axesOf(node, shape.length) : [];
    return axes && shape.filter((size, axis) => (node.inputs.length > 1 ? !axes.includes(axis) : size !== 1));
  }),
  Unsqueeze: reshaped((node, { shape }) => {
    const rank = shape.length + (node.inputs[1]?.values.length ?? 0);
    const axes = axesOf(node, rank);
    const rest = [...shape];
    return axes && Array.from({ length: rank }, (_, axis) => (axes.includes(axis) ? 1 : (rest.shift() ?? 1)));
  }),
  Concat: concat,
  Transpose: transpose,
  Slice: slice,
  Gather: gather,
  Split: split,
  Expand: ({ inputs: [x, target] }) => {
    const shape = x && vector(target) && broadcast(x.shape, vector(target)!);
    return x && shape && x.values.length === 1 ? filled(x.dtype, shape as readonly number[], x.values[0]!) : undefined;
  },
  ConstantOfShape: ({ inputs: [target], attributes: { value } }) => {
    const given = value && typeof value === "object" && "dtype" in value ? knownOf(value) : undefined;
    if (value && !given) return undefined;
    return filled(given?.dtype ?? "float32", vector(target), given?.values[0] ?? 0);
  },
  ReduceProd: total((values) => product(values)),
  ReduceSum: total(numbersOnly((values) => values.reduce((sum, value) => sum + value, 0))),
  ReduceMax: total(numbersOnly((values) => Math.max(...values))),
  ReduceMin: total(numbersOnly((values) => Math.min(...values))),
};

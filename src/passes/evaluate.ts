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

function elementwise(f: (values: Dim[], dtype: KnownType) => Result, to?: KnownType): Rule {
  return ({ inputs }) => {
    const known = inputs.filter((input) => input !== undefined);
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
  return elementwise((values, dtype) => (values.every(isNumber) ? rounded(dtype, f(...values)) : named(...values)));
}

function comparison(f: (a: number, b: number) => boolean, named: (a: Dim, b: Dim) => boolean | undefined): Rule {
  return elementwise(([a, b]) => {
    const result = isNumber(a!) && isNumber(b!) ? f(a, b) : named(a!, b!);
    return result === undefined ? undefined : Number(result);
  }, "bool");
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

function slice({ inputs: [x, starts, ends, axes, steps] }: Evaluated): readonly Known[] | undefined {
  const [start, end] = [vector(starts)?.[0], vector(ends)?.[0]];
  const step = steps ? vector(steps)?.[0] : 1;
  if (!isVector(x) || start === undefined || end === undefined || !step || (axes && !vector(axes))) return undefined;
  const size = x.values.length;
  const clamp = (at: number) => {
    const index = at < 0 ? at + size : at;
    return step > 0 ? Math.min(Math.max(index, 0), size) : Math.min(Math.max(index, -1), size - 1);
  };
  const values: Dim[] = [];
  for (let i = clamp(start); step > 0 ? i < clamp(end) : i > clamp(end); i += step) values.push(x.values[i]!);
  return [{ dtype: x.dtype, shape: [values.length], values }];
}

function gather({ inputs: [x, indices] }: Evaluated): readonly Known[] | undefined {
  if (!isVector(x) || !indices || !isNumeric(indices)) return undefined;
  const values = indices.values.map((index) => x.values[index < 0 ? index + x.values.length : index]);
  return complete(x.dtype, indices.shape, values);
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
  Div: elementwise(([a, b], dtype) => {
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
  Where: elementwise(([condition, a, b]) => (condition === 1 ? a : condition === 0 ? b : undefined)),

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
  Concat: ({ inputs }) => {
    const parts = inputs.filter(isVector);
    const values = parts.flatMap((part) => part.values);
    return parts.length === inputs.length && parts[0]
      ? [{ dtype: parts[0].dtype, shape: [values.length], values }]
      : undefined;
  },
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

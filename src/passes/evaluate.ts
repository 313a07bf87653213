import { type Dim, type DType, isStatic, numel, type TensorData, type TensorType, tensor } from "../graph/index.ts";
import type { Application, Evaluate, StaticType } from "../operators/index.ts";

/** A small tensor whose elements are known before the graph runs. Sizes among them may be named, as in shapes. */
export interface Known extends StaticType {
  readonly dtype: KnownType;
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

/** The numbers of a constant, where it is small and of a type that shapes are computed in. */
export function knownOf({ dtype, shape, data }: TensorData): Known | undefined {
  const type = { dtype, shape };
  return isSmall(type) ? { ...type, values: Array.from(data, Number) } : undefined;
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

const isSmall = (type: TensorType): type is StaticType & { readonly dtype: KnownType } =>
  KNOWN_TYPES.some((known) => known === type.dtype) && isStatic(type.shape) && numel(type.shape) <= MAX_ELEMENTS;

/**
 * What a node gives by its operator's rule, where that is known before the graph runs. Undefined for all that depends on images or weights, and for
 * operators that shapes are not computed with.
 */
export function evaluate(
  rule: Evaluate | undefined,
  node: Application,
  types: readonly TensorType[],
): readonly Known[] | undefined {
  const small = types.filter(isSmall);
  const [y] = small;
  if (!rule || !y || small.length < types.length) return undefined;
  const elements = rule(node, y)?.map((value) =>
    typeof value === "number" && y.dtype === "float32" ? Math.fround(value) : value,
  );
  if (!elements?.every((value) => typeof value === "number" || (value && value.length <= MAX_NAME))) return undefined;
  if (elements.length !== small.reduce((sum, { shape }) => sum + numel(shape), 0)) return undefined;
  let end = 0;
  return small.map((type) => {
    const start = end;
    end += numel(type.shape);
    return { ...type, values: (elements as Dim[]).slice(start, end) };
  });
}

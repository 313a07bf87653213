import {
  type DType,
  Float,
  Graph,
  numel,
  product,
  type Shape,
  sameShape,
  type TensorData,
  tensor,
  type Value,
} from "../graph/index.ts";
import { Ops } from "../operators/index.ts";
import { ensure, quote, TfjsError } from "./error.ts";
import { later } from "./weights.ts";

/**
 * A tensor of the model and how it lies in our graph. TensorFlow's images are [N, H, W, C]; where `images` is set, they lie as
 * [N, C, H, W]. Everything else lies as the model has it.
 */
export interface Held {
  readonly value: Value;
  readonly images: boolean;
}

/** From the axes of [N, H, W, C] to those of [N, C, H, W]. */
const IMAGE_AXES = [0, 2, 3, 1] as const;
const TO_IMAGES = [0, 3, 1, 2] as const;

/** Side of images whose size a model leaves open, in pixels. */
const SIDE = 224;
const ONES = [1, 1, 1, 1] as const;

/** Builds the graph of a model: keeps track of how tensors lie, and of the weights. */
export class Builder {
  readonly graph: Graph;
  readonly ops: Ops;
  readonly weights = new Map<string, TensorData>();
  /** Shapes of the inputs as the file has them. */
  readonly declared = new Map<string, Shape>();
  /** What each parameter was made of, so that a layer that is used twice has its weights once. */
  readonly #parameters = new Map<string, { readonly from: TensorData; readonly value: Value }>();

  constructor(name: string) {
    this.graph = new Graph(name);
    this.ops = new Ops(this.graph);
  }

  /**
   * An input of the model, in the shape that is asked for, else in its own, with images of 224 pixels where it leaves their size open.
   * Both are [N, C, H, W] if it takes images.
   */
  input(name: string, dtype: DType, own: Shape, images: boolean, asked?: Shape): Held {
    this.declared.set(name, own);
    const given = asked ?? own.map((dim, axis) => (images && axis > 1 && typeof dim === "string" ? SIDE : dim));
    ensure(given.length === own.length, () => `the input ${quote(name)} is [${own}], not [${given}]`);
    return { value: this.graph.input(name, dtype, ["N", ...given.slice(1)]), images };
  }

  /** What `build` adds belongs to the layer at this path; its errors name the layer. */
  within<T>(path: string, what: string, build: () => T): T {
    const outer = this.ops.scope;
    this.ops.scope = path;
    try {
      return build();
    } catch (error) {
      if (error instanceof TfjsError) throw error;
      throw new TfjsError(`${what}: ${(error as Error).message}`, { cause: error });
    } finally {
      this.ops.scope = outer;
    }
  }

  /** A weight that is trained, under the path of its layer: with its axes in this order, and then in this shape. */
  parameter(path: string, from: TensorData, { order, shape, whole = from }: Arrangement = {}): Value {
    for (let i = 0; ; i++) {
      const name = i === 0 ? path : `${path}_${i}`;
      const known = this.#parameters.get(name);
      if (known?.from === from) return known.value;
      if (known) continue;
      const data = arranged(whole, order, shape);
      const value = this.graph.parameter(name, data.dtype, data.shape);
      this.#parameters.set(name, { from, value });
      this.weights.set(name, data);
      return value;
    }
  }

  /** Shape of a tensor as the model has it. */
  shape({ value: { shape }, images }: Held): Shape {
    return images ? IMAGE_AXES.map((axis) => shape[axis]!) : shape;
  }

  /** The axis of our value that an axis of the model's tensor is; negative ones count from the end. */
  axis({ value: { shape }, images }: Held, axis: number): number {
    const at = axis < 0 ? axis + shape.length : axis;
    ensure(Number.isInteger(at) && at >= 0 && at < shape.length, () => `there is no axis ${axis} in [${shape}]`);
    return images ? IMAGE_AXES[at]! : at;
  }

  /** The value as [N, C, H, W]. */
  images(x: Held): Value {
    if (x.images) return x.value;
    ensure(x.value.shape.length === 4, () => `images [N, H, W, C] are needed, but the shape is [${x.value.shape}]`);
    return this.transpose(x.value, TO_IMAGES);
  }

  /** The value as the model has it. */
  plain(x: Held): Value {
    return x.images ? this.transpose(x.value, IMAGE_AXES) : x.value;
  }

  /**
   * Values that lie in the same way, to be joined element by element: as images if one of them does. Those of fewer axes are spread
   * over the last ones, as TensorFlow does it.
   */
  aligned(tensors: readonly Held[]): { readonly values: readonly Value[]; readonly images: boolean } {
    const images = tensors.some((x) => x.images) && tensors.every(({ value }) => value.shape.length <= 4);
    const wide = (x: Value) =>
      x.shape.length === 0 ? x : this.reshape(x, [...ONES.slice(x.shape.length), ...x.shape]);
    const placed = (x: Held) => (x.value.shape.length === 0 ? x.value : this.images({ ...x, value: wide(x.value) }));
    return { values: tensors.map((x) => (images ? placed(x) : this.plain(x))), images };
  }

  /** Numbers that meet the channels of a tensor: one for all, or one for each. */
  perChannel({ images }: Held, numbers: readonly number[]): Value {
    const data = Float32Array.from(numbers);
    const shape = numbers.length === 1 ? [] : images ? [numbers.length, 1, 1] : [numbers.length];
    return this.ops.constant(tensor("float32", shape, data));
  }

  /** A real number, as attribute. */
  float(value: number): Float {
    return new Float(value);
  }

  /** The value in another shape, as the model has it. Shapes in between are left out. */
  reshape(x: Value, shape: Shape): Value {
    const producer = this.graph.producer(x);
    const from = producer?.op === "Reshape" ? producer.inputs[0]! : x;
    ensure(product(x.shape) === product(shape), () => `[${x.shape}] cannot become [${shape}]`);
    if (sameShape(from.shape, shape)) return from;
    const isOpen = (source: Value) =>
      shape.filter((dim, i) => typeof dim === "string" && source.shape[i] !== dim).length > 1;
    return this.ops.reshape(isOpen(from) ? x : from, shape);
  }

  /** The value with its axes in another order. */
  transpose(x: Value, order: readonly number[]): Value {
    const shape = order.map((axis) => x.shape[axis]!);
    const moved = order.filter((axis) => x.shape[axis] !== 1);
    // one pixel, or one channel: the elements lie as they did
    const isSame = moved.every((axis, i) => i === 0 || axis > moved[i - 1]!);
    if (isSame) return this.reshape(x, shape);
    const producer = this.graph.producer(x);
    const perm = producer?.op === "Transpose" ? (producer.attributes.perm as readonly number[]) : undefined;
    const undone = perm && order.every((axis, i) => perm[axis] === i);
    return undone ? producer!.inputs[0]! : this.ops.transpose(x, order);
  }
}

/** How a weight is brought from TensorFlow's layout into PyTorch's. */
export interface Arrangement {
  readonly order?: readonly number[] | undefined;
  readonly shape?: readonly number[] | undefined;
  /** The weight in the shape that `order` is about. */
  readonly whole?: TensorData;
}

/** The same numbers in another shape. */
export function reshaped(data: TensorData, shape: readonly number[]): TensorData {
  ensure(numel(data.shape) === numel(shape), () => `a weight of the shape [${data.shape}] cannot become [${shape}]`);
  return later(data.dtype, shape, () => data.data);
}

/** The same numbers with their axes in another order, of which they have those of `from` at first, and `to` in the end. */
export const rearranged = (
  data: TensorData,
  { from, order, to }: Readonly<Record<"from" | "order" | "to", readonly number[]>>,
): TensorData => arranged(reshaped(data, from), order, to);

/** The tensor, of up to four axes, with its axes in another order, and then in another shape. */
function arranged(from: TensorData, order: Arrangement["order"], shape: Arrangement["shape"]): TensorData {
  ensure(from.dtype === "float32", () => `a weight is ${from.dtype}; weights are float32`);
  if (order) {
    ensure(
      order.length === from.shape.length,
      () => `a weight has the shape [${from.shape}], not ${order.length} axes`,
    );
  }
  const sizes = order ? order.map((axis) => from.shape[axis]!) : from.shape;
  const moved = later("float32", sizes, () => (order ? permuted(from, order) : from.data));
  return shape ? reshaped(moved, shape) : moved;
}

type FourNumbers = [number, number, number, number];

function permuted({ shape, data }: TensorData, order: readonly number[]): Float32Array {
  const from = data as Float32Array;
  const to = new Float32Array(from.length);
  const wide = (values: readonly number[], filler: number) => [filler, filler, filler, filler, ...values].slice(-4);
  const [A, B, C, D] = wide(
    order.map((axis) => shape[axis]!),
    1,
  ) as FourNumbers; // prettier-ignore
  const [a, b, c, d] = wide(
    order.map((axis) => numel(shape.slice(axis + 1))),
    0,
  ) as FourNumbers; // prettier-ignore
  let at = 0;
  for (let i = 0; i < A; i++)
    for (let j = 0; j < B; j++)
      for (let k = 0; k < C; k++) {
        const start = i * a + j * b + k * c;
        for (let l = 0; l < D; l++) to[at++] = from[start + l * d]!;
      }
  return to;
}

/** A name of a layer as a path of properties: "block_1/conv" → "block_1.conv". */
export const pathOf = (name: string): string =>
  name
    .split("/")
    .map((part) => part.replaceAll(/[^\w-]/g, "_").slice(0, 100))
    .filter((part) => part !== "")
    .join(".");

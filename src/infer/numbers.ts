import { check, formatShape, numel, type TensorData, tensor } from "../graph/index.ts";

/** Real numbers in row-major order with their shape: a tensor, or any object like it, plain arrays included. */
export interface Numbers {
  readonly shape: readonly number[];
  readonly data: ArrayLike<number> | TensorData["data"];
  /** Default: float32. */
  readonly dtype?: TensorData["dtype"];
}

/** Names of the arrays whose elements are real numbers. They are compared by name, since another realm has classes of its own. */
const REAL = new Set(["Array", "Float32Array", "Float64Array"]);

/**
 * The numbers as a float32 tensor. Nothing is copied if they are a Float32Array already, of whatever realm. `who` and `name` are
 * for messages.
 *
 * Throws if they are not real numbers, or if their count is not that of the shape.
 */
export function numbers(who: string, name: string, given: unknown): TensorData<"float32"> {
  check(
    isNumbers(given),
    () =>
      `${who}: "${name}" has to be a tensor, such as tensor("float32", [1, 3, 32, 32], data), but is ${kind(given)}`,
  );
  const { shape, data, dtype = "float32" } = given;
  const array = kind(data);
  check(
    (dtype === "float32" || dtype === "float64") && REAL.has(array),
    () =>
      `${who}: "${name}" is ${dtype}${formatShape(shape)}${dtype === "float32" ? ` in a ${array}` : ""}; a network takes float32 numbers: convert them, such as tensor("float32", shape, Float32Array.from(data)), and scale bytes as in training`,
  );
  check(
    data.length === numel(shape),
    () =>
      `${who}: "${name}" has shape ${formatShape(shape)}, which takes ${numel(shape)} numbers, but has ${data.length}`,
  );
  return tensor("float32", shape, float32(data as ArrayLike<number>, array));
}

function float32(data: ArrayLike<number>, array: string): Float32Array<ArrayBuffer> {
  if (array !== "Float32Array") return Float32Array.from(data);
  const { buffer, byteOffset, length } = data as Float32Array<ArrayBuffer>;
  return new Float32Array(buffer, byteOffset, length);
}

const isNumbers = (given: unknown): given is Numbers =>
  typeof given === "object" &&
  given !== null &&
  "shape" in given &&
  "data" in given &&
  kind(given.shape) === "Array" &&
  typeof given.data === "object" &&
  given.data !== null &&
  "length" in given.data;

/** `Float32Array`, `Array`, `Map`, …: the class of a value, of whatever realm. */
export const kind = (value: unknown): string => Object.prototype.toString.call(value).slice(8, -1);

import { toBrain, toHalf, widen } from "../graph/index.ts";

/** Types of 16 bits in which gradients can travel. */
export type WireType = "bf16" | "fp16";

/** How `allReduce` sends numbers in 16 bits. What rounding leaves out is kept, and added the next time (error feedback). */
export interface Compression {
  readonly to: WireType;
  /** How many numbers it is for, from the first of an array. */
  readonly floats: number;
  /** What rounding left out of each part. */
  readonly errors: readonly Float32Array[];
  /** What rounding left out of the sum, where this rank adds it up; 0 elsewhere. */
  readonly sumErrors: Float32Array;
}

const LARGEST_HALF = 65504;

/** Rounds values + errors to 16 bits; `errors` becomes what that leaves out. */
export function compress(to: WireType, values: Float32Array, errors: Float32Array, into: Uint16Array): void {
  const exact = new Float32Array(values.length);
  const bits = new Uint32Array(exact.buffer);
  for (let i = 0; i < exact.length; i++) exact[i] = values[i]! + errors[i]!;
  if (to === "bf16") {
    for (let i = 0; i < exact.length; i++) into[i] = toBrain(bits[i]!);
  } else {
    for (let i = 0; i < exact.length; i++) {
      const value = exact[i]!;
      // what does not fit is sent in several steps; infinity stays what it is, so that the training stops
      const isLarge = Math.abs(value) > LARGEST_HALF && Math.abs(value) < Number.POSITIVE_INFINITY;
      into[i] = isLarge ? (value > 0 ? 0x7bff : 0xfbff) : toHalf(bits[i]!);
    }
  }
  expand(to, into, errors);
  for (let i = 0; i < exact.length; i++) errors[i] = exact[i]! - errors[i]!;
}

/** The numbers that were rounded to 16 bits. */
export function expand(from: WireType, values: Uint16Array, into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  widen(from === "bf16" ? "bfloat16" : "float16", values, bits);
}

/** sum += other */
export function addInto(sum: Float32Array, other: Float32Array): void {
  for (let i = 0; i < sum.length; i++) sum[i] = sum[i]! + other[i]!;
}

/** Computations to check, at any geometry; see gradients.ts. */
import type fc from "fast-check";
import { expect } from "vitest";
import type { TensorData } from "../../src/graph/index.ts";
import type { Tensor } from "../../src/nn/index.ts";
import type { Draw } from "./draw.ts";

/** More runs and other seeds: `FC_RUNS=500 FC_SEED=$RANDOM npx vitest run test/operators`. */
export const RUNS = Number(process.env.FC_RUNS ?? 16);
export const SEED = Number(process.env.FC_SEED ?? 1);

/** One computation with numbers. */
export interface Case {
  readonly inputs: readonly TensorData[];
  /** Inputs whose axis 0 is the batch. Default: the first. */
  readonly batched?: readonly number[];
  /** Inputs to differentiate by. Default: the first; none where the computation is not differentiable. */
  readonly wrt?: readonly number[];
  readonly build: (inputs: readonly Tensor[]) => Tensor | readonly Tensor[];
  /** The same in Python, of `x[0]`, `x[1]`, … */
  readonly torch: string;
  /** Whether a small step leads over no kink, so that finite differences hold. Default true. */
  readonly smooth?: boolean;
}

/** A computation at any geometry and any batch size. */
export interface Family {
  readonly geometry: fc.Arbitrary<unknown>;
  readonly at: (geometry: unknown, batch: number, draw: Draw) => Case;
}

export function family<G>(geometry: fc.Arbitrary<G>, at: (geometry: G, batch: number, draw: Draw) => Case): Family {
  return { geometry, at: at as Family["at"] };
}

/** Demands equal shapes, and elements that differ by at most `tolerance` of the largest. */
export function expectClose(actual: TensorData, wanted: TensorData, tolerance: number, what: string): void {
  expect(actual.shape, `shape of ${what}`).toEqual(wanted.shape);
  const [given, expected] = [numbers(actual), numbers(wanted)];
  const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
  const difference = expected.map((value, i) => Math.abs(value - given[i]!));
  const worst = difference.reduce((worst, value, i) => (value <= difference[worst]! ? worst : i), 0);
  expect(Number.isFinite(largest), `${what} of the reference is finite`).toBe(true);
  const allowed = tolerance * Math.max(largest, 0.1);
  expect(
    difference.every((value) => value <= allowed),
    `${what} differs from the reference: element ${worst} is ${given[worst]}, not ${expected[worst]}`,
  ).toBe(true);
}

export const numbers = ({ data }: TensorData): number[] => Array.from(data as ArrayLike<number | bigint>, Number);

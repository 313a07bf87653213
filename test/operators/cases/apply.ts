import type { Attributes } from "../../../src/graph/index.ts";
import type { Case } from "../../support/family.ts";

export interface ApplyOptions {
  domain?: string;
  /** Outputs used. Default 1. */
  outputs?: number;
  /** Vectors of whole numbers that follow the inputs, as constants. */
  ints?: readonly (readonly number[])[];
}

/** One application of an operator to all inputs of a case. */
export function apply(
  op: string,
  attributes: Attributes = {},
  { domain = "", outputs = 1, ints = [] }: ApplyOptions = {},
): Case["build"] {
  return (x) => {
    const { ops } = x[0]!.tracer;
    const inputs = [...x.map(({ value }) => value), ...ints.map((values) => ops.ints(values))];
    return ops.emit(op, inputs, attributes, { domain, outputs }).map((value) => x[0]!.wrap(value));
  };
}

/** A list or a truth value in Python. */
export const py = (value: readonly number[] | boolean): string =>
  typeof value === "boolean" ? (value ? "True" : "False") : `[${value.join(", ")}]`;

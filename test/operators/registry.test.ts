import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { evaluator, findOperator, gradientOf, OPERATORS } from "../../src/operators/index.ts";
import { quantized } from "../../src/operators/quantized.ts";
import { Draw } from "../support/draw.ts";
import { CASES } from "./cases/index.ts";

/** Operators without a gradient, and why. Every other one is differentiated in gradients.test.ts. */
const NOT_DIFFERENTIABLE = {
  And: "true or false",
  ArgMax: "whole numbers",
  ArgMin: "whole numbers",
  Ceil: "a step",
  Constant: "has no input",
  ConstantOfShape: "reads a shape",
  Equal: "true or false",
  Floor: "a step",
  Greater: "true or false",
  GreaterOrEqual: "true or false",
  Less: "true or false",
  LessOrEqual: "true or false",
  MaxUnpool: "emitted by gradients only",
  Mod: "a remainder of sizes in networks",
  Not: "true or false",
  Or: "true or false",
  Range: "whole numbers",
  ReduceProd: "multiplies sizes in networks, not features",
  Round: "a step",
  ScatterElements: "emitted by gradients only",
  Shape: "whole numbers",
  Size: "whole numbers",
} as const satisfies Record<string, string>;

const isListed = (op: string) => Object.hasOwn(NOT_DIFFERENTIABLE, op) || Object.hasOwn(quantized, op);

const families = Object.assign({}, ...Object.values(CASES)) as (typeof CASES)[keyof typeof CASES];

describe("the table of operators", () => {
  it("has a case for every operator", () => {
    expect(Object.keys(families).sort()).toEqual(Object.keys(OPERATORS).sort());
  });

  it("evaluates what shapes are computed with, and knows nothing of names that objects have", () => {
    const evaluated = Object.keys(OPERATORS).filter((op) => evaluator(op));
    expect(evaluated).toEqual(
      expect.arrayContaining(["Shape", "Gather", "Concat", "Reshape", "Add", "Where", "ReduceProd"]),
    );
    expect(evaluator("Conv")).toBeUndefined();
    expect(findOperator("constructor")).toBeUndefined();
    expect(evaluator("constructor")).toBeUndefined();
  });

  it.each(Object.keys(OPERATORS))("%s is differentiated in its case, or listed with a reason", (op) => {
    const { geometry, at } = families[op]!;
    const [drawn] = fc.sample(geometry, { numRuns: 1, seed: 1 });
    const { wrt = [0] } = at(drawn, 2, new Draw(1));
    expect(wrt.length === 0, "its case is not differentiated").toBe(isListed(op));
    expect(gradientOf(op) === undefined, "it has no gradient").toBe(isListed(op));
  });
});

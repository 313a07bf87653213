import fc from "fast-check";
import type { Draw } from "../../support/draw.ts";
import { type Family, family } from "../../support/family.ts";
import { apply, py } from "./apply.ts";

const shapes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 0, maxLength: 3 });

/** Some axes of a tensor, counted from either end; all where none are given. */
const reductions = shapes.chain((shape) =>
  fc.record({
    shape: fc.constant(shape),
    axes: fc.uniqueArray(fc.integer({ min: -shape.length - 1, max: shape.length }), {
      selector: (axis) => (axis < 0 ? axis + shape.length + 1 : axis),
    }),
    keepdims: fc.boolean(),
  }),
);

/** Written with axes as an attribute, as all but ReduceSum have them in this opset. */
function reduce(
  op: string,
  torch: (options: string) => string,
  options: { differentiable?: boolean; ties?: boolean; positive?: boolean } = {},
): Family {
  const { differentiable = true, ties = false, positive = false } = options;
  const drawn = (draw: Draw, shape: readonly number[]) =>
    positive ? draw.uniform(shape, 0.5, 2) : ties ? draw.integers(shape) : draw.awayFromZero(shape);
  return family(reductions, ({ shape, axes, keepdims }, N, draw) => {
    const all = [N, ...shape].map((_, axis) => axis);
    const given = axes.length > 0 ? axes : all;
    const attributes = { keepdims: keepdims ? 1 : 0, ...(axes.length > 0 && op !== "ReduceSum" && { axes }) };
    const ints = op === "ReduceSum" && axes.length > 0 ? [axes] : [];
    return {
      inputs: [drawn(draw, [N, ...shape])],
      smooth: !ties,
      wrt: differentiable ? [0] : [],
      build: apply(op, attributes, { ints }),
      torch: torch(`dim=${py(given)}, keepdim=${py(keepdims)}`),
    };
  });
}

const positions = (op: string, torch: string): Family =>
  family(
    fc.record({ shape: shapes, axis: fc.nat(3), negative: fc.boolean(), keepdims: fc.boolean() }),
    ({ shape, axis, negative, keepdims }, N, draw) => {
      const rank = shape.length + 1;
      const at = (axis % rank) - (negative ? rank : 0);
      return {
        inputs: [draw.spaced([N, ...shape])],
        wrt: [],
        build: apply(op, { axis: at, keepdims: keepdims ? 1 : 0 }),
        torch: `x[0].${torch}(dim=${at}, keepdim=${py(keepdims)})`,
      };
    },
  );

export const reduction: Record<string, Family> = {
  ReduceSum: reduce("ReduceSum", (options) => `x[0].sum(${options})`),
  ReduceMean: reduce("ReduceMean", (options) => `x[0].mean(${options})`),
  ReduceSumSquare: reduce("ReduceSumSquare", (options) => `(x[0] ** 2).sum(${options})`),
  ReduceL2: reduce("ReduceL2", (options) => `(x[0] ** 2).sum(${options}).sqrt()`),
  ReduceL1: reduce("ReduceL1", (options) => `x[0].abs().sum(${options})`),
  ReduceLogSum: reduce("ReduceLogSum", (options) => `x[0].sum(${options}).log()`, { positive: true }),
  ReduceLogSumExp: reduce("ReduceLogSumExp", (options) => `x[0].exp().sum(${options}).log()`),
  ReduceMax: reduce("ReduceMax", (options) => `x[0].amax(${options})`, { ties: true }),
  ReduceMin: reduce("ReduceMin", (options) => `x[0].amin(${options})`, { ties: true }),
  ReduceProd: reduce(
    "ReduceProd",
    // PyTorch multiplies along one axis at a time: logarithms and a count of signs stand for it
    (options) => `(x[0].abs().log().sum(${options}).exp() * (1 - 2 * ((x[0] < 0).sum(${options}) % 2)))`,
    { differentiable: false },
  ),
  ArgMax: positions("ArgMax", "argmax"),
  ArgMin: positions("ArgMin", "argmin"),
};

const softmaxes = (op: string, torch: string): Family =>
  family(
    fc.record({
      shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 0, maxLength: 3 }),
      axis: fc.nat(3),
      negative: fc.boolean(),
      given: fc.boolean(),
    }),
    ({ shape, axis, negative, given }, N, draw) => {
      const rank = shape.length + 1;
      const at = given ? (axis % rank) - (negative ? rank : 0) : -1;
      return {
        inputs: [draw.uniform([N, ...shape], -3, 3)],
        build: apply(op, given ? { axis: at } : {}),
        torch: `F.${torch}(x[0], dim=${at})`,
      };
    },
  );

export const softmax: Record<string, Family> = {
  Softmax: softmaxes("Softmax", "softmax"),
  LogSoftmax: softmaxes("LogSoftmax", "log_softmax"),
};

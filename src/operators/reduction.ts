import { attribute, type Dim, product, type TensorType, type Value } from "../graph/index.ts";
import { type Evaluators, total, totalOfNumbers } from "./evaluation.ts";
import { type Application, axisOf, type Gradient, type GradientRules, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";

/** Axes to reduce: an input (ReduceSum) or an attribute (the others, in this opset); all where none are given. */
function axesOf(node: Application): readonly number[] {
  const rank = node.x.shape.length;
  const axes = node.inputs[1] ? node.numbers(1) : attribute.ints(node, "axes", []);
  if (axes.length === 0) return attribute.int(node, "noop_with_empty_axes", 0) ? [] : [...Array(rank).keys()];
  return axes.map((axis) => axisOf(node.op, axis, rank));
}

function reduced(node: Application, axes: readonly number[]): TensorType[] {
  const { dtype, shape } = node.x;
  const keep = attribute.int(node, "keepdims", 1) === 1;
  const dims = shape.flatMap((dim, axis): Dim[] => (!axes.includes(axis) ? [dim] : keep ? [1] : []));
  return [{ dtype, shape: dims }];
}

const reduce = { infer: (node) => reduced(node, axesOf(node)) } as const satisfies Operator;

const positionOfExtreme = {
  infer: (node) => reduced(node, [node.axis(0)]).map(({ shape }) => ({ dtype: "int64", shape })),
} as const satisfies Operator;

/** Reductions over axes: x [any] → y, the reduced axes of size 1 (`keepdims` 1, the default) or left out (0). */
export const reduction = {
  ReduceSum: reduce,
  ReduceMean: { ...reduce, keeps: "classes" },
  ReduceSumSquare: reduce,
  ReduceL2: reduce,
  ReduceL1: reduce,
  ReduceLogSum: reduce,
  ReduceLogSumExp: reduce,
  ReduceMax: { ...reduce, keeps: "classes" },
  ReduceMin: reduce,
  ReduceProd: reduce,
  ArgMax: positionOfExtreme,
  ArgMin: positionOfExtreme,
} as const satisfies Record<string, Operator>;

/** What the gradient of a reduction is made of; dy and y have the reduced axes back, as size 1. */
interface Reduced {
  readonly x: Value;
  readonly y: Value;
  readonly dy: Value;
  readonly axes: readonly number[];
}

/** A rule for the gradient of a reduction's x. */
const spread =
  (dx: (g: Ops, reduced: Reduced) => Value): Gradient =>
  (g, node) => {
    const { x } = node;
    const axes = axesOf(node);
    const shape = x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim));
    const [dy, y] = [g.reshape(node.dy, shape), g.reshape(node.y, shape)];
    return [dx(g, { x, y, dy, axes })];
  };

/** The elements that are equal to the extreme share its gradient evenly, as in torch.amax. */
function amongEqual(g: Ops, { x, y, dy, axes }: Reduced): Value {
  const winners = g.indicator(g.equal(x, y));
  return g.mul(winners, g.div(dy, g.reduceSum(winners, axes)));
}

/** Gradient rules of the operators above. */
export const reductionGradients = (): GradientRules<typeof reduction> => ({
  ReduceSum: spread((g, { x, dy }) => g.expand(dy, x)),
  ReduceMean: spread((g, { x, dy, axes }) => g.expand(g.div(dy, g.count(x, axes)), x)),
  ReduceSumSquare: spread((g, { x, dy }) => g.mul(g.scale(dy, 2), x)),
  ReduceL2: spread((g, { x, y, dy }) => g.mul(g.div(dy, y), x)),
  ReduceL1: spread((g, { x, dy }) => g.mul(dy, g.one("Sign", [x]))),
  ReduceLogSum: spread((g, { x, y, dy }) => g.expand(g.div(dy, g.exp(y)), x)),
  ReduceLogSumExp: spread((g, { x, y, dy }) => g.mul(dy, g.exp(g.sub(x, y)))),
  ReduceMax: spread(amongEqual),
  ReduceMin: spread(amongEqual),
});

/** Constant evaluation of the operators above that shapes are computed with. */
export const reductionElements = (): Evaluators<typeof reduction> => ({
  ReduceSum: totalOfNumbers((values) => values.reduce((sum, value) => sum + value, 0)),
  ReduceMax: totalOfNumbers((values) => Math.max(...values)),
  ReduceMin: totalOfNumbers((values) => Math.min(...values)),
  ReduceProd: total(product),
});

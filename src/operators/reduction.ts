import { attribute, type Dim, type Node, type TensorType, type Value } from "../graph/index.ts";
import { type Application, axisOf, constantInput, input, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";

/** Axes to reduce: an input (ReduceSum) or an attribute (the others, in this opset); all where none are given. */
function axesOf(
  node: Pick<Node, "op" | "inputs" | "attributes">,
  fromInput: readonly number[] | undefined,
): readonly number[] {
  const rank = input(node, 0).shape.length;
  const axes = fromInput ?? attribute.ints(node, "axes", []);
  if (axes.length === 0) return attribute.int(node, "noop_with_empty_axes", 0) ? [] : [...Array(rank).keys()];
  return axes.map((axis) => axisOf(node.op, axis, rank));
}

function reduced(node: Application, axes: readonly number[]): TensorType[] {
  const { dtype, shape } = input(node, 0);
  const keep = attribute.int(node, "keepdims", 1) === 1;
  const dims = shape.flatMap((dim, axis): Dim[] => (!axes.includes(axis) ? [dim] : keep ? [1] : []));
  return [{ dtype, shape: dims }];
}

/** A value of the reduced shape with the reduced axes put back as size 1. */
function keepAxes(g: Ops, value: Value, x: Value, axes: readonly number[]): Value {
  return g.reshape(
    value,
    x.shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)),
  );
}

/** A reduction; `spread` turns dy, with the reduced axes kept as size 1, into the gradient of x. */
function reduce(spread?: (g: Ops, dy: Value, x: Value, y: Value, axes: readonly number[]) => Value): Operator {
  return {
    infer(node) {
      return reduced(node, axesOf(node, node.inputs[1] && constantInput(node, 1)));
    },
    ...(spread && {
      gradient(g, { node, dy }) {
        const x = input(node, 0);
        const axes = axesOf(node, constantAxes(g, node));
        const keep = (value: Value) => keepAxes(g, value, x, axes);
        return [spread(g, keep(dy[0]!), x, keep(node.outputs[0]!), axes)];
      },
    }),
  };
}

/** The elements that are equal to the extreme share its gradient evenly, as in torch.amax. */
function amongEqual(g: Ops, dy: Value, x: Value, y: Value, axes: readonly number[]): Value {
  const winners = g.indicator(g.equal(x, y));
  return g.mul(winners, g.div(dy, g.reduceSum(winners, axes)));
}

function constantAxes(g: Ops, node: Node): readonly number[] | undefined {
  const data = node.inputs[1] && g.graph.constants.get(node.inputs[1])?.data;
  return data && Array.from(data, Number);
}

const positionOfExtreme: Operator = {
  infer(node) {
    const axis = axisOf(node.op, attribute.int(node, "axis", 0), input(node, 0).shape.length);
    return reduced(node, [axis]).map(({ shape }) => ({ dtype: "int64" as const, shape }));
  },
};

/** Reductions over axes: x [any] → y, the reduced axes of size 1 (`keepdims`) or left out. */
export const reduction = {
  ReduceSum: reduce((g, dy, x) => g.expand(dy, x)),
  ReduceMean: reduce((g, dy, x, _, axes) => g.expand(g.div(dy, g.count(x, axes)), x)),
  ReduceSumSquare: reduce((g, dy, x) => g.mul(g.scale(dy, 2), x)),
  ReduceL2: reduce((g, dy, x, y) => g.mul(g.div(dy, y), x)),
  ReduceL1: reduce((g, dy, x) => g.mul(dy, g.one("Sign", [x]))),
  ReduceLogSum: reduce((g, dy, x, y) => g.expand(g.div(dy, g.exp(y)), x)),
  ReduceLogSumExp: reduce((g, dy, x, y) => g.mul(dy, g.exp(g.sub(x, y)))),
  ReduceMax: reduce(amongEqual),
  ReduceMin: reduce(amongEqual),
  ReduceProd: reduce(),
  ArgMax: positionOfExtreme,
  ArgMin: positionOfExtreme,
} as const satisfies Record<string, Operator>;

import { attribute, broadcast, check, type DType, formatShape, type TensorType, type Value } from "../graph/index.ts";
import { dtypeOfOnnx } from "./onnx-types.ts";
import { type Application, input, type Operator, sameAsInput } from "./operator.ts";
import type { Ops } from "./ops.ts";

/** Sums a gradient over the axes along which its value was broadcast: the gradient of broadcasting. */
export function unbroadcast(g: Ops, dy: Value, { shape }: Value): Value {
  const extra = dy.shape.length - shape.length;
  const axes = dy.shape.flatMap((dim, axis) =>
    axis < extra || (shape[axis - extra] === 1 && dim !== 1) ? [axis] : [],
  );
  return g.reshape(g.reduceSum(dy, axes), shape);
}

function broadcastOf(node: Application, dtype: DType, values: readonly (Value | undefined)[]): TensorType[] {
  const shapes = values.map((_, i) => input({ op: node.op, inputs: values }, i).shape);
  const shape = broadcast(...shapes);
  check(shape, () => `${node.op}: the shapes ${shapes.map(formatShape).join(" and ")} do not broadcast`);
  return [{ dtype, shape }];
}

const broadcastInputs = (node: Application) => broadcastOf(node, input(node, 0).dtype, node.inputs);

/** y = f(x), x [any] → y [same]; `derivative` is f′(x), from x and y. */
export function unary(derivative: (g: Ops, x: Value, y: Value) => Value): Operator {
  return {
    infer: sameAsInput,
    gradient(g, { node, dy }) {
      return [g.mul(dy[0]!, derivative(g, input(node, 0), node.outputs[0]!))];
    },
  };
}

/** y = f(a, b) with broadcasting; `partial` gives the gradients before the broadcast axes are summed, those wanted. */
function binary(partial: (g: Ops, dy: Value, a: Value, b: Value, y: Value) => [() => Value, () => Value]): Operator {
  return {
    infer: broadcastInputs,
    gradient(g, { node, dy, needs }) {
      const [a, b] = [input(node, 0), input(node, 1)];
      const partials = partial(g, dy[0]!, a, b, node.outputs[0]!);
      return [a, b].map((x, i) => (needs(i) ? unbroadcast(g, partials[i]!(), x) : undefined));
    },
  };
}

/** Maximum or minimum of any number of inputs. The gradient goes to the first of those that are equal to it. */
const extreme: Operator = {
  infer: broadcastInputs,
  gradient(g, { node, dy, needs }) {
    const y = node.outputs[0]!;
    let open = dy[0]!;
    return node.inputs.map((x, i) => {
      if (!x) return undefined;
      const share = g.mul(open, g.indicator(g.equal(x, y)));
      open = g.sub(open, share);
      return needs(i) ? unbroadcast(g, share, x) : undefined;
    });
  },
};

/** Operators whose output is not a smooth function of their inputs. */
const comparison: Operator = { infer: (node) => broadcastOf(node, "bool", node.inputs) };

const one = (g: Ops) => g.scalar(1);

/** Elementwise operators, with NumPy's broadcasting where there are several inputs. */
export const elementwise = {
  Add: binary((_, dy) => [() => dy, () => dy]),
  Sub: binary((g, dy) => [() => dy, () => g.neg(dy)]),
  Mul: binary((g, dy, a, b) => [() => g.mul(dy, b), () => g.mul(dy, a)]),
  Div: binary((g, dy, _, b, y) => [() => g.div(dy, b), () => g.neg(g.div(g.mul(dy, y), b))]),
  /** Gradient of the base only: in networks exponents are constants. */
  Pow: {
    infer: broadcastInputs,
    gradient(g, { node, dy, needs }) {
      const [x, exponent] = [input(node, 0), input(node, 1)];
      check(!needs(1), () => "Pow: has no gradient with respect to its exponent");
      const slope = g.mul(exponent, g.one("Pow", [x, g.sub(exponent, one(g))]));
      return [unbroadcast(g, g.mul(dy[0]!, slope), x), undefined];
    },
  },
  Sum: {
    infer: broadcastInputs,
    gradient: (g, { node, dy, needs }) =>
      node.inputs.map((x, i) => (x && needs(i) ? unbroadcast(g, dy[0]!, x) : undefined)),
  },
  Mean: {
    infer: broadcastInputs,
    gradient: (g, { node, dy, needs }) =>
      node.inputs.map((x, i) =>
        x && needs(i) ? unbroadcast(g, g.scale(dy[0]!, 1 / node.inputs.length), x) : undefined,
      ),
  },
  Max: extreme,
  Min: extreme,
  /** In networks a remainder of sizes. */
  Mod: { infer: broadcastInputs },

  Neg: {
    infer: sameAsInput,
    gradient: (g, { dy }) => [g.neg(dy[0]!)],
  },
  Abs: unary((g, x) => g.one("Sign", [x])),
  Sign: { infer: sameAsInput },
  Floor: { infer: sameAsInput },
  Ceil: { infer: sameAsInput },
  Round: { infer: sameAsInput },
  Exp: unary((_g, _x, y) => y),
  Log: {
    infer: sameAsInput,
    gradient: (g, { node, dy }) => [g.div(dy[0]!, input(node, 0))],
  },
  Sqrt: unary((g, _, y) => g.div(g.scalar(0.5), y)),
  Reciprocal: unary((g, _, y) => g.neg(g.mul(y, y))),
  Sigmoid: unary((g, _, y) => g.mul(y, g.sub(one(g), y))),
  Tanh: unary((g, _, y) => g.sub(one(g), g.mul(y, y))),
  Erf: unary((g, x) => g.scale(g.exp(g.neg(g.mul(x, x))), 2 / Math.sqrt(Math.PI))),
  /** max(x, 0); the gradient at 0 is 0, as in PyTorch. */
  Relu: unary((g, _, y) => g.indicator(g.greater(y, g.scalar(0)))),
  LeakyRelu: {
    infer: sameAsInput,
    gradient(g, { node, dy }) {
      const slope = g.scale(dy[0]!, attribute.float(node, "alpha", 0.01));
      return [g.where(g.greater(input(node, 0), g.scalar(0)), dy[0]!, slope)];
    },
  },
  /** Limits to [min, max]; the gradient passes strictly inside, as it does through PyTorch's ReLU6. */
  Clip: {
    infer: sameAsInput,
    gradient(g, { node, dy }) {
      const x = input(node, 0);
      const [, min, max] = node.inputs;
      let dx = dy[0]!;
      if (min) dx = g.mul(dx, g.indicator(g.greater(x, min)));
      if (max) dx = g.mul(dx, g.indicator(g.less(x, max)));
      return [dx];
    },
  },
  /** max(0, min(1, alpha·x + beta)) */
  HardSigmoid: {
    infer: sameAsInput,
    gradient(g, { node, dy }) {
      const y = node.outputs[0]!;
      const inside = g.and(g.greater(y, g.scalar(0)), g.less(y, one(g)));
      return [g.scale(g.mul(dy[0]!, g.indicator(inside)), attribute.float(node, "alpha", 0.2))];
    },
  },
  /** x · HardSigmoid(x) with alpha = 1/6 and beta = 0.5 */
  HardSwish: unary((g, x) => {
    const inside = g.where(g.greater(x, g.scalar(-3)), g.add(g.scale(x, 1 / 3), g.scalar(0.5)), g.scalar(0));
    return g.where(g.less(x, g.scalar(3)), inside, one(g));
  }),
  Identity: { infer: sameAsInput, gradient: (_, { dy }) => [dy[0]] },
  /** In inference the identity. Training graphs multiply with a mask that is an input instead. */
  Dropout: { infer: sameAsInput, gradient: (_, { dy }) => [dy[0]] },
  Cast: {
    infer: (node) => [{ dtype: dtypeOfOnnx(attribute.int(node, "to")), shape: input(node, 0).shape }],
    gradient: (g, { node, dy }) => [g.cast(dy[0]!, input(node, 0).dtype)],
  },

  Where: {
    infer: (node) => broadcastOf(node, input(node, 1).dtype, node.inputs),
    gradient(g, { node, dy, needs }) {
      const [condition, a, b] = [input(node, 0), input(node, 1), input(node, 2)];
      const chosen = g.indicator(condition);
      return [
        undefined,
        needs(1) ? unbroadcast(g, g.mul(dy[0]!, chosen), a) : undefined,
        needs(2) ? unbroadcast(g, g.mul(dy[0]!, g.sub(one(g), chosen)), b) : undefined,
      ];
    },
  },
  Equal: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
  And: comparison,
  Or: comparison,
  Not: { infer: sameAsInput },
} as const satisfies Record<string, Operator>;

import {
  attribute,
  broadcast,
  check,
  type DType,
  Float,
  formatShape,
  quotient,
  type TensorType,
  type Value,
} from "../graph/index.ts";
import { arithmetic, type Evaluators, namedProduct, pointwise, sameElements } from "./evaluation.ts";
import { dtypeOfOnnx } from "./onnx-types.ts";
import {
  type Application,
  type Backward,
  type Gradient,
  type GradientRules,
  type Operator,
  sameAsInput,
} from "./operator.ts";
import type { Ops } from "./ops.ts";
import { isWebGpu } from "./target.ts";

/** Every input broadcast to one shape, in the type of input `like` unless `dtype` says otherwise. */
function broadcastInputs(node: Application, like = 0, dtype: DType = node.input(like).dtype): TensorType[] {
  const shapes = node.inputs.map((_, i) => node.input(i).shape);
  const shape = broadcast(...shapes);
  check(shape, () => `${node.op}: the shapes ${shapes.map(formatShape).join(" and ")} do not broadcast`);
  return [{ dtype, shape }];
}

/** y of the same type as x. */
const unary = { infer: sameAsInput } as const satisfies Operator;

/** y in the common shape of all inputs. */
const broadcasting = { infer: (node) => broadcastInputs(node) } as const satisfies Operator;

/** True or false for each pair of elements. */
const comparison = { infer: (node) => broadcastInputs(node, 0, "bool") } as const satisfies Operator;

/** Elementwise operators, with NumPy's broadcasting where there are several inputs. */
export const elementwise = {
  Add: { ...broadcasting, weights: { 0: "bias", 1: "bias" }, kind: "join", title: "+" },
  Sub: { ...broadcasting, kind: "join", title: "−" },
  Mul: { ...broadcasting, weights: { 0: "weight", 1: "weight" }, kind: "join", title: "×" },
  Div: { ...broadcasting, kind: "join", title: "÷" },
  Pow: broadcasting,
  Sum: { ...broadcasting, kind: "join", title: "+" },
  Mean: broadcasting,
  Max: broadcasting,
  Min: broadcasting,
  /** In networks a remainder of sizes. */
  Mod: broadcasting,

  Neg: unary,
  Abs: unary,
  Sign: unary,
  Floor: unary,
  Ceil: unary,
  Round: unary,
  Exp: unary,
  Log: unary,
  Sqrt: unary,
  Reciprocal: unary,
  Sigmoid: { ...unary, keeps: "classes", kind: "activation" },
  Tanh: { ...unary, kind: "activation" },
  Erf: { ...unary, kind: "activation" },
  /** max(x, 0) */
  Relu: { ...unary, keeps: "classes", kind: "activation", title: "ReLU" },
  /** x > 0 ? x : alpha · x */
  LeakyRelu: { ...unary, kind: "activation", title: "leaky ReLU" },
  /** Limits to [min, max]. */
  Clip: { ...unary, keeps: "classes", kind: "activation" },
  /** max(0, min(1, alpha·x + beta)) */
  HardSigmoid: { ...unary, kind: "activation" },
  /** x · HardSigmoid(x) with alpha = 1/6 and beta = 0.5 */
  HardSwish: { ...unary, kind: "activation" },
  Identity: { ...unary, keeps: "elements" },
  /** The identity in the evaluation form. Training graphs multiply by a mask that is an input instead. */
  Dropout: { ...unary, keeps: "classes", kind: "dropout" },
  /** x in the type `to`, a number of ONNX's. */
  Cast: {
    infer: (node) => [{ dtype: dtypeOfOnnx(attribute.int(node, "to")), shape: node.x.shape }],
    keeps: "elements",
  },

  Where: { infer: (node) => broadcastInputs(node, 1) },
  Equal: comparison,
  Greater: comparison,
  GreaterOrEqual: comparison,
  Less: comparison,
  LessOrEqual: comparison,
  And: comparison,
  Or: comparison,
  Not: unary,
} as const satisfies Record<string, Operator>;

/** Sums a gradient over the axes along which its value was broadcast: the gradient of broadcasting. */
export function unbroadcast(g: Ops, dy: Value, { shape }: Value): Value {
  const extra = dy.shape.length - shape.length;
  const axes = dy.shape.flatMap((dim, axis) =>
    axis < extra || (shape[axis - extra] === 1 && dim !== 1) ? [axis] : [],
  );
  return g.reshape(g.reduceSum(dy, axes), shape);
}

/** dx = dy · f′(x); `slope` is f′(x), from x and y. */
export const derivative =
  (slope: (g: Ops, x: Value, y: Value) => Value): Gradient =>
  (g, { x, y, dy }) => [g.mul(dy, slope(g, x, y))];

/** `partials` are the gradients of x and w before the axes are summed along which they were broadcast. */
const binary =
  (partials: (g: Ops, node: Backward) => [dx: () => Value, dw: () => Value]): Gradient =>
  (g, node) => {
    const [dx, dw] = partials(g, node);
    return [() => unbroadcast(g, dx(), node.x), () => unbroadcast(g, dw(), node.w)];
  };

/** Gradients of a sum of any number of inputs, each times a factor. */
const sumOf =
  (factor: (count: number) => number): Gradient =>
  (g, { inputs, dy }) =>
    inputs.map((x) => x && (() => unbroadcast(g, g.scale(dy, factor(inputs.length)), x)));

/** The gradient of a maximum or minimum goes to the first input that is equal to it. */
const extreme: Gradient = (g, { inputs, y, dy, needs }) => {
  let open = dy;
  return inputs.map((x, i) => {
    if (!x) return undefined;
    const share = g.mul(open, g.indicator(g.equal(x, y)));
    open = g.sub(open, share);
    return needs(i) ? unbroadcast(g, share, x) : undefined;
  });
};

const passed: Gradient = (_, { dy }) => [dy];

const one = (g: Ops) => g.scalar(1);

/** 1 where y > 0, else 0, for y ≥ 0. */
const positive = (g: Ops, y: Value): Value => beyond(g, y, g.scalar(0), 1);

/** Turns the difference between a limit and the next float32 into more than 1. */
export const steepness = (limit: number): number => 2 ** Math.min(127, 125 - Math.floor(Math.log2(Math.abs(limit))));

/** 1 where sign · y > sign · limit, else 0, for y that do not lie on the other side. */
function beyond(g: Ops, y: Value, limit: Value, sign: 1 | -1): Value {
  const number = Number(g.graph.constants.get(limit)?.data[0]);
  if (isWebGpu(g.target) || Number.isNaN(number)) return g.indicator((sign > 0 ? g.greater : g.less)(y, limit));
  // min(1, steep · |y − limit|), in one pass over the data where comparing and casting are two
  const steep = sign * steepness(number);
  return g.one("HardSigmoid", [y], { alpha: new Float(steep), beta: new Float(0 - number * steep) });
}

/** Gradients of the operators above. Steps and comparisons have none: their outputs change by jumps. */
export const elementwiseGradients = (): GradientRules<typeof elementwise> => ({
  Add: binary((_, { dy }) => [() => dy, () => dy]),
  Sub: binary((g, { dy }) => [() => dy, () => g.neg(dy)]),
  Mul: binary((g, { x, w, dy }) => [() => g.mul(dy, w), () => g.mul(dy, x)]),
  Div: binary((g, { w, y, dy }) => [() => g.div(dy, w), () => g.neg(g.div(g.mul(dy, y), w))]),
  /** Gradient of the base only: in networks exponents are constants. */
  Pow(g, { x, w: exponent, dy, needs }) {
    check(!needs(1), () => "Pow: has no gradient with respect to its exponent");
    const slope = g.mul(exponent, g.one("Pow", [x, g.sub(exponent, one(g))]));
    return [unbroadcast(g, g.mul(dy, slope), x)];
  },
  Sum: sumOf(() => 1),
  Mean: sumOf((count) => 1 / count),
  Max: extreme,
  Min: extreme,

  Neg: (g, { dy }) => [g.neg(dy)],
  Abs: derivative((g, x) => g.one("Sign", [x])),
  /** 0 everywhere, as in PyTorch. */
  Sign: (g, { x }) => [g.expand(g.scalar(0), x)],
  Exp: derivative((_g, _x, y) => y),
  Log: (g, { x, dy }) => [g.div(dy, x)],
  Sqrt: derivative((g, _, y) => g.div(g.scalar(0.5), y)),
  Reciprocal: derivative((g, _, y) => g.neg(g.mul(y, y))),
  Sigmoid: derivative((g, _, y) => g.mul(y, g.sub(one(g), y))),
  Tanh: derivative((g, _, y) => g.sub(one(g), g.mul(y, y))),
  Erf: derivative((g, x) => g.scale(g.exp(g.neg(g.mul(x, x))), 2 / Math.sqrt(Math.PI))),
  /** The gradient at 0 is 0, as in PyTorch. */
  Relu: derivative((g, _, y) => positive(g, y)),
  LeakyRelu(g, node) {
    const { x, dy } = node;
    const slope = g.scale(dy, attribute.float(node, "alpha", 0.01));
    return [g.where(g.greater(x, g.scalar(0)), dy, slope)];
  },
  /** Passes strictly inside the limits, as through PyTorch's ReLU6. */
  Clip(g, { inputs: [, min, max], y, dy }) {
    const insides = [min && beyond(g, y, min, 1), max && beyond(g, y, max, -1)].filter(
      (inside) => inside !== undefined,
    );
    return [insides.length > 0 ? g.mul(dy, insides.reduce(g.mul)) : dy];
  },
  HardSigmoid(g, node) {
    const { y, dy } = node;
    const inside = g.and(g.greater(y, g.scalar(0)), g.less(y, one(g)));
    return [g.scale(g.mul(dy, g.indicator(inside)), attribute.float(node, "alpha", 0.2))];
  },
  HardSwish: derivative((g, x) => {
    const inside = g.where(g.greater(x, g.scalar(-3)), g.add(g.scale(x, 1 / 3), g.scalar(0.5)), g.scalar(0));
    return g.where(g.less(x, g.scalar(3)), inside, one(g));
  }),
  Identity: passed,
  Dropout: passed,
  Cast: (g, { x, dy }) => [g.cast(dy, x.dtype)],

  Where(g, node) {
    const [condition, a, b] = [node.x, node.w, node.input(2)];
    const chosen = g.indicator(condition);
    return [
      undefined,
      () => unbroadcast(g, g.mul(node.dy, chosen), a),
      () => unbroadcast(g, g.mul(node.dy, g.sub(one(g), chosen)), b),
    ];
  },
});

const same = <T>(value: T): T => value;
const truth = (value: boolean): number => Number(value);

/** Constant evaluation of the operators above that shapes are computed with. */
export const elementwiseElements = (): Evaluators<typeof elementwise> => ({
  Add: arithmetic(
    (a, b) => a + b,
    (a, b) => (a === 0 ? b : b === 0 ? a : undefined),
  ),
  Sub: arithmetic(
    (a, b) => a - b,
    (a, b) => (b === 0 ? a : a === b ? 0 : undefined),
  ),
  Mul: arithmetic((a, b) => a * b, namedProduct),
  Div: pointwise(([a, b], { x }) => {
    if (typeof a === "string" || typeof b === "string") return quotient(a!, b!);
    const ratio = a! / b!;
    return x.dtype === "float32" ? ratio : b === 0 ? undefined : Math.trunc(ratio);
  }),
  Mod: arithmetic((a, b) => a - b * Math.floor(a / b)),
  Max: arithmetic(Math.max),
  Min: arithmetic(Math.min),
  Neg: arithmetic((a) => -a),
  Abs: arithmetic(Math.abs, same),
  Floor: arithmetic(Math.floor, same),
  Ceil: arithmetic(Math.ceil, same),
  Sqrt: arithmetic(Math.sqrt),
  Identity: sameElements,
  Cast: ({ known }, { dtype }) =>
    known(0)?.map((value) => {
      if (typeof value === "string") return dtype === "bool" ? undefined : value;
      return dtype === "bool" ? truth(value !== 0) : dtype === "float32" ? value : Math.trunc(value);
    }),
  Where: pointwise(([condition, a, b]) => (condition === 1 ? a : condition === 0 ? b : undefined)),
  // no size is negative, so a named one differs from every negative number
  Equal: arithmetic(
    (a, b) => truth(a === b),
    (a, b) => (a === b ? 1 : Number(a) < 0 || Number(b) < 0 ? 0 : undefined),
  ),
  Greater: arithmetic((a, b) => truth(a > b)),
  GreaterOrEqual: arithmetic((a, b) => truth(a >= b)),
  Less: arithmetic((a, b) => truth(a < b)),
  LessOrEqual: arithmetic((a, b) => truth(a <= b)),
  And: arithmetic((a, b) => a & b),
  Or: arithmetic((a, b) => a | b),
  Not: arithmetic((a) => 1 - a),
});

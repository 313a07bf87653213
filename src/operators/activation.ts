import { attribute, broadcast, check, formatShape, sameShape } from "../graph/index.ts";
import { unary, unbroadcast } from "./elementwise.ts";
import { input, type Operator, sameAsInput } from "./operator.ts";
import type { Ops } from "./ops.ts";

/** SELU's constants (Klambauer et al. 2017), which ONNX has as defaults. */
const SELU = { alpha: 1.6732631921768188, gamma: 1.0507010221481323 };

/** y = f(x) where f′ is a above 0 and b elsewhere. */
const pieces = (above: number, below: Parameters<typeof unary>[0]) =>
  unary((g, x, y) => g.where(g.greater(x, g.scalar(0)), g.scalar(above), below(g, x, y)));

/** An operator whose rule needs to see its attributes. */
function withAlpha(otherwise: number, derivative: (alpha: number) => Operator): Operator {
  return {
    infer: sameAsInput,
    gradient: (g, backward) => derivative(attribute.float(backward.node, "alpha", otherwise)).gradient!(g, backward),
  };
}

const exponential = (g: Ops, x: Parameters<Ops["exp"]>[0], alpha: number) => g.exp(g.scale(x, 1 / alpha));

/** Activations that are not piecewise linear, and one whose slope is learnt. */
export const activation = {
  /** x > 0 ? x : alpha · (exp(x) − 1) */
  Elu: withAlpha(1, (alpha) => pieces(1, (g, _, y) => g.add(y, g.scalar(alpha)))),
  /** x > 0 ? x : alpha · (exp(x / alpha) − 1) */
  Celu: withAlpha(1, (alpha) => pieces(1, (g, x) => exponential(g, x, alpha))),
  /** gamma · (x > 0 ? x : alpha · (exp(x) − 1)) */
  Selu: {
    infer: sameAsInput,
    gradient(g, backward) {
      const alpha = attribute.float(backward.node, "alpha", SELU.alpha);
      const gamma = attribute.float(backward.node, "gamma", SELU.gamma);
      return pieces(gamma, (g, _, y) => g.add(y, g.scalar(alpha * gamma))).gradient!(g, backward);
    },
  },
  /** log(1 + exp(x)) */
  Softplus: unary((g, x) => g.one("Sigmoid", [x])),
  /** x / (1 + |x|) */
  Softsign: unary((g, x) => g.pow(g.add(g.one("Abs", [x]), g.scalar(1)), -2)),
  /** x > 0 ? x : slope · x, the slope broadcast to x. */
  PRelu: {
    infer(node) {
      const [x, slope] = [input(node, 0), input(node, 1)];
      const wide = broadcast(x.shape, slope.shape);
      check(
        wide && sameShape(wide, x.shape),
        () => `PRelu: the slope ${formatShape(slope.shape)} does not broadcast to ${formatShape(x.shape)}`,
      );
      return sameAsInput(node);
    },
    gradient(g, { node, dy, needs }) {
      const [x, slope] = [input(node, 0), input(node, 1)];
      const positive = g.greater(x, g.scalar(0));
      return [
        needs(0) ? g.where(positive, dy[0]!, g.mul(dy[0]!, slope)) : undefined,
        needs(1) ? unbroadcast(g, g.where(positive, g.scalar(0), g.mul(dy[0]!, x)), slope) : undefined,
      ];
    },
  },
} as const satisfies Record<string, Operator>;

import { attribute, broadcast, check, formatShape, sameShape, type Value } from "../graph/index.ts";
import { derivative, unbroadcast } from "./elementwise.ts";
import { type Backward, type Gradient, type GradientRules, type Operator, sameAsInput } from "./operator.ts";
import type { Ops } from "./ops.ts";

/** Activations that are not piecewise linear, and one whose slope is a weight. */
export const activation = {
  /** x > 0 ? x : alpha · (exp(x) − 1) */
  Elu: { infer: sameAsInput, kind: "activation", title: "ELU" },
  /** x > 0 ? x : alpha · (exp(x / alpha) − 1) */
  Celu: { infer: sameAsInput, kind: "activation", title: "CELU" },
  /** gamma · (x > 0 ? x : alpha · (exp(x) − 1)) */
  Selu: { infer: sameAsInput, kind: "activation", title: "SELU" },
  /** log(1 + exp(x)) */
  Softplus: { infer: sameAsInput, kind: "activation" },
  /** x / (1 + |x|) */
  Softsign: { infer: sameAsInput, kind: "activation" },
  /** x > 0 ? x : slope · x, the slope broadcast to x. */
  PRelu: {
    infer(node) {
      const { x, w: slope } = node;
      const wide = broadcast(x.shape, slope.shape);
      check(
        wide && sameShape(wide, x.shape),
        () => `PRelu: the slope ${formatShape(slope.shape)} does not broadcast to ${formatShape(x.shape)}`,
      );
      return sameAsInput(node);
    },
    weights: { 1: "weight" },
    kind: "activation",
    title: "PReLU",
  },
} as const satisfies Record<string, Operator>;

/** SELU's constants (Klambauer et al. 2017), ONNX's defaults. */
const SELU = { alpha: 1.6732631921768188, gamma: 1.0507010221481323 };

const alphaOf = (node: Backward, otherwise = 1) => attribute.float(node, "alpha", otherwise);
const gammaOf = (node: Backward) => attribute.float(node, "gamma", SELU.gamma);

/** dx = dy · f′(x), where f′ is `above` where x > 0, and `below` elsewhere. */
const pieces =
  (below: (g: Ops, node: Backward) => Value, above: (node: Backward) => number = () => 1): Gradient =>
  (g, node) => {
    const { x, dy } = node;
    return [g.mul(dy, g.where(g.greater(x, g.scalar(0)), g.scalar(above(node)), below(g, node)))];
  };

/** Gradient rules of the operators above. */
export const activationGradients = (): GradientRules<typeof activation> => ({
  Elu: pieces((g, node) => g.add(node.y, g.scalar(alphaOf(node)))),
  Celu: pieces((g, node) => g.exp(g.scale(node.x, 1 / alphaOf(node)))),
  Selu: pieces((g, node) => g.add(node.y, g.scalar(alphaOf(node, SELU.alpha) * gammaOf(node))), gammaOf),
  Softplus: derivative((g, x) => g.one("Sigmoid", [x])),
  Softsign: derivative((g, x) => g.pow(g.add(g.one("Abs", [x]), g.scalar(1)), -2)),
  PRelu(g, { x, w: slope, dy }) {
    const positive = g.greater(x, g.scalar(0));
    return [
      () => g.where(positive, dy, g.mul(dy, slope)),
      () => unbroadcast(g, g.where(positive, g.scalar(0), g.mul(dy, x)), slope),
    ];
  },
});

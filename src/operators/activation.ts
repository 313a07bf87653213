import { attribute, broadcast, check, formatShape, sameShape, type Value } from "../graph/index.ts";
import { unary, unbroadcast } from "./elementwise.ts";
import { type Backward, type Operator, sameAsInput } from "./operator.ts";
import type { Ops } from "./ops.ts";

/** SELU's constants (Klambauer et al. 2017), ONNX's defaults. */
const SELU = { alpha: 1.6732631921768188, gamma: 1.0507010221481323 };

const alphaOf = (node: Backward, otherwise = 1) => attribute.float(node, "alpha", otherwise);

/** y = f(x) where f′ is `above` where x > 0, and `below` elsewhere. */
const pieces = (
  title: string,
  below: (g: Ops, node: Backward) => Value,
  above: (node: Backward) => number = () => 1,
): Operator => ({
  infer: sameAsInput,
  gradient(g, node) {
    const { x, dy } = node;
    return [g.mul(dy, g.where(g.greater(x, g.scalar(0)), g.scalar(above(node)), below(g, node)))];
  },
  kind: "activation",
  title,
});

const gammaOf = (node: Backward) => attribute.float(node, "gamma", SELU.gamma);

/** Activations that are not piecewise linear, and one whose slope is a weight. */
export const activation = {
  /** x > 0 ? x : alpha · (exp(x) − 1) */
  Elu: pieces("ELU", (g, node) => g.add(node.y, g.scalar(alphaOf(node)))),
  /** x > 0 ? x : alpha · (exp(x / alpha) − 1) */
  Celu: pieces("CELU", (g, node) => g.exp(g.scale(node.x, 1 / alphaOf(node)))),
  /** gamma · (x > 0 ? x : alpha · (exp(x) − 1)) */
  Selu: pieces("SELU", (g, node) => g.add(node.y, g.scalar(alphaOf(node, SELU.alpha) * gammaOf(node))), gammaOf),
  /** log(1 + exp(x)) */
  Softplus: unary((g, x) => g.one("Sigmoid", [x]), { kind: "activation" }),
  /** x / (1 + |x|) */
  Softsign: unary((g, x) => g.pow(g.add(g.one("Abs", [x]), g.scalar(1)), -2), { kind: "activation" }),
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
    gradient(g, { x, w: slope, dy }) {
      const positive = g.greater(x, g.scalar(0));
      return [
        () => g.where(positive, dy, g.mul(dy, slope)),
        () => unbroadcast(g, g.where(positive, g.scalar(0), g.mul(dy, x)), slope),
      ];
    },
    weights: { 1: "weight" },
    kind: "activation",
    title: "PReLU",
  },
} as const satisfies Record<string, Operator>;

import { attribute } from "../graph/index.ts";
import { type GradientRules, type Operator, sameAsInput } from "./operator.ts";

const normalized = { infer: sameAsInput, keeps: "classes", kind: "softmax" } as const satisfies Operator;

/** Normalized exponentials along one axis (ONNX opset 13: `axis`, default the last). */
export const softmax = {
  /** y = exp(x) / Σ exp(x) */
  Softmax: normalized,
  /** y = x − log Σ exp(x) */
  LogSoftmax: normalized,
} as const satisfies Record<string, Operator>;

/** Gradient rules of the operators above. */
export const softmaxGradients = (): GradientRules<typeof softmax> => ({
  /** dx = y · (dy − Σ dy·y) */
  Softmax(g, node) {
    const { y, dy } = node;
    return [g.mul(y, g.sub(dy, g.reduceSum(g.mul(dy, y), attribute.int(node, "axis", -1))))];
  },
  /** dx = dy − exp(y) · Σ dy */
  LogSoftmax(g, node) {
    const { y, dy } = node;
    const total = g.reduceSum(dy, attribute.int(node, "axis", -1));
    return [g.sub(dy, g.mul(g.exp(y), total))];
  },
});

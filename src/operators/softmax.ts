import { attribute } from "../graph/index.ts";
import { type Operator, sameAsInput } from "./operator.ts";

/** Normalized exponentials along one axis (ONNX opset 13: `axis`, default the last). */
export const softmax = {
  /** y = exp(x) / Σ exp(x);  dx = y · (dy − Σ dy·y) */
  Softmax: {
    infer: sameAsInput,
    gradient(g, node) {
      const { y, dy } = node;
      return [g.mul(y, g.sub(dy, g.reduceSum(g.mul(dy, y), [attribute.int(node, "axis", -1)])))];
    },
    keeps: "classes",
    kind: "softmax",
  },
  /** y = x − log Σ exp(x);  dx = dy − exp(y) · Σ dy */
  LogSoftmax: {
    infer: sameAsInput,
    gradient(g, node) {
      const { y, dy } = node;
      const total = g.reduceSum(dy, [attribute.int(node, "axis", -1)]);
      return [g.sub(dy, g.mul(g.exp(y), total))];
    },
    keeps: "classes",
    kind: "softmax",
  },
} as const satisfies Record<string, Operator>;

import { attribute } from "../graph/index.ts";
import { type Operator, sameAsInput } from "./operator.ts";

/** Normalised exponentials along one axis (ONNX opset 13: `axis`, default the last). */
export const softmax = {
  /** y = exp(x) / Σ exp(x);  dx = y · (dy − Σ dy·y) */
  Softmax: {
    infer: sameAsInput,
    gradient(g, { node, dy }) {
      const y = node.outputs[0]!;
      const inner = g.reduceSum(g.mul(dy[0]!, y), [attribute.int(node, "axis", -1)]);
      return [g.mul(y, g.sub(dy[0]!, inner))];
    },
  },
  /** y = x − log Σ exp(x);  dx = dy − exp(y) · Σ dy */
  LogSoftmax: {
    infer: sameAsInput,
    gradient(g, { node, dy }) {
      const total = g.reduceSum(dy[0]!, [attribute.int(node, "axis", -1)]);
      return [g.sub(dy[0]!, g.mul(g.exp(node.outputs[0]!), total))];
    },
  },
} as const satisfies Record<string, Operator>;

import { checkOptions } from "../graph/index.ts";
import { checkRanges, checkRate } from "./check.ts";
import type { Optimizer } from "./optimizer.ts";

/** Options of `lars`. */
export interface LarsOptions {
  /** 0 … 1. Default 0.9. */
  momentum?: number;
  /** L2 penalty, added to the gradient. Default 0. */
  weightDecay?: number;
  /** Size of a step relative to that of the weights, at a learning rate of 1. Default 0.001. */
  trustCoefficient?: number;
}

/**
 * Layer-wise adaptive rate scaling, for large batches (You et al. 2017): each layer's step is in proportion to its weights.
 *
 *     d = dp + weightDecay·p;  v ← momentum·v + lr·λ·d;  p ← p − v
 *     λ = trustCoefficient·‖p‖ / (‖dp‖ + weightDecay·‖p‖), and 1 where a norm is 0
 *
 * Biases and the weights of normalizations, [C], follow SGD (λ = 1). Rates are larger than those of SGD, such as 1 to 30.
 */
export function lars(options: LarsOptions = {}): Optimizer {
  checkRate("lars", options);
  checkOptions("lars", options, { momentum: "number", weightDecay: "number", trustCoefficient: "number" });
  const { momentum = 0.9, weightDecay = 0, trustCoefficient = 0.001 } = options;
  checkRanges("lars", { momentum, weightDecay, trustCoefficient });
  return {
    name: "lars",
    weightDecay,
    state: ["momentum_buffer"],
    scalars: (lr) => ({ lr }),
    update(g, { parameter, gradient, shape, state, scalars, weightDecay }) {
      const d = weightDecay === 0 ? gradient : g.add(gradient, g.scale(parameter, weightDecay));
      const norm = (x: typeof parameter) => g.sqrt(g.one("ReduceSumSquare", [x], { keepdims: 0 }));
      const rate = () => {
        const [weights, gradients] = [norm(parameter), norm(gradient)];
        const size = weightDecay === 0 ? gradients : g.add(gradients, g.scale(weights, weightDecay));
        const isPositive = g.and(g.greater(weights, g.scalar(0)), g.greater(gradients, g.scalar(0)));
        const ratio = g.where(isPositive, g.div(g.scale(weights, trustCoefficient), size), g.scalar(1));
        return g.mul(scalars.lr!, ratio);
      };
      const step = g.mul(d, shape.length > 1 ? rate() : scalars.lr!);
      const v = momentum === 0 ? step : g.add(g.scale(state.momentum_buffer!, momentum), step);
      return { parameter: g.sub(parameter, v), state: { momentum_buffer: v } };
    },
  };
}

import { check, checkOptions } from "../graph/index.ts";
import { checkRanges, checkRate } from "./check.ts";
import type { Optimizer } from "./optimizer.ts";

/** Options of `sgd`. */
export interface SgdOptions {
  /** 0 … 1. Default 0. */
  momentum?: number;
  /** Look ahead by the momentum (Nesterov 1983). Default false. */
  nesterov?: boolean;
  /** L2 penalty, added to the gradient. Default 0. */
  weightDecay?: number;
}

/**
 * Stochastic gradient descent, as in torch.optim.SGD.
 *
 *     optimizer: sgd({ momentum: 0.9 })   // the learning rate is the schedule's: schedule: cosineRate(0.1)
 *
 *     d = dp + weightDecay·p;  v ← momentum·v + d;  p ← p − lr·v   (nesterov: p − lr·(d + momentum·v))
 */
export function sgd(options: SgdOptions = {}): Optimizer {
  checkRate("sgd", options);
  checkOptions("sgd", options, { momentum: "number", nesterov: "boolean", weightDecay: "number" });
  const { momentum = 0, nesterov = false, weightDecay = 0 } = options;
  checkRanges("sgd", { momentum, weightDecay });
  check(!nesterov || momentum > 0, () => "sgd: Nesterov's rule needs a momentum above 0");
  return {
    name: "sgd",
    weightDecay,
    isElementwise: true,
    state: momentum === 0 ? [] : ["momentum_buffer"],
    scalars: (lr) => ({ lr }),
    update(g, { parameter, gradient, state, scalars, weightDecay }) {
      const lr = scalars.lr!;
      const d = weightDecay === 0 ? gradient : g.add(gradient, g.scale(parameter, weightDecay));
      if (momentum === 0) return { parameter: g.sub(parameter, g.mul(d, lr)), state: {} };
      const v = g.add(g.scale(state.momentum_buffer!, momentum), d);
      const direction = nesterov ? g.add(d, g.scale(v, momentum)) : v;
      return { parameter: g.sub(parameter, g.mul(direction, lr)), state: { momentum_buffer: v } };
    },
  };
}

import { check, checkOptions } from "../graph/index.ts";
import { checkRanges, checkRate } from "./check.ts";
import type { Optimizer } from "./optimizer.ts";

/** Options of `adamw`. */
export interface AdamWOptions {
  /** Decay of the averages of gradients and of their squares. Default [0.9, 0.999]. */
  betas?: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  eps?: number;
  /** Default 0.01. */
  weightDecay?: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter 2019), as in torch.optim.AdamW.
 *
 *     p ← p·(1 − lr·weightDecay);  m ← β1·m + (1−β1)·dp;  v ← β2·v + (1−β2)·dp²
 *     p ← p − lr/(1−β1ᵗ) · m / (√v/√(1−β2ᵗ) + eps)
 */
export function adamw(options: AdamWOptions = {}): Optimizer {
  checkRate("adamw", options);
  checkOptions("adamw", options, { betas: "any", eps: "number", weightDecay: "number" });
  const { betas = [0.9, 0.999], eps = 1e-8, weightDecay = 0.01 } = options;
  check(betas.length === 2, () => `adamw: betas has to be two numbers, but is ${JSON.stringify(betas)}`);
  checkRanges("adamw", { "betas[0]": betas[0], "betas[1]": betas[1], weightDecay });
  const [beta1, beta2] = betas;
  return {
    name: "adamw",
    weightDecay,
    isElementwise: true,
    state: ["exp_avg", "exp_avg_sq"],
    scalars: (lr, step) => ({
      lr,
      step_size: lr / (1 - beta1 ** step),
      denominator_scale: 1 / Math.sqrt(1 - beta2 ** step),
    }),
    update(g, { parameter, gradient, state, scalars, weightDecay }) {
      const m = g.add(g.scale(state.exp_avg!, beta1), g.scale(gradient, 1 - beta1));
      const v = g.add(g.scale(state.exp_avg_sq!, beta2), g.scale(g.mul(gradient, gradient), 1 - beta2));
      const denominator = g.add(g.mul(g.sqrt(v), scalars.denominator_scale!), g.scalar(eps));
      const kept =
        weightDecay === 0 ? parameter : g.mul(parameter, g.sub(g.scalar(1), g.scale(scalars.lr!, weightDecay)));
      const next = g.sub(kept, g.mul(g.div(m, denominator), scalars.step_size!));
      return { parameter: next, state: { exp_avg: m, exp_avg_sq: v } };
    },
  };
}

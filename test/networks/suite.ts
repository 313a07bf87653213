/*
 * Whole networks against PyTorch in float64: outputs in evaluation; scores, loss and all gradients in training; a step of SGD, of
 * some two.
 *
 * Millions of values go through ReLUs and max-pools. A few are so close to zero, or to another in a pool's window, that rounding
 * decides which side of the kink they are on, and each moves a percent of the gradients below it. Processors differ in the order
 * of their sums, so no weights are safe from this on all of them. Hence our run records the side that each value took, and
 * PyTorch computes with the same sides (reference.py). Given these, a network is smooth: float32 is off by some 1e-5 at most,
 * whatever the processor, and 5e-5 is too much. That the sides themselves are right is checked too: where float64 differs from
 * them, the value is within rounding of the kink. fault.test.ts shows that a fault of 1e-4 is found.
 *
 *     PARITY_REPORT=1 PARITY_SEED=2 npx vitest run test/networks      prints by how much results are off
 */
import { beforeAll, describe, expect, it } from "vitest";
import type { Case } from "./cases.ts";
import { compare, type Found, type Kind, TOLERANCES, worst } from "./compare.ts";

const seed = Number(process.env.PARITY_SEED ?? 1);

const IN_TRAINING = {
  losses: "losses",
  scores: "scores of all outputs",
  activations: "activations of all layers",
  flips: "sides of all kinks",
  gradients: "gradients of all parameters",
  state: "weights, momentum and running statistics after SGD",
} as const satisfies Partial<Record<Kind, string>>;

/** The tests of these networks, which need these Python modules. */
export function suite(cases: Readonly<Record<string, Case>>, modules: readonly string[]): void {
  for (const [title, example] of Object.entries(cases)) {
    describe(title, () => {
      let found: Found;
      const check = (kind: Kind) => {
        expect(Object.keys(found[kind]!).length).toBeGreaterThan(0);
        expect(worst(found, kind), `${kind}, of which ${TOLERANCES[kind]} is allowed`).toBeUndefined();
      };

      beforeAll(async () => {
        [found] = (await compare(example, modules, [{ seed, steps: example.training?.steps ?? 1 }])) as [Found];
      }, 900_000);

      it("outputs in evaluation", () => check("outputs"));
      if (!example.training) return;
      const kinds = Object.entries(IN_TRAINING).filter(([kind]) => !(example.smooth && /activations|flips/.test(kind)));
      it.each(kinds)("%s: %s", (kind) => check(kind as Kind));
    });
  }
}

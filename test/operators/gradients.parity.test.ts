import { describe, it } from "vitest";
import { RUNS } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";
import { CASES } from "./cases/index.ts";

/** Windows have more geometry than other operators. */
const RUNS_OF: Readonly<Record<string, number>> = { convolution: 3 * RUNS, pooling: 3 * RUNS };

for (const [kind, families] of Object.entries(CASES)) {
  describe(kind, () => {
    for (const [op, family] of Object.entries(families)) {
      it(op, () => checkFamily(family, RUNS_OF[kind]), 120_000);
    }
  });
}

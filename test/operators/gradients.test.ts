import { afterAll, describe, it } from "vitest";
import { checkFamily, closeTorch } from "../support/gradients.ts";
import { CASES } from "./cases/index.ts";

afterAll(closeTorch);

for (const [kind, families] of Object.entries(CASES)) {
  describe(kind, () => {
    for (const [op, family] of Object.entries(families)) {
      it(op, () => checkFamily(family), 120_000);
    }
  });
}

import fc from "fast-check";
import { type Family, family } from "../../support/family.ts";
import { apply } from "./apply.ts";

const EQUATIONS = ["nij,jk->nik", "nij,njk->nik", "nij,nij->n", "ni,j->nij", "nij->nji", "nij->ni", "nij,jk,nl->nkl"];

export const einsum: Record<string, Family> = {
  Einsum: family(
    fc.record({
      equation: fc.constantFrom(...EQUATIONS),
      sizes: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 4, maxLength: 4 }),
    }),
    ({ equation, sizes }, N, draw) => {
      const letters = equation.split("->")[0]!.split(",");
      const sizeOf = (letter: string) => (letter === "n" ? N : sizes["ijkl".indexOf(letter)]!);
      const inputs = letters.map((input) => draw.uniform([...input].map(sizeOf)));
      return {
        inputs,
        batched: letters.flatMap((input, i) => (input.startsWith("n") ? [i] : [])),
        wrt: inputs.map((_, i) => i),
        build: apply("Einsum", { equation }),
        torch: `torch.einsum("${equation}", *x)`,
      };
    },
  ),
};

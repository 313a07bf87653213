/** einsum against torch.einsum. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { einsum, Identity, Tracer } from "../../src/nn/index.ts";
import { family, RUNS } from "../support/family.ts";
import { checkFamily } from "../support/gradients.ts";

const LETTERS = ["a", "b", "c", "d"];

/** Any terms over four axes besides the batch, some of size 1 where another term has more. */
const equations = fc.record({
  terms: fc.array(fc.record({ axes: fc.shuffledSubarray(LETTERS), batch: fc.boolean(), ones: fc.subarray(LETTERS) }), {
    minLength: 1,
    maxLength: 3,
  }),
  result: fc.shuffledSubarray(LETTERS),
  sizes: fc.tuple(...LETTERS.map(() => fc.integer({ min: 1, max: 4 }))),
  implicit: fc.boolean(),
});

describe("einsum", () => {
  it("sums any products of one to three tensors", () =>
    checkFamily(
      family(equations, ({ terms, result, sizes, implicit }, N, draw) => {
        // the first term has the batch
        const all = terms.map(({ axes, batch, ones }, i) => ({ axes: i === 0 || batch ? ["n", ...axes] : axes, ones }));
        const size = (letter: string, ones: readonly string[]) =>
          letter === "n" ? N : ones.includes(letter) ? 1 : sizes[LETTERS.indexOf(letter)]!;
        const named = new Set(all.flatMap(({ axes }) => axes));
        const right = implicit ? "" : `->${["n", ...result].filter((letter) => named.has(letter)).join("")}`;
        const equation = all.map(({ axes }) => axes.join("")).join(",") + right;
        return {
          inputs: all.map(({ axes, ones }) => draw.uniform(axes.map((letter) => size(letter, ones)))),
          batched: all.flatMap(({ axes }, i) => (axes[0] === "n" ? [i] : [])),
          wrt: all.map((_, i) => i),
          build: (x) => einsum(equation, ...x),
          torch: `torch.einsum("${equation}", *x)`,
        };
      }),
      6 * RUNS,
    ));

  it("takes the usual equations, dots and diagonals", () =>
    checkFamily(
      family(fc.tuple(...[2, 3, 4].map((max) => fc.integer({ min: 1, max }))), ([i = 1, j = 1, k = 1], N, draw) => ({
        inputs: [
          draw.uniform([N, i, j]),
          draw.uniform([N, j, k]),
          draw.uniform([j, j]),
          draw.uniform([N, k, j, j]),
          draw.uniform([j]),
        ],
        batched: [0, 1, 3],
        wrt: [0, 1, 2, 3, 4],
        build: ([x, y, square, maps, vector]) => [
          einsum("bij,bjk->bik", x!, y!),
          einsum("b i j, b j k", x!, y!),
          einsum("...ij,...jk->...ik", x!, y!),
          einsum("nij,j->n...i", x!, vector!),
          einsum("bij->bji", x!),
          einsum("ii", square!),
          einsum("ii->i", square!),
          einsum("bkii,ij->bkj", maps!, square!),
          einsum("...hw,hw->...", maps!, square!),
          einsum("bhij,bj,i->bh", maps!, x!.mean(1), vector!),
          einsum("i,j->ij", vector!, vector!),
          einsum("...i,...i", maps!, vector!),
        ],
        torch: `[
          torch.einsum("bij,bjk->bik", x[0], x[1]), torch.einsum("bij,bjk", x[0], x[1]), x[0] @ x[1],
          torch.einsum("nij,j->ni", x[0], x[4]), x[0].transpose(1, 2), x[2].trace(), x[2].diagonal(),
          torch.einsum("bkii,ij->bkj", x[3], x[2]), torch.einsum("...hw,hw->...", x[3], x[2]),
          torch.einsum("bhij,bj,i->bh", x[3], x[0].mean(1), x[4]), torch.outer(x[4], x[4]),
          torch.einsum("...i,...i", x[3], x[4]),
        ]`,
      })),
    ));

  it("refuses what does not fit", () => {
    const tracer = new Tracer(new Identity());
    const [a, b] = [tracer.input("a", ["N", 2, 3]), tracer.input("b", [4, 5])];
    expect(() => einsum("nij", a, b)).toThrow('einsum: "nij" has 1 terms, but got 2 tensors');
    expect(() => einsum("nij,jk->nik", a, b)).toThrow('"nij,jk->nik" has "j" of sizes 3 and 4');
    expect(() => einsum("ij->i", a)).toThrow('names 2 axes with "ij", but the tensor is [N, 2, 3]');
    expect(() => einsum("nij->nk", a)).toThrow('has "k" in the result, but in no term');
    expect(() => einsum("nij->nii", a)).toThrow('has "i" in the result twice');
    expect(() => einsum("n-j->n", a)).toThrow('is not an equation of letters, such as "bij,bjk->bik"');
    expect(() => einsum("ii", tracer.input("c", ["N", "N"]))).toThrow(
      'the diagonal of "i" needs two axes of one known size',
    );
  });
});

import fc from "fast-check";
import { Float } from "../../../src/graph/index.ts";
import { type Family, family } from "../../support/family.ts";
import { apply } from "./apply.ts";

const size = fc.integer({ min: 1, max: 5 });
const factor = fc.constantFrom(1, 0.5, -2);
const turned = (matrix: string, yes: boolean) => (yes ? `${matrix}.transpose(-1, -2)` : matrix);

/** Leading axes of two factors: the first has the batch, the second may have it, 1, or fewer axes. */
const leading = fc.constantFrom("none", "same", "one", "more") as fc.Arbitrary<"none" | "same" | "one" | "more">;

export const linear: Record<string, Family> = {
  Gemm: family(
    fc.record({
      K: size,
      columns: size,
      transA: fc.boolean(),
      transB: fc.boolean(),
      alpha: factor,
      beta: factor,
      c: fc.constantFrom("absent", "scalar", "row", "column", "matrix"),
    }),
    ({ K, columns, transA, transB, alpha, beta, c }, N, draw) => {
      const a = draw.uniform(transA ? [K, N] : [N, K]);
      const b = draw.uniform(transB ? [columns, K] : [K, columns]);
      const shape = { absent: [], scalar: [], row: [columns], column: [N, 1], matrix: [N, columns] }[c] as number[];
      const ofBatch = !transA && (c === "column" || c === "matrix");
      const product = `${alpha} * (${turned("x[0]", transA)} @ ${turned("x[1]", transB)})`;
      return {
        inputs: c === "absent" ? [a, b] : [a, b, draw.uniform(shape)],
        // transposed, the batch stands last
        batched: transA ? [] : ofBatch ? [0, 2] : [0],
        wrt: c === "absent" ? [0, 1] : [0, 1, 2],
        build: apply("Gemm", {
          transA: transA ? 1 : 0,
          transB: transB ? 1 : 0,
          alpha: new Float(alpha),
          beta: new Float(beta),
        }),
        torch: c === "absent" ? product : `${product} + ${beta} * x[2]`,
      };
    },
  ),
  MatMul: family(fc.record({ M: size, K: size, columns: size, leading }), ({ M, K, columns, leading }, N, draw) => {
    const before = { none: [], same: [N, 2], one: [1, 2], more: [2, 1, 1] }[leading];
    return {
      inputs: [draw.uniform([N, leading === "more" ? 3 : 2, M, K]), draw.uniform([...before, K, columns])],
      batched: leading === "same" ? [0, 1] : [0],
      wrt: [0, 1],
      build: apply("MatMul"),
      torch: "x[0] @ x[1]",
    };
  }),
  "com.microsoft.FusedMatMul": family(
    fc.record({ M: size, K: size, columns: size, leading, transA: fc.boolean(), transB: fc.boolean(), alpha: factor }),
    ({ M, K, columns, leading, transA, transB, alpha }, N, draw) => {
      const before = { none: [], same: [N, 2], one: [1, 2], more: [2, 1, 1] }[leading];
      const a = draw.uniform([N, leading === "more" ? 3 : 2, ...(transA ? [K, M] : [M, K])]);
      const b = draw.uniform([...before, ...(transB ? [columns, K] : [K, columns])]);
      const attributes = { transA: transA ? 1 : 0, transB: transB ? 1 : 0, alpha: new Float(alpha) };
      return {
        inputs: [a, b],
        batched: leading === "same" ? [0, 1] : [0],
        wrt: [0, 1],
        build: apply("FusedMatMul", attributes, { domain: "com.microsoft" }),
        torch: `${alpha} * (${turned("x[0]", transA)} @ ${turned("x[1]", transB)})`,
      };
    },
  ),
};

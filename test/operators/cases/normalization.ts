import fc from "fast-check";
import { Float } from "../../../src/graph/index.ts";
import { type Case, type Family, family } from "../../support/gradients.ts";
import { apply } from "./apply.ts";

const images = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 5 }));
const column = (v: string) => `${v}[None, :, None, None]`;

export const normalization: Record<string, Family> = {
  BatchNormalization: family(
    fc.record({ shape: images, training: fc.boolean(), epsilon: fc.constantFrom(1e-5, 1e-3, 0.1) }),
    ({ shape, training, epsilon }, N, draw): Case => {
      const C = [shape[0]];
      const mean = draw.uniform(C);
      const variance = draw.uniform(C, 0.5, 2);
      // elements that lie close together have a variance so small that finite differences see the curvature
      const { data, ...type } = draw.spaced([N, ...shape]);
      const x = { ...type, data: data.map((value) => 10 * value) };
      const statistics = training ? `x[0].mean([0, 2, 3]), x[0].var([0, 2, 3], unbiased=False)` : "x[3], x[4]";
      return {
        inputs: [x, draw.uniform(C), draw.uniform(C), mean, variance],
        wrt: training ? [0, 1, 2] : [0, 1, 2, 3, 4],
        build: apply("BatchNormalization", {
          epsilon: new Float(epsilon),
          ...(training && { training_mode: 1, momentum: new Float(0.9) }),
        }),
        torch: `(lambda m, v: (x[0] - ${column("m")}) / ${column(`(v + ${epsilon}).sqrt()`)} * ${column("x[1]")} + ${column("x[2]")})(${statistics})`,
      };
    },
  ),
  LRN: family(
    fc.record({
      shape: fc.tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 4 })),
      // ONNX Runtime takes odd windows only
      size: fc.constantFrom(1, 3, 5, 7),
      alpha: fc.constantFrom(1e-4, 0.5, 2),
      beta: fc.constantFrom(0.5, 0.75, 1.5),
      bias: fc.constantFrom(1, 2),
    }),
    ({ shape, size, alpha, beta, bias }, N, draw) => {
      const attributes = { size, alpha: new Float(alpha), beta: new Float(beta), bias: new Float(bias) };
      const pad = `(0, 0, 0, 0, ${Math.floor((size - 1) / 2)}, ${Math.ceil((size - 1) / 2)})`;
      return {
        inputs: [draw.uniform([N, ...shape])],
        build: apply("LRN", attributes),
        torch: `x[0] * (${bias} + ${alpha / size} * F.pad(x[0] ** 2, ${pad}).unfold(1, ${size}, 1).sum(-1)) ** -${beta}`,
      };
    },
  ),
};

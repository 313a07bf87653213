import fc from "fast-check";
import { Float } from "../../../src/graph/index.ts";
import type { Draw } from "../../support/draw.ts";
import { type Case, type Family, family } from "../../support/family.ts";
import { apply } from "./apply.ts";

const images = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 2, max: 5 }), fc.integer({ min: 1, max: 5 }));
const column = (v: string) => `${v}[None, :, None, None]`;

/** Far apart: elements that lie close together have a variance so small that finite differences see the curvature. */
function apart(draw: Draw, shape: readonly number[]) {
  const { data, ...type } = draw.spaced(shape);
  return { ...type, data: data.map((value) => 10 * value) };
}

export const normalization: Record<string, Family> = {
  BatchNormalization: family(
    fc.record({ shape: images, training: fc.boolean(), epsilon: fc.constantFrom(1e-5, 1e-3, 0.1) }),
    ({ shape, training, epsilon }, N, draw): Case => {
      const C = [shape[0]];
      const mean = draw.uniform(C);
      const variance = draw.uniform(C, 0.5, 2);
      const x = apart(draw, [N, ...shape]);
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
  InstanceNormalization: family(
    fc.record({
      channels: fc.integer({ min: 1, max: 4 }),
      pixels: fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 3 }),
      epsilon: fc.constantFrom(1e-5, 1e-3, 0.1),
    }),
    ({ channels, pixels, epsilon }, N, draw): Case => {
      const shape = [N, channels, 2, ...pixels];
      const axes = `[${shape.slice(2).map((_, axis) => axis + 2)}]`;
      const wide = (v: string) => `${v}.reshape([1, -1${", 1".repeat(shape.length - 2)}])`;
      return {
        inputs: [apart(draw, shape), draw.uniform([channels]), draw.uniform([channels])],
        wrt: [0, 1, 2],
        build: apply("InstanceNormalization", { epsilon: new Float(epsilon) }),
        torch: `(x[0] - x[0].mean(${axes}, True)) / (x[0].var(${axes}, False, True) + ${epsilon}).sqrt() * ${wide("x[1]")} + ${wide("x[2]")}`,
      };
    },
  ),
  LayerNormalization: family(
    fc.record({
      shape: fc.array(fc.integer({ min: 2, max: 4 }), { minLength: 1, maxLength: 3 }),
      axes: fc.integer({ min: 1, max: 3 }),
      negative: fc.boolean(),
      bias: fc.boolean(),
      epsilon: fc.constantFrom(1e-5, 0.1),
    }),
    ({ shape, axes, negative, bias, epsilon }, N, draw): Case => {
      const full = [N, ...shape];
      const count = Math.min(axes, shape.length);
      const own = full.slice(-count);
      return {
        inputs: [apart(draw, full), draw.uniform(own), ...(bias ? [draw.uniform(own)] : [])],
        wrt: bias ? [0, 1, 2] : [0, 1],
        build: apply("LayerNormalization", {
          axis: negative ? -count : full.length - count,
          epsilon: new Float(epsilon),
        }),
        torch: `F.layer_norm(x[0], [${own}], x[1], ${bias ? "x[2]" : "None"}, ${epsilon})`,
      };
    },
  ),
};

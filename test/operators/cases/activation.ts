import fc from "fast-check";
import { type Attributes, Float } from "../../../src/graph/index.ts";
import { type Family, family } from "../../support/family.ts";
import { apply } from "./apply.ts";

const sizes = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 0, maxLength: 3 });

const unary = (op: string, torch: string, attributes: Attributes = {}): Family =>
  family(sizes, (shape, N, draw) => ({
    inputs: [draw.spaced([N, ...shape])],
    build: apply(op, attributes),
    torch,
  }));

export const activation: Record<string, Family> = {
  Elu: unary("Elu", "F.elu(x[0], 0.7)", { alpha: new Float(0.7) }),
  Celu: unary("Celu", "F.celu(x[0], 0.7)", { alpha: new Float(0.7) }),
  Selu: unary("Selu", "F.selu(x[0])"),
  Softplus: unary("Softplus", "F.softplus(x[0])"),
  Softsign: unary("Softsign", "F.softsign(x[0])"),
  /** One slope, or one for each channel. */
  PRelu: family(
    fc.record({ channels: fc.integer({ min: 1, max: 4 }), size: fc.integer({ min: 1, max: 3 }), one: fc.boolean() }),
    ({ channels, size, one }, N, draw) => ({
      inputs: [draw.spaced([N, channels, size, 2]), draw.uniform([one ? 1 : channels, 1, 1])],
      wrt: [0, 1],
      build: apply("PRelu"),
      torch: "torch.where(x[0] > 0, x[0], x[0] * x[1])",
    }),
  ),
};

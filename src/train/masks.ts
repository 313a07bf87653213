import { check, isStatic, numel, type TensorData } from "../graph/index.ts";
import type { Mask } from "../nn/index.ts";
import { Random } from "../random.ts";

/** A dropout mask, which depends only on (seed, step, part of the step, layer). */
export function drawMask(
  { input, shape, p }: Mask,
  batch: number,
  seed: number,
  step: number,
  part = 0,
): TensorData<"float32"> {
  const sizes = shape.map((dim) => (typeof dim === "number" ? dim : batch));
  check(isStatic(sizes), () => `the dropout mask ${input} has no known shape`);
  const random = new Random(seed, step, part, input);
  const data = new Float32Array(numel(sizes));
  const kept = 1 / (1 - p);
  const threshold = Math.round(p * 2 ** 32);
  for (let i = 0; i < data.length; i++) data[i] = random.bits() < threshold ? 0 : kept;
  return { dtype: "float32", shape: sizes, data };
}

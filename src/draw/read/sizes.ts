import type { Shape } from "../../graph/index.ts";

/** The shape without the batch. */
export function perSample(shape: Shape): Shape {
  return shape.length > 1 ? shape.slice(1) : shape;
}

/** Height and width of maps; undefined for vectors. */
export function mapSize(shape: Shape): readonly [number, number] | undefined {
  const [H, W] = shape.slice(2);
  return shape.length === 4 && typeof H === "number" && typeof W === "number" ? [H, W] : undefined;
}

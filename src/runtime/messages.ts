import { formatShape, type Shape, type TensorType } from "../graph/index.ts";

/*
 * What the errors of engines are made of.
 */

/** A type as text: `float32[N, 3, 32, 32]` */
export const typeText = ({ dtype, shape }: TensorType) => `${dtype}${formatShape(shape)}`;

/** What is most often wrong with images, to follow the types that were given and wanted. */
export function imageHint(given: Shape, [, C, H, W, ...others]: Shape): string {
  if (C === undefined || H === undefined || W === undefined || others.length > 0) return "";
  const matches = (...shape: Shape) =>
    given.length === shape.length && shape.every((dim, axis) => typeof dim === "string" || dim === given[axis]);
  if (matches("N", H, W, C) || matches(H, W, C))
    return `; channels come before height and width here: images are [N, ${C}, ${H}, ${W}], not [N, ${H}, ${W}, ${C}]`;
  return matches(C, H, W) ? `; give a single image as a batch of one: [1, ${C}, ${H}, ${W}]` : "";
}

/** The first names in quotation marks, and how many more there are. */
export function list(names: readonly string[]): string {
  const shown = names.slice(0, 5).map((name) => `"${name}"`);
  return names.length > 5 ? `${shown.join(", ")} and ${names.length - 5} more` : shown.join(", ");
}

export function message(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

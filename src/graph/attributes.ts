/**
 * Readers of a node's attributes. `otherwise` is ONNX's default; without one, a missing attribute is an error, as is one of
 * another type.
 */

import { check } from "./check.ts";
import { Float, type Node } from "./graph.ts";

type Attributed = Pick<Node, "op" | "attributes">;

/** A whole number. */
export function int(node: Attributed, name: string, otherwise?: number): number {
  const value = node.attributes[name] ?? otherwise;
  check(typeof value === "number", () => `${node.op}: needs a whole number as attribute "${name}"`);
  return value;
}

/** A list of whole numbers. */
export function ints(node: Attributed, name: string, otherwise?: readonly number[]): readonly number[] {
  const value = node.attributes[name] ?? otherwise;
  check(isInts(value), () => `${node.op}: needs a list of whole numbers as attribute "${name}"`);
  return value;
}

/** A real number. */
export function float(node: Attributed, name: string, otherwise?: number): number {
  const value = node.attributes[name];
  if (value === undefined && otherwise !== undefined) return otherwise;
  check(value instanceof Float, () => `${node.op}: needs a real number as attribute "${name}"`);
  return value.value;
}

/** A string. */
export function string(node: Attributed, name: string, otherwise?: string): string {
  const value = node.attributes[name] ?? otherwise;
  check(typeof value === "string", () => `${node.op}: needs a string as attribute "${name}"`);
  return value;
}

function isInts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}

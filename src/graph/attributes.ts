import { check } from "./check.ts";
import { Float, type Node } from "./graph.ts";

/** Reads the attributes of a node, with ONNX's default where one is left out. */
type Attributed = Pick<Node, "op" | "attributes">;

export function int(node: Attributed, name: string, otherwise?: number): number {
  const value = node.attributes[name] ?? otherwise;
  check(typeof value === "number", () => `${node.op}: needs a whole number as attribute "${name}"`);
  return value;
}

export function ints(node: Attributed, name: string, otherwise?: readonly number[]): readonly number[] {
  const value = node.attributes[name] ?? otherwise;
  check(isInts(value), () => `${node.op}: needs a list of whole numbers as attribute "${name}"`);
  return value;
}

export function float(node: Attributed, name: string, otherwise?: number): number {
  const value = node.attributes[name];
  if (value === undefined && otherwise !== undefined) return otherwise;
  check(value instanceof Float, () => `${node.op}: needs a real number as attribute "${name}"`);
  return value.value;
}

export function string(node: Attributed, name: string, otherwise?: string): string {
  const value = node.attributes[name] ?? otherwise;
  check(typeof value === "string", () => `${node.op}: needs a string as attribute "${name}"`);
  return value;
}

function isInts(value: unknown): value is readonly number[] {
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}

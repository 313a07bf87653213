import { type Dim, numel, product } from "../graph/index.ts";
import type { Application, Element, Evaluate } from "./operator.ts";

/*
 * What rules of constant evaluation are made of: the arithmetic that exporters put around Reshape, Expand or Resize. Elements are
 * numbers or named sizes.
 */

/** Rules for some operators of a family. */
export type Evaluators<Family> = { readonly [Op in keyof Family]?: Evaluate };

/** The elements of x in their order. */
export const sameElements: Evaluate = ({ known }) => known(0);

/** Calls `f` for every place of a tensor, counted along each axis. */
export function everywhere<T>(shape: readonly number[], f: (place: readonly number[]) => T): T[] {
  return Array.from({ length: numel(shape) }, (_, flat) =>
    f(shape.map((size, axis) => Math.floor(flat / numel(shape.slice(axis + 1))) % size)),
  );
}

/** The element of input `i` at a place, or at the place that is broadcast to it. */
export function elementAt(node: Application, i: number, place: readonly number[]): Element {
  const shape = node.input(i).shape as readonly number[];
  const flat = shape.reduce((at, size, axis) => at * size + (size > 1 ? place.at(axis - shape.length)! : 0), 0);
  return node.known(i)?.[flat];
}

/** Elements that come one by one from those of the inputs, which are broadcast. */
export function pointwise(f: (values: readonly Dim[], node: Application) => Element): Evaluate {
  return (node, { shape }) =>
    everywhere(shape, (place) => {
      const values = node.inputs.map((_, i) => elementAt(node, i, place));
      return values.every((value) => value !== undefined) ? f(values, node) : undefined;
    });
}

const isNumber = (value: Dim) => typeof value === "number";

/** Pointwise arithmetic with numbers; `named` is the result where a size is named. */
export function arithmetic(f: (...values: number[]) => number, named?: (...values: Dim[]) => Element): Evaluate {
  return pointwise((values) => (values.every(isNumber) ? f(...(values as number[])) : named?.(...values)));
}

/** A reduction of a vector to one number; shapes meet no others. */
export function total(f: (values: readonly Dim[]) => Element): Evaluate {
  return ({ x, known }) => (x.shape.length === 1 && known(0) ? [f(known(0)!)] : undefined);
}

/** A reduction that needs numbers. */
export const totalOfNumbers = (f: (values: readonly number[]) => number): Evaluate =>
  total((values) => (values.every(isNumber) ? f(values as number[]) : undefined));

/** A product of a named size and a whole number. */
export const namedProduct = (a: Dim, b: Dim): Element =>
  [a, b].every((size) => !isNumber(size) || (Number.isSafeInteger(size) && (size as number) >= 0))
    ? product([a, b])
    : undefined;

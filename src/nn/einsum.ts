import { check, formatShape, type Shape, tensor } from "../graph/index.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor with a letter for each axis. */
interface Term {
  readonly x: Tensor;
  readonly axes: readonly string[];
}

/**
 * Sums of products in Einstein's notation: the letters name axes, and what the result does not name is summed over.
 *
 *     einsum("bij,bjk->bik", a, b): a [B, I, J], b [B, J, K] → y [B, I, K], products of matrices
 *
 * As in PyTorch: `...` stands for any axes in front, a letter twice in one term takes the diagonal, axes of size 1 are broadcast, and
 * without `->` the result has the letters that occur once, in alphabetical order. Throws when letters, axes and sizes do not fit.
 */
export function einsum(equation: string, ...tensors: Tensor[]): Tensor {
  const { terms, result } = parse(equation, tensors);
  const [first, ...others] = terms.map(diagonal);
  let y = first!;
  others.forEach((term, i) => {
    const later = others.slice(i + 1).flatMap(({ axes }) => axes);
    y = contract(y, term, new Set([...result, ...later]));
  });
  return arranged(summed(y, new Set(result)), result).x;
}

/** Each tensor's letters, and those of the result; the axes of `...` are called 0, 1, … from the last. */
function parse(equation: string, tensors: readonly Tensor[]): { terms: Term[]; result: string[] } {
  const [left = "", right, ...more] = equation.replaceAll(" ", "").split("->");
  const parts = left.split(",");
  const who = `einsum: "${equation}"`;
  for (const part of [...parts, right ?? ""])
    check(
      more.length === 0 && /^[a-zA-Z]*(\.\.\.)?[a-zA-Z]*$/.test(part),
      () => `${who} is not an equation of letters, such as "bij,bjk->bik"`,
    );
  check(parts.length === tensors.length, () => `${who} has ${parts.length} terms, but got ${tensors.length} tensors`);
  const spread = (part: string, count: number) =>
    [...part.replace("...", "*")].flatMap((letter) =>
      letter === "*" ? Array.from({ length: count }, (_, i) => String(count - 1 - i)) : letter,
    );
  const terms = parts.map((part, i) => {
    const x = tensors[i]!;
    const free = x.shape.length - part.replace("...", "").length;
    check(
      part.includes("...") ? free >= 0 : free === 0,
      () => `${who} names ${x.shape.length - free} axes with "${part}", but the tensor is ${formatShape(x.shape)}`,
    );
    return { x, axes: spread(part, free) };
  });
  const all = terms.flatMap(({ axes }) => axes);
  const widest = Math.max(0, ...all.filter((axis) => /\d/.test(axis)).map((axis) => Number(axis) + 1));
  const once = all.filter((axis) => /\D/.test(axis) && all.indexOf(axis) === all.lastIndexOf(axis)).sort();
  const result = right === undefined ? [...spread("...", widest), ...once] : spread(right, widest);
  for (const axis of result) {
    check(all.includes(axis), () => `${who} has "${axis}" in the result, but in no term`);
    check(result.indexOf(axis) === result.lastIndexOf(axis), () => `${who} has "${axis}" in the result twice`);
  }
  const sizes = new Map<string, Shape[number]>();
  for (const { x, axes } of terms)
    for (const [i, axis] of axes.entries()) {
      const size = x.shape[i]!;
      const known = sizes.get(axis) ?? 1;
      check(size === known || size === 1 || known === 1, () => `${who} has "${axis}" of sizes ${known} and ${size}`);
      if (known === 1) sizes.set(axis, size);
    }
  return { terms, result };
}

/** A letter that a term has twice: its diagonal. */
function diagonal({ x, axes }: Term): Term {
  const second = axes.findIndex((axis, i) => axes.indexOf(axis) < i);
  if (second < 0) return { x, axes };
  const first = axes.indexOf(axes[second]!);
  const [size, other] = [x.shape[first]!, x.shape[second]];
  check(
    typeof size === "number" && size === other,
    () => `einsum: the diagonal of "${axes[second]}" needs two axes of one known size, but got ${formatShape(x.shape)}`,
  );
  const shape = axes.map((_, i) => (i === first || i === second ? size : 1));
  const ones = Float32Array.from({ length: size * size }, (_, i) => (i % (size + 1) === 0 ? 1 : 0));
  const eye = x.wrap(x.tracer.ops.constant(tensor("float32", shape, ones)));
  return diagonal({ x: x.mul(eye).sum(second), axes: axes.filter((_, i) => i !== second) });
}

/** Sums over the axes that are not kept. */
function summed({ x, axes }: Term, kept: ReadonlySet<string>): Term {
  const dims = axes.flatMap((axis, i) => (kept.has(axis) ? [] : [i]));
  return dims.length === 0 ? { x, axes } : { x: x.sum(dims), axes: axes.filter((axis) => kept.has(axis)) };
}

/** With these axes in this order; those that the term lacks are of size 1. */
function arranged({ x, axes }: Term, wanted: readonly string[]): Term {
  const missing = wanted.filter((axis) => !axes.includes(axis));
  const wide = missing.reduce((y) => y.unsqueeze(0), x);
  const all = [...missing, ...axes];
  const order = wanted.map((axis) => all.indexOf(axis));
  return { x: order.every((from, to) => from === to) ? wide : wide.permute(...order), axes: wanted };
}

/** The product of two terms, summed over the axes that nothing after it needs. */
function contract(a: Term, b: Term, kept: ReadonlySet<string>): Term {
  // axes that only one of them has are summed over first; so is an axis that is of size 1 in the other
  const alone = (term: Term, other: Term) => {
    const shared = (axis: string) => other.axes.includes(axis) && sizeOf(other, axis) === sizeOf(term, axis);
    return summed(term, new Set(term.axes.filter((axis) => kept.has(axis) || shared(axis))));
  };
  const [x, y] = [alone(a, b), alone(b, a)];
  const inner = x.axes.filter((axis) => y.axes.includes(axis) && !kept.has(axis));
  const batch = x.axes.filter((axis) => y.axes.includes(axis) && kept.has(axis));
  const rows = x.axes.filter((axis) => !y.axes.includes(axis));
  const columns = y.axes.filter((axis) => !x.axes.includes(axis));
  if (inner.length === 0 || rows.length + columns.length === 0) {
    const axes = [...batch, ...rows, ...columns, ...inner];
    return summed({ x: arranged(x, axes).x.mul(arranged(y, axes).x), axes }, kept);
  }
  const sizes = (term: Term, axes: readonly string[]) => axes.map((axis) => sizeOf(term, axis)!);
  const matrix = (term: Term, first: readonly string[], second: readonly string[]) => {
    const { x: laid } = arranged(term, [...batch, ...first, ...second]);
    const joined = joinAxes(laid, batch.length + first.length, second.length);
    return joinAxes(joined, batch.length, first.length);
  };
  const product = matrix(x, rows, inner).matmul(matrix(y, inner, columns));
  const axes = [...batch, ...rows, ...columns];
  const shape = [...product.shape.slice(0, batch.length), ...sizes(x, rows), ...sizes(y, columns)];
  return { x: rows.length === 1 && columns.length === 1 ? product : product.view(...shape), axes };
}

const sizeOf = ({ x, axes }: Term, axis: string) => x.shape[axes.indexOf(axis)];

/** `count` axes from `start` on as one. */
function joinAxes(x: Tensor, start: number, count: number): Tensor {
  if (count === 1) return x;
  return count === 0 ? x.unsqueeze(start) : x.flatten(start, start + count - 1);
}

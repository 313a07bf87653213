/** The size of one axis: a number, or a product with named sizes that are known only when the graph runs ("N", "4*N"). */
export type Dim = number | string;
/** Sizes of all axes; `[]` for a scalar. */
export type Shape = readonly Dim[];

/** Whether every size is a number. */
export function isStatic(shape: Shape): shape is readonly number[] {
  return shape.every((dim) => typeof dim === "number");
}

/** The shape as text: `[N, 3, 32, 32]` */
export function formatShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** Whether two shapes are equal, named sizes included. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

interface Product {
  factor: number;
  symbols: string[];
}

function parse(dim: Dim): Product {
  if (typeof dim === "number") return { factor: dim, symbols: [] };
  const parts = dim.split("*");
  const factor = Number(parts[0]);
  return Number.isNaN(factor) ? { factor: 1, symbols: parts } : { factor, symbols: parts.slice(1) };
}

function print({ factor, symbols }: Product): Dim {
  if (symbols.length === 0 || factor === 0) return factor;
  return [...(factor === 1 ? [] : [factor]), ...symbols.sort()].join("*");
}

/** Product of sizes, with their names: `["N", 4, 7]` → `"28*N"`. */
export function product(dims: Shape): Dim {
  const parsed = dims.map(parse);
  return print({
    factor: parsed.reduce((total, { factor }) => total * factor, 1),
    symbols: parsed.flatMap(({ symbols }) => symbols),
  });
}

/** `a / b` when it is exact for all values of the names, else undefined: `"28*N" / 7` → `"4*N"`. */
export function quotient(a: Dim, b: Dim): Dim | undefined {
  const top = parse(a);
  const bottom = parse(b);
  const symbols = [...top.symbols];
  for (const symbol of bottom.symbols) {
    const at = symbols.indexOf(symbol);
    if (at < 0) return undefined;
    symbols.splice(at, 1);
  }
  const factor = top.factor / bottom.factor;
  return Number.isInteger(factor) ? print({ factor, symbols }) : undefined;
}

/**
 * The shape that NumPy broadcasts shapes to, aligned at the last axis, or undefined when they do not fit. A named size and a number
 * above 1 give that number, as in ONNX's shape inference.
 */
export function broadcast(...shapes: Shape[]): Shape | undefined {
  const rank = Math.max(...shapes.map((shape) => shape.length));
  const result: Dim[] = [];
  for (let axis = 0; axis < rank; axis++) {
    let size: Dim = 1;
    for (const shape of shapes) {
      const dim = shape[axis - rank + shape.length] ?? 1;
      if (dim === 1 || dim === size) continue;
      if (size === 1) size = dim;
      else if (typeof size === "string") size = typeof dim === "number" ? dim : size;
      else if (typeof dim === "number") return undefined;
    }
    result.push(size);
  }
  return result;
}

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  broadcast,
  type Dim,
  formatShape,
  isStatic,
  product,
  quotient,
  type Shape,
  sameShape,
} from "../../src/graph/index.ts";

/** Sizes that are numbers, names, or products of them. */
const dim: fc.Arbitrary<Dim> = fc
  .tuple(fc.integer({ min: 1, max: 9 }), fc.array(fc.constantFrom("N", "K"), { maxLength: 2 }))
  .map(([factor, symbols]) => product([factor, ...symbols]));
const shape = fc.array(dim, { maxLength: 4 });

/** A size with numbers put in for the names. */
function at(size: Dim, names: Readonly<Record<string, number>>): number {
  return typeof size === "number"
    ? size
    : size.split("*").reduce((total, part) => total * (names[part] ?? Number(part)), 1);
}

const names = { N: 7, K: 11 };

describe("sizes with names", () => {
  it("multiply as numbers do", () =>
    fc.assert(
      fc.property(shape, (dims) => {
        const expected = dims.reduce<number>((total, size) => total * at(size, names), 1);
        expect(at(product(dims), names)).toBe(expected);
      }),
    ));

  it("are written the same for any order of the factors", () =>
    fc.assert(
      fc.property(shape, (dims) => {
        expect(product([...dims].reverse())).toBe(product(dims));
        expect(product([product(dims)])).toBe(product(dims));
      }),
    ));

  it("divide when that is exact for all values of the names", () =>
    fc.assert(
      fc.property(dim, dim, (a, b) => {
        expect(quotient(product([a, b]), b)).toBe(a);
        const result = quotient(a, b);
        const holds = [names, { N: 2, K: 3 }, { N: 1, K: 1 }].every(
          (values) => result !== undefined && at(result, values) * at(b, values) === at(a, values),
        );
        expect(holds).toBe(result !== undefined);
      }),
    ));

  it.each<[Shape, Dim]>([
    [[], 1],
    [["N", 4, 7], "28*N"],
    [["N", "N"], "N*N"],
    [["N", 0], 0],
    [["4*N", 2], "8*N"],
  ])("%j has the product %s", (dims, expected) => {
    expect(product(dims)).toBe(expected);
  });

  it.each<[Dim, Dim, Dim | undefined]>([
    ["28*N", 7, "4*N"],
    ["28*N", "N", 28],
    ["28*N", "4*N", 7],
    ["N", 2, undefined],
    [28, "N", undefined],
    [9, 2, undefined],
  ])("%s / %s is %s", (a, b, expected) => {
    expect(quotient(a, b)).toBe(expected);
  });
});

describe("broadcast", () => {
  it.each<[Shape[], Shape | undefined]>([
    [
      [[2, 3], [3]],
      [2, 3],
    ],
    [
      [
        [2, 1],
        [1, 3],
      ],
      [2, 3],
    ],
    [
      [[], [2, 3]],
      [2, 3],
    ],
    [
      [
        ["N", 3],
        [1, 3],
      ],
      ["N", 3],
    ],
    [
      [
        ["N", 3],
        ["N", 1],
      ],
      ["N", 3],
    ],
    [
      [
        ["N", 3],
        [4, 3],
      ],
      [4, 3],
    ],
    [[[2, 3], [4]], undefined],
    [
      [
        [2, 3],
        [3, 3],
      ],
      undefined,
    ],
    [
      [[4, 1, 1], [5, 1], [6]],
      [4, 5, 6],
    ],
  ])("of %j is %j", (shapes, expected) => {
    expect(broadcast(...shapes)).toEqual(expected);
  });

  it("takes shapes in any order, and a scalar changes nothing", () =>
    fc.assert(
      fc.property(
        fc.array(fc.array(fc.constantFrom(1, 1, 2, 3), { maxLength: 3 }), { minLength: 1, maxLength: 3 }),
        (shapes) => {
          const result = broadcast(...shapes);
          expect(broadcast(...shapes.toReversed())).toEqual(result);
          expect(broadcast([], ...shapes)).toEqual(result);
          if (result) expect(broadcast(result, ...shapes)).toEqual(result);
        },
      ),
    ));
});

describe("shapes", () => {
  it("are compared, tested and written", () => {
    expect(sameShape(["N", 3], ["N", 3])).toBe(true);
    expect(sameShape(["N", 3], ["N", 4])).toBe(false);
    expect(sameShape([3], [3, 1])).toBe(false);
    expect([isStatic([2, 3]), isStatic(["N", 3])]).toEqual([true, false]);
    expect(formatShape(["N", 3])).toBe("[N, 3]");
  });
});

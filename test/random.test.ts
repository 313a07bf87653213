import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Random, randomKey } from "../src/random.ts";

const DRAWS = 100_000;
const draw = (next: (random: Random) => number, seed = 1) => {
  const random = new Random(seed, "test");
  return Float64Array.from({ length: DRAWS }, () => next(random));
};
const mean = (values: Float64Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
const variance = (values: Float64Array) => {
  const center = mean(values);
  return mean(values.map((value) => (value - center) ** 2));
};
/** Five standard deviations of a mean of so many draws. */
const within = (deviation: number) => (5 * deviation) / Math.sqrt(DRAWS);

describe("random numbers", () => {
  it("are a function of the key alone", () =>
    fc.assert(
      fc.property(fc.nat(), fc.array(fc.oneof(fc.nat(), fc.string()), { maxLength: 3 }), (seed, parts) => {
        const [a, b] = [new Random(seed, ...parts), new Random(seed, ...parts)];
        for (let i = 0; i < 5; i++) expect(a.bits()).toBe(b.bits());
      }),
    ));

  it("differ with every part of the key, and with seeds beyond 32 bits", () => {
    const keys = [0, 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52].flatMap((seed) =>
      [[], [0], [1], ["0"], ["a"], ["b"], [0, 1], [1, 0], ["a", 1]].map((parts) => randomKey(seed, ...parts)),
    );
    expect(new Set(keys).size).toBe(keys.length);
  });

  it("are uniform in [0, 1) and exact in float32", () => {
    const values = draw((random) => random.uniform());
    expect(values.every((value) => value >= 0 && value < 1 && Math.fround(value) === value)).toBe(true);
    expect(Math.abs(mean(values) - 1 / 2)).toBeLessThan(within(Math.sqrt(1 / 12)));
    expect(Math.abs(variance(values) - 1 / 12)).toBeLessThan(within(0.08));
  });

  it("are normal with mean 0 and variance 1", () => {
    const values = draw((random) => random.normal());
    expect(values.every(Number.isFinite)).toBe(true);
    expect(Math.abs(mean(values))).toBeLessThan(within(1));
    expect(Math.abs(variance(values) - 1)).toBeLessThan(within(Math.SQRT2));
    expect(Math.abs(mean(values.map((value) => value ** 4)) - 3)).toBeLessThan(within(Math.sqrt(96)));
  });

  it("give each integer below a bound as often", () => {
    const counts = new Array<number>(7).fill(0);
    for (const value of draw((random) => random.integer(7))) counts[value]!++;
    for (const count of counts) expect(Math.abs(count / DRAWS - 1 / 7)).toBeLessThan(within(0.35));
  });

  it("permute, each element to each place as often", () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 0, max: 40 }), (seed, count) => {
        const order = [...new Random(seed).permutation(count)];
        expect(order.toSorted((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      }),
    );
    const places = new Array<number>(5).fill(0);
    for (let seed = 0; seed < 20_000; seed++) places[new Random(seed).permutation(5).indexOf(0)]!++;
    for (const count of places) expect(Math.abs(count / 20_000 - 1 / 5)).toBeLessThan((5 * 0.4) / Math.sqrt(20_000));
  });

  it("of neighbouring keys are not alike", () => {
    // correlation of the first numbers of seeds s and s + 1
    const first = Float64Array.from({ length: 20_000 }, (_, seed) => new Random(seed).uniform() - 0.5);
    const product = mean(first.slice(1).map((value, i) => value * first[i]!)) * 12;
    expect(Math.abs(product)).toBeLessThan(5 / Math.sqrt(20_000));
  });
});

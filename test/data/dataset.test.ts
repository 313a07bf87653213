import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  classCounts,
  type Dataset,
  memoryDataset,
  SHAPE_CLASSES,
  shapes,
  split,
  subset,
} from "../../src/data/index.ts";
import { NORMALIZATION } from "../../src/data/normalization.ts";
import { planes } from "./support.ts";

/** n pictures of 1×2 pixels whose bytes are their number. */
function numbered(n: number): Dataset {
  const images = Uint8Array.from({ length: n * 2 }, (_, i) => i >> 1);
  const labels = Int32Array.from({ length: n }, (_, i) => i % 3);
  return memoryDataset({ name: "numbered", classes: ["a", "b", "c"], images, labels, shape: [1, 1, 2] });
}

const numbers = (dataset: Dataset) =>
  Array.from({ length: dataset.length }, (_, i) => planes(dataset.get(i) as Awaited<ReturnType<Dataset["get"]>>)[0]);

describe("subset and split", () => {
  test("a subset of a subset keeps pictures, labels and descriptions together", () => {
    const chosen = subset(subset(numbered(10), [9, 7, 5, 3]), [3, 0]);
    expect(numbers(chosen)).toEqual([3, 9]);
    expect(Array.from(chosen.labels!)).toEqual([0, 0]);
    expect(chosen.describe!(1)).toBe("numbered, sample 9");
    expect(() => subset(chosen, [2])).toThrow("subset: sample 2 was asked for, but numbered has 2");
  });

  test("the same for a set that is not in memory", async () => {
    const { memory: _, ...plain } = numbered(10) as Dataset & { memory: unknown };
    const chosen = subset(subset(plain, [9, 7, 5, 3]), [3, 0]);
    expect(numbers(chosen)).toEqual([3, 9]);
    expect(Array.from(chosen.labels!)).toEqual([0, 0]);
    expect(chosen.describe!(0)).toBe("numbered, sample 3");
  });

  test("a split parts the set, by seed", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 4, max: 200 }),
        fc.double({ min: 0.2, max: 0.8, noNaN: true }),
        fc.nat(),
        (n, part, seed) => {
          const { train, validation } = split(numbered(n), part, seed);
          expect(validation.length).toBe(Math.round(n * part));
          expect([...numbers(train), ...numbers(validation)].sort((a, b) => a! - b!)).toEqual(numbers(numbered(n)));
          expect(numbers(split(numbered(n), part, seed).train)).toEqual(numbers(train));
        },
      ),
      { numRuns: 50 },
    );
    expect(numbers(split(numbered(100), 0.5, 0).train)).not.toEqual(numbers(split(numbered(100), 0.5, 1).train));
    expect(() => split(numbered(10), 0.01, 0)).toThrow("0.01 of 10 samples leaves one part empty");
  });

  test("empty sets and mismatched sizes are errors", () => {
    const empty = { name: "nothing", classes: ["a"], images: new Uint8Array(0), labels: new Int32Array(0) };
    expect(() => memoryDataset({ ...empty, shape: [3, 2, 2] })).toThrow("nothing: the data set has no samples");
    expect(() =>
      memoryDataset({ ...empty, images: new Uint8Array(11), labels: new Int32Array(1), shape: [3, 2, 2] }),
    ).toThrow("nothing: 1 labels go with 12 bytes of images [3, 2, 2], got 11");
    expect(() => subset(numbered(3), [])).toThrow("numbered: the data set has no samples");
    expect(() => numbered(3).get(3)).toThrow("numbered: sample 3 was asked for, but there are 3");
  });
});

describe("shapes", () => {
  test("is a function of its seed, and its parts share no picture", () => {
    const [a, again, other] = [shapes({ length: 40 }), shapes({ length: 40 }), shapes({ length: 40, seed: 1 })];
    expect(a.memory.images).toEqual(again.memory.images);
    expect(a.memory.images).not.toEqual(other.memory.images);
    const prefix = shapes({ length: 20 });
    expect(a.memory.images.subarray(0, prefix.memory.images.length)).toEqual(prefix.memory.images);
    const keys = (set: Dataset) => Array.from({ length: 40 }, (_, i) => planes(set.get(i) as never).join());
    const test = new Set(keys(shapes({ length: 40, split: "test" })));
    expect(keys(a).filter((key) => test.has(key))).toEqual([]);
  });

  test("its images are the same in any order, one by one or all at once", () => {
    const [all, some] = [shapes({ length: 20 }), shapes({ length: 20 })];
    for (const i of [7, 3, 3, 19]) expect(planes(some.get(i))).toEqual(planes(all.get(i)));
    const { memory } = shapes({ length: 20 });
    expect(some.memory.images).toEqual(memory.images);
    expect(subset(shapes({ length: 20 }), [7]).get(0)).toEqual(subset(all, [7]).get(0));
  });

  test("has ten classes, evenly, in colour", () => {
    const set = shapes({ length: 200 });
    expect(SHAPE_CLASSES.length).toBe(10);
    expect(classCounts(set)).toEqual(new Array(10).fill(20));
    expect(set.memory.shape).toEqual([3, 32, 32]);
  });

  test("normalisation constants are those of its pixels", () => {
    const set = shapes();
    const { mean, std } = NORMALIZATION.shapes;
    const { images } = set.memory;
    for (let c = 0; c < 3; c++) {
      let sum = 0;
      let squares = 0;
      for (let n = 0; n < set.length; n++) {
        for (let i = 0; i < 1024; i++) {
          const x = images[(n * 3 + c) * 1024 + i]! / 255;
          sum += x;
          squares += x * x;
        }
      }
      const count = set.length * 1024;
      expect(sum / count).toBeCloseTo(mean[c]!, 2.5);
      expect(Math.sqrt(squares / count - (sum / count) ** 2)).toBeCloseTo(std[c]!, 2.5);
    }
  });

  test("a hundred pictures take milliseconds", () => {
    const paint = () => shapes({ length: 500 }).memory.images;
    paint();
    const start = performance.now();
    paint();
    expect((performance.now() - start) / 5).toBeLessThan(500);
  });
});

import { expect, it } from "vitest";
import { checkRuns, levelsOf } from "../../src/data/node/forms/parquet-runs.ts";

const runs =
  (bytes: readonly number[], width: number, values: number, fewer = false) =>
  () =>
    checkRuns(Uint8Array.from(bytes), width, values, { fewer });

it("takes runs as writers make them", () => {
  expect(runs([6, 1], 1, 3)).not.toThrow(); // three times 1
  expect(runs([3, 0b1010], 1, 4)).not.toThrow(); // eight packed bits, of which four count
  expect(runs([4, 7, 2, 9], 8, 3)).not.toThrow();
  expect(runs([2, 0], 1, 9, true)).not.toThrow(); // the others are null
});

it("refuses runs that never end, or are longer than the page", () => {
  expect(runs([0xff, 0xff, 0xff, 0xff, 0x0f], 0, 3)).toThrow("a run of 17179869176 values is too long");
  expect(runs([0xfe, 0xff, 0xff, 0xff, 0x0f], 1, 3)).toThrow("is too long");
  expect(runs([2, 1], 1, 3)).toThrow("a run of values is cut off");
  expect(runs([3], 1, 8)).not.toThrow(); // its reader finds the end itself
  expect(runs([0x80], 1, 3)).toThrow("cut off");
  expect(runs([2, 1], 33, 3)).toThrow("numbers of 33 bits");
});

it("counts the levels of a nested column", () => {
  const element = (name: string, repetition_type: string, num_children?: number) => ({
    name,
    repetition_type,
    num_children,
  });
  const schema = [
    { name: "root", num_children: 2 },
    element("image", "OPTIONAL", 2),
    element("bytes", "OPTIONAL"),
    element("path", "OPTIONAL"),
    element("labels", "OPTIONAL", 1),
    element("list", "REPEATED", 1),
    element("element", "REQUIRED"),
  ];
  const of = (...path: string[]) => levelsOf({ schema } as never, path);
  expect(of("image", "path")).toEqual({ definition: 2, repetition: 0 });
  expect(of("labels", "list", "element")).toEqual({ definition: 2, repetition: 1 });
});

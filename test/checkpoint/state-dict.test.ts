import { describe, expect, it } from "vitest";
import { mapStateDict } from "../../src/checkpoint/index.ts";

describe("mapStateDict", () => {
  it("leaves out what has no new name, and refuses two values of one name", () => {
    const state = new Map([
      ["a", 1],
      ["b", 2],
    ]);
    expect(mapStateDict(state, (key) => (key === "a" ? undefined : key))).toEqual(new Map([["b", 2]]));
    expect(() => mapStateDict(state, () => "c")).toThrow('two keys become "c", the second is "b"');
  });
});

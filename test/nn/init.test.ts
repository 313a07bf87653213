import { describe, expect, it } from "vitest";
import { init, Parameter } from "../../src/nn/index.ts";
import { Random } from "../../src/random.ts";

describe("initial weights", () => {
  const parameter = () => new Parameter([200, 10], init.defaultWeight);

  it("are a function of seed and key", () => {
    const draw = (seed: number, key: string) => parameter().draw(new Random(seed, key)).data;
    expect(draw(1, "a.weight")).toEqual(draw(1, "a.weight"));
    expect(draw(1, "a.weight")).not.toEqual(draw(2, "a.weight"));
    expect(draw(1, "a.weight")).not.toEqual(draw(1, "b.weight"));
  });

  it("have the fans of their shape", () => {
    expect(init.fans([8, 4, 3, 5])).toEqual({ fanIn: 60, fanOut: 120 });
    expect(init.fans([8, 4])).toEqual({ fanIn: 4, fanOut: 8 });
  });
});

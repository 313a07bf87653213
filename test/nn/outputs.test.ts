import { describe, expect, it } from "vitest";
import {
  Flatten,
  Linear,
  Module,
  mainOutput,
  mainOutputName,
  outputForm,
  probabilities,
  type Tensor,
  trace,
} from "../../src/nn/index.ts";

class Net extends Module<Tensor> {
  static readonly type = "Net";
  flatten = new Flatten();
  fc = new Linear(12, 4);
  readonly #end: (x: Tensor) => Tensor;
  constructor(end: (x: Tensor) => Tensor) {
    super();
    this.#end = end;
  }
  forward(x: Tensor): Tensor {
    return this.#end(this.fc.call(this.flatten.call(x)));
  }
}

describe("the main output", () => {
  it.each([
    [["aux", "logits", "output"], "logits"],
    [["aux", "output"], "output"],
    [["first", "second"], "first"],
  ])("of %j is %s", (names, main) => {
    expect(mainOutputName(names)).toBe(main);
    expect(mainOutput(Object.fromEntries(names.map((name) => [name, `value of ${name}`])))).toBe(`value of ${main}`);
  });

  it("does not exist where there are no outputs", () => {
    expect(() => mainOutputName([])).toThrow("the network has no output");
  });
});

describe("the form of an output", () => {
  it.each<[string, (x: Tensor) => Tensor, string]>([
    ["scores", (x) => x, "scores"],
    ["softmax", (x) => x.softmax(1), "softmax"],
    ["softmax, then axes of size 1", (x) => x.softmax(1).view(-1, 4, 1, 1), "softmax"],
    ["softmax, then another shape", (x) => x.softmax(1).view(-1, 2, 2), "softmax"],
    ["log softmax", (x) => x.logSoftmax(1), "log-softmax"],
    ["sigmoid, flattened", (x) => x.view(-1, 4, 1, 1).sigmoid().flatten(1), "sigmoid"],
    ["softmax, then more", (x) => x.softmax(1).mul(2), "scores"],
  ])("%s", (_, end, form) => {
    const { outputs } = trace(new Net(end), ["N", 3, 2, 2]);
    expect(outputForm(outputs.output!).form).toBe(form);
  });

  it("decides how it becomes probabilities", () => {
    const ops = (end: (x: Tensor) => Tensor) => {
      const { graph, outputs } = trace(new Net(end), ["N", 3, 2, 2]);
      const before = graph.nodes.length;
      expect(probabilities(outputs.output!).shape).toEqual(["N", 4]);
      return graph.nodes.slice(before).map(({ op }) => op);
    };
    expect(ops((x) => x)).toEqual(["Softmax"]);
    expect(ops((x) => x.softmax(1))).toEqual([]);
    expect(ops((x) => x.logSoftmax(1))).toEqual(["Exp"]);
  });
});

import { expect, it } from "vitest";
import { classifier } from "../../src/classify/index.ts";
import { createModel } from "../../src/models/index.ts";
import { trace } from "../../src/nn/index.ts";
import { summarize } from "../../src/summary/index.ts";

it("a misspelt option of classifier is named, with the right one", async () => {
  const make = async () => classifier(createModel("nin"), { engine: {}, topK: 3 } as never);
  await expect(make()).rejects.toThrow('classifier: there is no option "topK"; did you mean "topk"?');
});

it("summarize takes networks, and says what an ONNX graph needs", () => {
  const traced = trace(createModel("nin"), [1, 3, 32, 32]);
  for (const given of [traced, traced.graph])
    expect(() => summarize(given as never, { input: [1, 3, 32, 32] })).toThrow(
      "summarize: takes a network (a Module), but got an object; for an ONNX graph, see onnxModule",
    );
});

/** Each layer through an .onnx file, and whether it trains. */
import { describe, expect, it } from "vitest";
import { trace } from "../../src/nn/index.ts";
import { decode, exportOnnx, onnxModule } from "../../src/onnx/index.ts";
import { differentiate } from "../../src/passes/index.ts";
import { difference, normal, runFile, runGraph } from "../onnx/support.ts";
import { LAYERS } from "./layers.ts";

const TOLERANCE = 1e-5;

describe("layers in .onnx files", () => {
  it.each(LAYERS.map((one) => [one.python, one] as const))("%s", async (_, { make, input }) => {
    const model = make();
    const feeds = { input: normal([3, ...input]) };
    const shape = ["N", ...input];
    const { graph } = trace(model, shape);
    const wanted = (await runGraph(graph, model.stateDict(), feeds)).output!;
    const { bytes } = exportOnnx(model, { input: shape });
    expect(difference((await runFile(bytes, feeds)).output!, wanted)).toBeLessThan(TOLERANCE);
    const file = decode(bytes);
    expect(difference((await runGraph(file.graph, file.weights, feeds)).output!, wanted)).toBeLessThan(TOLERANCE);
    const imported = onnxModule(bytes, { name: "net" });
    const again = trace(imported, shape).graph;
    expect(difference((await runGraph(again, imported.stateDict(), feeds)).output!, wanted)).toBeLessThan(TOLERANCE);
  });
});

describe("layers have gradients in the training form, at any batch", () => {
  it.each(LAYERS.map((one) => [one.python, one] as const))("%s", (_, { make, input }) => {
    const model = make();
    const { graph, outputs, inputs } = trace(model, ["N", ...input], { training: true });
    const loss = outputs.output!.mul(outputs.output!).sum();
    const { gradients } = differentiate(graph, loss.value, [inputs[0]!.value, ...graph.parameters]);
    for (const [value, gradient] of gradients) expect(gradient.shape).toEqual(value.shape);
  });
});

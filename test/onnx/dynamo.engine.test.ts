/** Files of PyTorch's default exporter (dynamo), made by fixtures/dynamo.py. */
import { readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { tensor } from "../../src/graph/index.ts";
import { trace } from "../../src/nn/index.ts";
import { decode, exportOnnx, onnxModule } from "../../src/onnx/index.ts";
import { difference, runGraph } from "./support.ts";

const file = (name: string) => readFileSync(new URL(`fixtures/${name}`, import.meta.url));
const reference = JSON.parse(file("dynamo.json").toString()) as { x: number[]; y: number[] };
const image = tensor("float32", [2, 3, 8, 8], Float32Array.from(reference.x));
const expected = tensor("float32", [2, 5], Float32Array.from(reference.y));

afterEach(() => vi.restoreAllMocks());

describe("a file of PyTorch's default exporter", () => {
  it.each(["dynamo.onnx", "dynamo-folded.onnx"])("%s computes what PyTorch computes", async (name) => {
    const { graph, weights } = decode(file(name));
    const [y] = Object.values(await runGraph(graph, weights, { image }));
    expect(difference(y!, expected)).toBeLessThan(1e-5);
  });

  it("written with optimize=False has nothing left of its arithmetic of shapes", () => {
    const { graph } = decode(file("dynamo.onnx"));
    expect(graph.inputs[0]!.shape).toEqual(["batch", 3, 8, 8]);
    expect([...graph.outputs.values()].map(({ shape }) => shape)).toEqual([["batch", 5]]);
    expect(graph.nodes.map(({ op }) => op)).toEqual([
      ...["Conv", "BatchNormalization", "Relu", "Conv", "BatchNormalization", "Relu"],
      ...["ReduceMean", "Reshape", "Gemm"],
    ]);
  });

  it("written with optimize=False is a network with PyTorch's keys, for images of any size", () => {
    const model = onnxModule(file("dynamo.onnx"));
    expect([...model.stateDict().keys()]).toContain("bn2.running_var");
    expect(Object.values(trace(model, ["N", 3, 12, 10]).outputs)[0]!.shape).toEqual(["N", 5]);
  });

  it("keeps the name of its input when it is exported", () => {
    const model = onnxModule(file("dynamo.onnx"));
    const plain = exportOnnx(model, { input: ["N", 3, 8, 8] });
    expect(plain.graph.inputs.map(({ name }) => name)).toEqual(["image"]);
    const preprocess = { mean: [0, 0, 0], std: [1, 1, 1], layout: "NHWC" } as const;
    const pixels = exportOnnx(model, { input: ["N", 3, 8, 8], preprocess });
    expect(pixels.graph.inputs).toMatchObject([{ name: "image", shape: ["N", 8, 8, 3] }]);
  });

  it("warns once, when it is trained, that its batch normalization is folded", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const folded = onnxModule(file("dynamo-folded.onnx"));
    trace(folded, ["N", 3, 8, 8]);
    expect(warn).not.toHaveBeenCalled();
    trace(folded, ["N", 3, 8, 8], { training: true });
    trace(folded, ["N", 3, 8, 8], { training: true });
    expect(warn).toHaveBeenCalledTimes(1);
    expect(warn.mock.calls[0]![0]).toMatch(/2 batch normalizations were folded.*optimize=False/);
    trace(onnxModule(file("dynamo.onnx")), ["N", 3, 8, 8], { training: true });
    expect(warn).toHaveBeenCalledTimes(1);
  });
});

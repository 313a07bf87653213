/** Files of other programs as modules. */
import { beforeAll, describe, expect, it } from "vitest";
import { Float, Graph } from "../../src/graph/index.ts";
import { ModuleBuffer, Parameter, trace } from "../../src/nn/index.ts";
import { decode, encode, OnnxModule, onnxModule } from "../../src/onnx/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { makeModels, type PythonTensor } from "./python-models.ts";
import { normal, runGraph } from "./support.ts";

describe("files of other programs", unless(pythonSkipReason("onnx")), () => {
  const filled = (shape: readonly number[], value = 0.1): PythonTensor => ({
    dtype: "float",
    shape,
    values: Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => value * (1 + (i % 5))),
  });
  let files: Uint8Array[];
  beforeAll(() => {
    const node = (op: string, inputs: string, output: string, attributes = {}) => ({
      op,
      inputs: inputs.split(" "),
      outputs: output.split(" "),
      attributes,
    });
    files = makeModels([
      {
        opset: 9,
        inputs: { x: [4, 3, 4, 4] },
        nodes: [
          node("Conv", "x w", "c", { kernel_shape: [1, 1] }),
          node("BatchNormalization", "c scale b mean var", "n m v sm sv", { momentum: { real: 0.8 } }),
          node("Dropout", "n", "d", { ratio: { real: 0.3 } }),
          node("GlobalAveragePool", "d", "p"),
          node("Reshape", "p shape", "f"),
          node("Transpose", "fc", "fct", { perm: [1, 0] }),
          node("MatMul", "f fct", "z"),
          node("Add", "z bias", "s"),
          node("Reshape", "s last", "t"),
          node("Softmax", "t", "y"),
        ],
        initializers: {
          w: filled([8, 3, 1, 1]),
          scale: filled([8], 1),
          b: filled([8]),
          mean: filled([8]),
          var: filled([8], 1),
          shape: { dtype: "int64", shape: [2], values: [4, 8] },
          fc: filled([5, 8]),
          bias: filled([5]),
          last: { dtype: "int64", shape: [2], values: [4, 5] },
        },
      },
    ]);
  });

  it("of a training form serve for inference and training, at any batch, with another head", async () => {
    const model = onnxModule(files[0]!);
    expect([...model.parameters()].map(([key]) => key)).toEqual([
      "conv.weight",
      "batchnormalization.weight",
      "batchnormalization.bias",
      "matmul.weight",
      "add.bias",
    ]);
    expect([...model.buffers()].map(([key]) => key)).toEqual(
      ["running_mean", "running_var", "num_batches_tracked"].map((name) => `batchnormalization.${name}`),
    );
    const kinds = [...model.modules()]
      .flatMap(([, module]) => Object.values(module))
      .filter((value) => value instanceof Parameter || value instanceof ModuleBuffer);
    expect(kinds).toHaveLength(8);
    expect([...model.inputs]).toEqual([["x", [4, 3, 4, 4]]]);
    const { graph } = trace(model.eval(), ["N", 3, 4, 4]);
    expect(graph.nodes.find(({ op }) => op === "BatchNormalization")!.attributes.training_mode).toBeUndefined();
    expect(graph.outputs.get("output")!.shape).toEqual(["N", 5]);
    const training = trace(model.train(), ["N", 3, 4, 4], { training: true });
    expect(training.tracer.masks).toMatchObject([{ input: "dropout:dropout", p: Math.fround(0.3) }]);
    expect([...training.tracer.updates.keys()]).toHaveLength(2);
    // what is kept of the statistics is momentum in ONNX, and one minus it in PyTorch
    const factors = [...training.graph.constants.values()]
      .filter(({ data }) => data.length === 1)
      .map(({ data }) => Number(data[0]));
    expect(factors).toContain(Math.fround(0.8));
    model.replaceHead(3);
    expect(model.stateShapes().get("matmul.weight")).toEqual([3, 8]);
    expect(model.stateShapes().get("add.bias")).toEqual([3]);
    const { graph: evaluated } = trace(model.eval(), ["N", 3, 4, 4]);
    const { output } = await runGraph(evaluated, model.stateDict(), { input: normal([2, 3, 4, 4]) });
    expect(output!.shape).toEqual([2, 3]);
  });

  it("are refused by name where they have no last layer", () => {
    const graph = new Graph();
    const ops = new Ops(graph);
    const x = graph.input("x", "float32", ["N", 4]);
    graph.output("y", ops.one("LeakyRelu", [x], { alpha: new Float(0.1) }));
    const model = new OnnxModule(decode(encode(graph), { fold: false }));
    expect(() => model.replaceHead(3)).toThrow(
      'the output "y" comes from LeakyRelu (y), not from a last layer of classes',
    );
    expect(() => trace(model, { a: ["N", 4], b: ["N", 4] })).toThrow("graph: takes x, but got 2 inputs");
  });
});

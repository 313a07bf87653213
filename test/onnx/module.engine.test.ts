/** Imported networks as modules: their layers, weights and training form. */
import { describe, expect, it } from "vitest";
import { Graph, type TensorData, tensor } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { BatchNorm2d, Conv2d, Dropout, Linear, Module, Sequential, type Tensor, trace } from "../../src/nn/index.ts";
import { encode, exportOnnx, OnnxModule, onnxModule } from "../../src/onnx/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { renderText, summarize } from "../../src/summary/index.ts";
import { TrainingStep } from "../../src/train/step.ts";
import { difference, engine, normal, runFile, runGraph } from "./support.ts";

class Block extends Module<Tensor> {
  conv: Conv2d;
  bn: BatchNorm2d;
  constructor(inputs: number, outputs: number) {
    super();
    this.conv = new Conv2d(inputs, outputs, 3, { padding: 1, bias: false });
    this.bn = new BatchNorm2d(outputs, { eps: 1e-3 });
  }
  forward(x: Tensor) {
    return this.bn.call(this.conv.call(x)).relu();
  }
}

class Net extends Module<Tensor> {
  stem = new Block(3, 4);
  body = new Sequential(new Block(4, 4), new Block(4, 8));
  drop = new Dropout(0.5);
  fc = new Linear(8, 5);
  forward(x: Tensor) {
    const y = this.body.call(this.stem.call(x));
    return this.fc.call(this.drop.call(y.mean([2, 3])));
  }
}

const INPUT = ["N", 3, 6, 6] as const;
const reimported = (model: Module, input: readonly (string | number)[] = INPUT) => {
  const weights = model.stateDict();
  return onnxModule(encode(trace(model, input).graph, { weights }), { name: "net" });
};

async function outputOf(model: Module, input: TensorData): Promise<TensorData> {
  const { graph } = trace(model, ["N", ...input.shape.slice(1)]);
  return Object.values(await runGraph(graph, model.stateDict(), { input }))[0]!;
}

const target = (classes: number, N: number) =>
  tensor(
    "float32",
    [N, classes],
    Float32Array.from({ length: N * classes }, (_, i) => Number(i % classes === Math.floor(i / classes) % classes)),
  );

async function train(model: Module, classes: number, steps = 4) {
  const step = await TrainingStep.create(model.train(), {
    engine,
    input: INPUT,
    optimizer: sgd({ momentum: 0.9 }),
    dropout: false,
  });
  const losses: number[] = [];
  for (let i = 0; i < steps; i++)
    losses.push((await step.run({ input: normal([6, 3, 6, 6], i), target: target(classes, 6) }, 0.05)).loss);
  const weights = await step.weights();
  await step.dispose();
  return { losses, weights };
}

describe("a network of ours, written and read again", () => {
  const net = new Net().initialize(2);
  const again = reimported(net);

  it("has the same layers under the same keys", () => {
    expect([...again.stateShapes()]).toEqual([...net.stateShapes()]);
    for (const [key, data] of net.stateDict()) expect(again.stateDict().get(key)!.data, key).toEqual(data.data);
    const paths = (model: Module) => new Set([...model.modules()].map(([path]) => path));
    const lost = [...paths(net)].filter((path) => !paths(again).has(path));
    // nothing stands for what does nothing in a graph for inference
    expect(lost).toEqual(["drop"]);
    expect([...again.modules()].find(([path]) => path === "body.1.conv")![1].type).toBe("Conv");
  });

  it("says in a summary what it is made of", () => {
    const text = renderText(summarize(again, { input: [1, 3, 6, 6] }));
    expect(text).toContain("net                                      [1, 5]                    --");
    expect(text).toContain("├─Block: 1-1                             [1, 4, 6, 6]              --");
    expect(text).toContain("│    └─Conv: 2-1                         [1, 4, 6, 6]              108");
    const wanted = summarize(net, { input: [1, 3, 6, 6] }).totals;
    expect(summarize(again, { input: [1, 3, 6, 6] }).totals).toMatchObject({
      params: wanted.params,
      macs: wanted.macs,
      multAdds: wanted.multAdds,
    });
  });

  it("gives the same numbers for images of any size, and again when it is written once more", async () => {
    for (const shape of [
      [1, 3, 6, 6],
      [3, 3, 6, 6],
      [2, 3, 9, 4],
    ]) {
      const x = normal(shape);
      expect(difference(await outputOf(again.eval(), x), await outputOf(net.eval(), x))).toBeLessThan(1e-6);
    }
    const x = normal([2, 3, 6, 6]);
    const { bytes } = exportOnnx(again.eval(), { input: INPUT, foldBatchNorm: true });
    expect(difference(Object.values(await runFile(bytes, { input: x }))[0]!, await outputOf(net, x))).toBeLessThan(
      1e-5,
    );
  });

  it("trains as the network it was, running statistics included", async () => {
    const [ours, theirs] = [await train(reimported(net), 5), await train(new Net().loadStateDict(net.stateDict()), 5)];
    expect(ours.losses).toEqual(theirs.losses);
    for (const [key, data] of theirs.weights) expect(ours.weights.get(key)!.data, key).toEqual(data.data);
    expect(Number(ours.weights.get("stem.bn.num_batches_tracked")!.data[0])).toBe(4);
  });

  it("freezes normalization that is not in training", async () => {
    const model = reimported(net).train();
    (model as unknown as { stem: Module }).stem.eval();
    const { tracer } = trace(model, INPUT, { training: true });
    expect([...tracer.updates.keys()]).toEqual(
      ["body.0.bn", "body.1.bn"].flatMap((path) => [`${path}.running_mean`, `${path}.running_var`]),
    );
  });

  it("is written with normalization by the batch in operators that compute it", async () => {
    const norm = new Sequential(new BatchNorm2d(3, { trackRunningStats: false })).eval();
    norm.initialize(1);
    const x = normal([4, 3, 5, 5]);
    const shifted = tensor(
      "float32",
      x.shape,
      Float32Array.from(x.data as Float32Array, (value) => 5 * value + 2),
    );
    const { bytes } = exportOnnx(norm, { input: ["N", 3, 5, 5] });
    const y = Object.values(await runFile(bytes, { input: shifted }))[0]!.data as Float32Array;
    for (let c = 0; c < 3; c++) {
      const values = Array.from({ length: 100 }, (_, i) => y[Math.floor(i / 25) * 75 + c * 25 + (i % 25)]!);
      const mean = values.reduce((sum, value) => sum + value, 0) / 100;
      expect(mean).toBeCloseTo(0, 4);
      expect(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / 100).toBeCloseTo(1, 3);
    }
  });

  it("gets a new head", async () => {
    const model = reimported(net).replaceHead(3);
    expect(model.stateShapes().get("fc.weight")).toEqual([3, 8]);
    expect(model.stateShapes().get("fc.bias")).toEqual([3]);
    expect((await outputOf(model.eval(), normal([2, 3, 6, 6]))).shape).toEqual([2, 3]);
    const bound = 1 / Math.sqrt(8);
    for (const value of model.stateDict().get("fc.weight")!.data)
      expect(Math.abs(Number(value))).toBeLessThanOrEqual(bound);
    const kept = model.stateDict().get("stem.conv.weight")!.data;
    expect(kept).toEqual(net.stateDict().get("stem.conv.weight")!.data);
    const { losses } = await train(model, 3, 6);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
  });

  it("lends its parts to others", async () => {
    const { stem, body } = again as unknown as Record<string, Module<Tensor>>;
    class Features extends Module<Tensor> {
      first = stem!;
      second = body!;
      forward(x: Tensor) {
        return this.second.call(this.first.call(x));
      }
    }
    const features = new Features().eval();
    expect([...features.stateShapes().keys()]).toContain("second.1.conv.weight");
    expect((await outputOf(features, normal([2, 3, 5, 5]))).shape).toEqual([2, 8, 5, 5]);
  });
});

describe("GoogLeNet, written and read again", () => {
  it("keeps its three outputs, and each gets a new head", () => {
    const model = reimported(createModel("googlenet", { numClasses: 10 }), ["N", 3, 224, 224]);
    const shapes = () =>
      Object.entries(trace(model, ["N", 3, 224, 224]).outputs).map(([name, { shape }]) => [name, shape]);
    expect(shapes()).toEqual(["logits", "aux2", "aux1"].map((name) => [name, ["N", 10]]));
    model.replaceHead(4);
    expect(shapes()).toEqual(["logits", "aux2", "aux1"].map((name) => [name, ["N", 4]]));
  });
});

describe("weights without a path for a name", () => {
  const graph = new Graph("g");
  const ops = new Ops(graph);
  const x = graph.input("x", "float32", ["N", 2, 4, 4]);
  const weights = new Map<string, TensorData>();
  const parameter = (name: string, shape: readonly number[], dtype: "float32" | "float16" = "float32") => {
    const count = shape.reduce((a, b) => a * b, 1);
    weights.set(
      name,
      dtype === "float32"
        ? tensor(dtype, shape, new Float32Array(count).fill(0.5))
        : tensor(dtype, shape, new Uint16Array(count).fill(0x3800)),
    );
    return graph.parameter(name, "float32", shape);
  };
  const first = ops.one("Conv", [x, parameter("onnx::Conv_7", [2, 2, 1, 1]), parameter("onnx::Conv_8", [2])], {
    kernel_shape: [1, 1],
  });
  const second = ops.one("Conv", [first, parameter("W", [2, 2, 1, 1], "float16")], { kernel_shape: [1, 1] });
  graph.output(
    "y",
    ops.one("Gemm", [ops.reshape(second, ["N", 32]), parameter("type", [32, 3]), parameter("forward", [3])]),
  );

  it("stand under the layer that reads them", () => {
    const model = new OnnxModule({ graph, weights, metadata: {}, producer: "", opset: 17 });
    expect([...model.stateShapes().keys()]).toEqual([
      "conv.weight",
      "conv.bias",
      "conv_1.weight",
      "gemm.weight",
      "gemm.bias",
    ]);
    expect(Object.fromEntries(model.sources)).toEqual({
      "conv.weight": "onnx::Conv_7",
      "conv.bias": "onnx::Conv_8",
      "conv_1.weight": "W",
      "gemm.weight": "type",
      "gemm.bias": "forward",
    });
  });

  it("are float32, whatever the file has them in", () => {
    const model = new OnnxModule({ graph, weights, metadata: {}, producer: "", opset: 17 });
    expect(model.stateDict().get("conv_1.weight")).toEqual(
      tensor("float32", [2, 2, 1, 1], new Float32Array(4).fill(0.5)),
    );
  });

  it("are drawn as PyTorch draws those of such layers", () => {
    const model = new OnnxModule({ graph, weights, metadata: {}, producer: "", opset: 17 }).initialize(1);
    const drawn = model.stateDict();
    for (const [key, bound] of [
      ["conv.weight", 1 / Math.sqrt(2)],
      ["conv.bias", 1 / Math.sqrt(2)],
    ] as const) {
      const numbers = Array.from(drawn.get(key)!.data as Float32Array);
      expect(new Set(numbers).size).toBe(numbers.length);
      for (const value of numbers) expect(Math.abs(value)).toBeLessThanOrEqual(bound);
    }
  });

  it("find another place where a path is taken", () => {
    const odd = new Graph();
    const ops = new Ops(odd);
    const x = odd.input("x", "float32", ["N", 2, 1, 1]);
    const names = ["a.weight", "a.weight.b", "training.weight", "a.forward"];
    const numbers = new Map(names.map((name) => [name, tensor("float32", [2, 2, 1, 1], new Float32Array(4).fill(1))]));
    let y = x;
    for (const name of names)
      y = ops.one("Conv", [y, odd.parameter(name, "float32", [2, 2, 1, 1])], { kernel_shape: [1, 1] });
    odd.output("y", y);
    const model = new OnnxModule({ graph: odd, weights: numbers, metadata: {}, producer: "", opset: 17 });
    const state = model.stateDict();
    expect(state.size).toBe(4);
    expect(new Set(model.sources.values())).toEqual(new Set(names));
    expect(() => trace(model, ["N", 2, 1, 1])).not.toThrow();
    expect(model.training).toBe(true);
  });
});

/** Models of layers: functional and nested ones, Keras 2 and 3, and what they become. */
import { describe, expect, it } from "vitest";
import type { TensorData } from "../../src/graph/index.ts";
import { exportOnnx, onnxModule } from "../../src/onnx/index.ts";
import { tfjsModel, tfjsModule } from "../../src/tfjs/index.ts";
import { difference, runGraph } from "../onnx/support.ts";
import * as is from "./reference.ts";
import {
  called,
  functional,
  inputLayer,
  layer,
  type ModelFiles,
  modelFiles,
  nchw,
  numbers,
  readerOf,
  sequential,
  type Tf,
} from "./support.ts";

const TOLERANCE = 2e-6;
const X = numbers([2, 7, 6, 3]);
const kernel = numbers([3, 3, 3, 4], 2);
const bias5 = numbers([5], 2);
const window = (more: object = {}) => ({ filters: 4, kernel_size: [3, 3], use_bias: false, ...more });
const positive = (x: Tf) => is.each(x, (value) => Math.abs(value) + 0.1);

async function run(files: ModelFiles): Promise<TensorData> {
  const { graph, weights } = tfjsModel(files.text, readerOf(files));
  return Object.values(await runGraph(graph, weights, { image: nchw(X) }))[0]!;
}

describe("functional models", () => {
  const conv = layer("Conv2D", "conv", window({ filters: 3, padding: "same" }));
  const weights = { "conv/kernel": numbers([3, 3, 3, 3], 2) };
  const convolved = is.conv2d(X, weights["conv/kernel"], { same: true });
  const image = { ...inputLayer([7, 6, 3]), name: "image" };
  const sum = (a: Tf, b: Tf) => is.each(a, (x, _, i) => x + b.data[i]!);

  it.each([
    ["Add", (a: number, b: number) => a + b],
    ["Subtract", (a: number, b: number) => a - b],
    ["Multiply", (a: number, b: number) => a * b],
    ["Average", (a: number, b: number) => (a + b) / 2],
    ["Maximum", Math.max],
    ["Minimum", Math.min],
  ] as const)("%s", async (name, f) => {
    const join = called(layer(name, "join"), "image", "conv");
    const y = await run(modelFiles(functional([image, called(conv, "image"), join], ["image"], ["join"]), weights));
    expect(difference(y, nchw(is.each(X, (x, _, i) => f(x, convolved.data[i]!))))).toBeLessThan(TOLERANCE);
  });

  it("joins channels, and layers in any order", async () => {
    const join = called(layer("Concatenate", "join", { axis: -1 }), "image", "conv");
    const y = await run(modelFiles(functional([join, called(conv, "image"), image], ["image"], ["join"]), weights));
    expect(difference(y, nchw(is.concat(X, convolved)))).toBeLessThan(TOLERANCE);
  });

  it("weighs channels by vectors, as squeeze and excitation does", async () => {
    const pooled = called(layer("GlobalAveragePooling2D", "pooled"), "image");
    const join = called(layer("Multiply", "join"), "image", "pooled");
    const y = await run(modelFiles(functional([image, pooled, join], ["image"], ["join"])));
    const mean = is.globalPool(X, "average");
    const wanted = is.each(X, (x, c, i) => x * mean.data[(i < 126 ? 0 : 3) + c]!);
    expect(difference(y, nchw(wanted))).toBeLessThan(TOLERANCE);
  });

  it("uses a layer twice, with its weights once", async () => {
    const twice = { ...called(conv, "image"), inbound_nodes: [[["image", 0, 0]], [["conv", 0, 0]]] };
    const join = {
      ...called(layer("Add", "join")),
      inbound_nodes: [
        [
          ["conv", 0, 0],
          ["conv", 1, 0],
        ],
      ],
    }; // prettier-ignore
    const files = modelFiles(functional([image, twice, join], ["image"], ["join"]), weights);
    expect([...tfjsModel(files.text, readerOf(files)).weights.keys()]).toEqual(["conv.weight"]);
    const again = is.conv2d(convolved, weights["conv/kernel"], { same: true });
    expect(difference(await run(files), nchw(sum(convolved, again)))).toBeLessThan(TOLERANCE);
  });

  it("holds a model inside another, as Teachable Machine writes them", async () => {
    const inner = functional([image, called(conv, "image")], ["image"], ["conv"]);
    const body = {
      class_name: "Sequential",
      config: { name: "body", layers: [inner, layer("GlobalAveragePooling2D", "pool")] },
    }; // prettier-ignore
    const head = {
      class_name: "Sequential",
      config: { name: "head", layers: [layer("Dense", "scores", { units: 2, use_bias: false })] },
    }; // prettier-ignore
    const files = modelFiles(sequential(body, head), { ...weights, "scores/kernel": numbers([3, 2]) });
    const { weights: named } = tfjsModel(files.text, readerOf(files));
    expect([...named.keys()]).toEqual(["body.net.conv.weight", "head.scores.weight"]);
    const wanted = is.dense(is.globalPool(convolved, "average"), numbers([3, 2]));
    expect(difference(await run(files), nchw(wanted))).toBeLessThan(TOLERANCE);
  });

  it("reads Keras 3, and channels first", async () => {
    const tensorOf = (name: string) => ({
      class_name: "__keras_tensor__",
      config: { shape: [null, 3, 7, 6], dtype: "float32", keras_history: [name, 0, 0] },
    }); // prettier-ignore
    const config = {
      name: "conv",
      data_format: "channels_first",
      activation: "relu",
      use_bias: false,
      padding: "same",
    };
    const first = { class_name: "InputLayer", name: "image", config: { name: "image", batch_shape: [null, 3, 7, 6] } };
    const second = {
      class_name: "Conv2D",
      name: "conv",
      config,
      inbound_nodes: [{ args: [tensorOf("image")], kwargs: {} }],
    }; // prettier-ignore
    const net = {
      class_name: "Functional",
      config: { name: "net", layers: [first, second], input_layers: ["image", 0, 0], output_layers: ["conv", 0, 0] },
    }; // prettier-ignore
    const files = modelFiles({ keras_version: "3.1.0", backend: "tensorflow", model_config: net }, weights);
    expect(difference(await run(files), nchw(is.each(convolved, (x) => Math.max(x, 0))))).toBeLessThan(TOLERANCE);
  });
});

describe("vectors of images", () => {
  const image = { ...inputLayer([7, 6, 3]), name: "image" };
  const flat = called(layer("Flatten", "flat"), "image");
  const vectors = is.reshape(X, [2, 126]);
  const matrix = numbers([126, 5], 2);
  const dense = { "scores/kernel": matrix, "scores/bias": bias5 };
  const scores = (name: string) => called(layer("Dense", "scores", { units: 5 }), name);
  const wanted = is.dense(vectors, matrix, bias5);
  const made = (layers: readonly object[], outputs: readonly string[], weights: Readonly<Record<string, Tf>>) =>
    modelFiles(functional([image, flat, ...layers], ["image"], outputs), weights);
  const operators = (files: ModelFiles) =>
    tfjsModel(files.text, readerOf(files))
      .graph.nodes.map(({ op }) => op)
      .join(" "); // prettier-ignore
  const outputs = async (files: ModelFiles) => {
    const { graph, weights } = tfjsModel(files.text, readerOf(files));
    return Object.values(await runGraph(graph, weights, { image: nchw(X) }));
  };

  it("a dense layer gets its columns in PyTorch's order, also behind a normalization, for each output", async () => {
    const four = [1, 2, 3, 4].map((seed) => positive(numbers([126], seed)));
    const names = ["gamma", "beta", "moving_mean", "moving_variance"];
    const layers = [
      called(layer("BatchNormalization", "norm"), "flat"),
      called(layer("ReLU", "relu"), "norm"),
      called(layer("Dropout", "drop", { rate: 0.5 }), "relu"),
      scores("drop"),
      called(layer("Dense", "more", { units: 5, use_bias: false }), "relu"),
    ];
    const files = made(layers, ["scores", "more"], {
      ...dense,
      ...{ "more/kernel": numbers([126, 5], 3) },
      ...Object.fromEntries(names.map((name, i) => [`norm/${name}`, four[i]!])),
    });
    expect(operators(files)).toBe("Reshape BatchNormalization Relu Dropout Gemm Gemm");
    const normed = is.each(vectors, (x, _, i) => {
      const [gamma, beta, mean, variance] = four.map(({ data }) => data[i % 126]!) as [number, number, number, number];
      return Math.max(((x - mean) / Math.sqrt(variance + 1e-3)) * gamma + beta, 0);
    });
    const [first, second] = await outputs(files);
    expect(difference(first!, nchw(is.dense(normed, matrix, bias5)))).toBeLessThan(1e-5);
    expect(difference(second!, nchw(is.dense(normed, numbers([126, 5], 3))))).toBeLessThan(1e-5);
    const { weights } = tfjsModel(files.text, readerOf(files));
    // the number of channel 1 at the pixel (2, 3): 2·6 + 3 in each channel of 42
    const [row, ours, theirs] = [4, 42 + 15, 15 * 3 + 1];
    expect(weights.get("scores.weight")!.data[row * 126 + ours]).toBe(matrix.data[theirs * 5 + row]);
  });

  it.each([
    ["is an output", [scores("flat")], ["flat", "scores"], dense, [vectors, wanted]],
    [
      "is read by another layer",
      [scores("flat"), called(layer("Softmax", "soft"), "flat")],
      ["soft", "scores"],
      dense,
      [is.softmax(vectors), wanted],
    ],
    [
      "meets weights that are used twice",
      [
        called(layer("Reshape", "other", { target_shape: [126] }), "image"),
        {
          ...layer("Dense", "scores", { units: 5 }),
          name: "scores",
          inbound_nodes: [[["flat", 0, 0, {}]], [["drop", 0, 0, {}]]],
        },
        called(layer("Dropout", "drop", { rate: 0.5 }), "other"),
        { ...layer("Softmax", "soft"), name: "soft", inbound_nodes: [[["scores", 1, 0, {}]]] },
      ],
      ["scores", "soft"],
      dense,
      [wanted, is.softmax(wanted)],
    ],
  ])("keep the model's order where the vector %s", async (_, layers, ends, weights, results) => {
    const files = made(layers, ends, weights);
    expect(operators(files)).toMatch(/^Transpose Reshape/);
    for (const [i, y] of (await outputs(files)).entries())
      expect(difference(y, nchw(results[i]!))).toBeLessThan(TOLERANCE);
  });
});

it("goes through .onnx with the same numbers, and gets a new last layer", async () => {
  const layers = [
    layer("Conv2D", "conv", window({ strides: 2, padding: "same", use_bias: true })),
    layer("BatchNormalization", "norm"),
    layer("Flatten", "flat"),
    layer("Dense", "scores", { units: 5 }),
  ];
  const four = [1, 2, 3, 4].map((seed) => positive(numbers([4], seed)));
  const weights = {
    ...{ "conv/kernel": kernel, "conv/bias": numbers([4]), "scores/kernel": numbers([48, 5]), "scores/bias": bias5 },
    ...{
      "norm/gamma": four[0]!,
      "norm/beta": four[1]!,
      "norm/moving_mean": four[2]!,
      "norm/moving_variance": four[3]!,
    },
  };
  const files = modelFiles(sequential(inputLayer([7, 6, 3]), ...layers), weights);
  const model = tfjsModule(files.text, readerOf(files));
  expect([...model.stateDict().keys()]).toEqual([
    ...["conv.weight", "conv.bias", "norm.weight", "norm.bias", "norm.running_mean", "norm.running_var"],
    ...["norm.num_batches_tracked", "scores.weight", "scores.bias"],
  ]);
  const again = onnxModule(exportOnnx(model, { input: ["N", 3, 7, 6] }).bytes);
  for (const [name, { data }] of again.stateDict()) expect(data, name).toEqual(model.stateDict().get(name)!.data);
  const { graph, weights: named } = tfjsModel(files.text, readerOf(files));
  const wanted = is.dense(
    is.reshape(is.batchNorm(is.conv2d(X, kernel, { stride: 2, same: true }, numbers([4])), four, 1e-3), [2, 48]),
    numbers([48, 5]),
    bias5,
  ); // prettier-ignore
  expect(difference(Object.values(await runGraph(graph, named, { image: nchw(X) }))[0]!, nchw(wanted))).toBeLessThan(
    TOLERANCE,
  ); // prettier-ignore
  expect(model.withClasses(7).stateShapes().get("scores.weight")).toEqual([7, 48]);
});

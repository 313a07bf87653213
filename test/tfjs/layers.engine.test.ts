/** Layers of Keras against a reference that computes pixel by pixel, as Keras' documentation says. */
import { describe, expect, it } from "vitest";
import type { TensorData } from "../../src/graph/index.ts";
import { tfjsModel } from "../../src/tfjs/index.ts";
import { difference, runGraph } from "../onnx/support.ts";
import * as is from "./reference.ts";
import {
  inputLayer,
  type Layer,
  layer,
  type ModelFiles,
  modelFiles,
  nchw,
  numbers,
  readerOf,
  sequential,
  type Tf,
} from "./support.ts"; // prettier-ignore

const TOLERANCE = 2e-6;
/** An odd and an even side, so that "same" pads differently along each. */
const X = numbers([2, 7, 6, 3]);
const kernel = numbers([3, 3, 3, 4], 2);
const one = (name: string, x = X) => is.each(x, (value) => ACTIVATIONS[name]!(value));
const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const ACTIVATIONS: Readonly<Record<string, (x: number) => number>> = {
  relu: (x) => Math.max(x, 0),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  elu: (x) => (x > 0 ? x : Math.exp(x) - 1),
  selu: (x) => 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (Math.exp(x) - 1)),
  sigmoid,
  hard_sigmoid: (x) => Math.min(Math.max(0.2 * x + 0.5, 0), 1),
  softplus: (x) => Math.log(1 + Math.exp(x)),
  softsign: (x) => x / (1 + Math.abs(x)),
  tanh: Math.tanh,
  swish: (x) => x * sigmoid(x),
  mish: (x) => x * Math.tanh(Math.log(1 + Math.exp(x))),
  gelu_new: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
};

async function run(files: ModelFiles, x = X): Promise<TensorData> {
  const { graph, weights } = tfjsModel(files.text, readerOf(files));
  return Object.values(await runGraph(graph, weights, { image: nchw(x) }))[0]!;
}

const positive = (x: Tf) => is.each(x, (value) => Math.abs(value) + 0.1);
const norm = [positive(numbers([3], 3)), numbers([3], 5), numbers([3], 6), positive(numbers([3], 7))];
const bn = { gamma: norm[0]!, beta: norm[1]!, moving_mean: norm[2]!, moving_variance: norm[3]! };
const valid = { kernel: [3, 3] as const };
const window = (more: object = {}) => ({ filters: 4, kernel_size: [3, 3], use_bias: false, ...more });
const wide = numbers([3, 3, 3, 2], 3);
const flat = numbers([126, 5], 2);

/** Name, layers, weights of the layer "l", and what they compute. */
const CASES: readonly (readonly [string, readonly Layer[], Readonly<Record<string, Tf>>, () => Tf])[] = [
  [
    "Conv2D, valid",
    [layer("Conv2D", "l", window({ use_bias: true }))],
    { kernel, bias: numbers([4], 3) },
    () => is.conv2d(X, kernel, {}, numbers([4], 3)),
  ],
  [
    "Conv2D, same",
    [layer("Conv2D", "l", window({ padding: "same" }))],
    { kernel },
    () => is.conv2d(X, kernel, { same: true }),
  ],
  [
    "Conv2D, same with stride 2",
    [layer("Conv2D", "l", window({ padding: "same", strides: [2, 2] }))],
    { kernel },
    () => is.conv2d(X, kernel, { same: true, stride: 2 }),
  ],
  [
    "Conv2D, same with an even kernel",
    [layer("Conv2D", "l", window({ padding: "same", kernel_size: 2 }))],
    { kernel: numbers([2, 2, 3, 4]) },
    () => is.conv2d(X, numbers([2, 2, 3, 4]), { same: true }),
  ],
  [
    "Conv2D, dilated",
    [layer("Conv2D", "l", window({ padding: "same", dilation_rate: [2, 2] }))],
    { kernel },
    () => is.conv2d(X, kernel, { same: true, dilation: 2 }),
  ],
  [
    "Conv2D with an activation",
    [layer("Conv2D", "l", window({ activation: "relu" }))],
    { kernel },
    () => one("relu", is.conv2d(X, kernel)),
  ],
  [
    "DepthwiseConv2D",
    [layer("DepthwiseConv2D", "l", window({ padding: "same", strides: [2, 2] }))],
    { depthwise_kernel: wide },
    () => is.depthwise(X, wide, { same: true, stride: 2 }),
  ],
  [
    "SeparableConv2D",
    [layer("SeparableConv2D", "l", window({ use_bias: true }))],
    { depthwise_kernel: wide, pointwise_kernel: numbers([1, 1, 6, 4]), bias: numbers([4], 3) },
    () => is.conv2d(is.depthwise(X, wide), numbers([1, 1, 6, 4]), {}, numbers([4], 3)),
  ],
  [
    "Conv2DTranspose, valid",
    [layer("Conv2DTranspose", "l", window({ strides: [2, 2] }))],
    { kernel: numbers([3, 3, 4, 3]) },
    () => is.convTranspose(X, numbers([3, 3, 4, 3]), 2, false),
  ],
  [
    "Conv2DTranspose, same",
    [layer("Conv2DTranspose", "l", window({ strides: [2, 2], padding: "same" }))],
    { kernel: numbers([3, 3, 4, 3]) },
    () => is.convTranspose(X, numbers([3, 3, 4, 3]), 2, true),
  ],
  [
    "Conv2DTranspose, stride over kernel",
    [layer("Conv2DTranspose", "l", window({ strides: [3, 3], kernel_size: 2, padding: "same" }))],
    { kernel: numbers([2, 2, 4, 3]) },
    () => is.convTranspose(X, numbers([2, 2, 4, 3]), 3, true),
  ],
  [
    "BatchNormalization",
    [layer("BatchNormalization", "l", { axis: [3], epsilon: 1e-3 })],
    bn,
    () => is.batchNorm(X, norm, 1e-3),
  ],
  [
    "BatchNormalization without scale",
    [layer("BatchNormalization", "l", { axis: -1, scale: false })],
    { beta: norm[1]!, moving_mean: norm[2]!, moving_variance: norm[3]! },
    () => is.batchNorm(X, [undefined, ...norm.slice(1)] as Tf[], 1e-3),
  ],
  [
    "MaxPooling2D, same",
    [layer("MaxPooling2D", "l", { pool_size: [3, 3], strides: [2, 2], padding: "same" })],
    {},
    () => is.pool(X, "max", { ...valid, stride: 2, same: true }),
  ],
  [
    "AveragePooling2D, same",
    [layer("AveragePooling2D", "l", { pool_size: [3, 3], strides: [2, 2], padding: "same" })],
    {},
    () => is.pool(X, "average", { ...valid, stride: 2, same: true }),
  ],
  [
    "AveragePooling2D, strides left out",
    [layer("AveragePooling2D", "l", { pool_size: 2 })],
    {},
    () => is.pool(X, "average", { kernel: [2, 2], stride: 2 }),
  ],
  ["GlobalAveragePooling2D", [layer("GlobalAveragePooling2D", "l")], {}, () => is.globalPool(X, "average")],
  [
    "GlobalMaxPooling2D, kept axes",
    [layer("GlobalMaxPooling2D", "l", { keepdims: true })],
    {},
    () => is.reshape(is.globalPool(X, "max"), [2, 1, 1, 3]),
  ],
  [
    "Flatten and Dense",
    [layer("Flatten", "f"), layer("Dense", "l", { units: 5, activation: "softmax" })],
    { kernel: flat, bias: numbers([5], 3) },
    () => is.softmax(is.dense(is.reshape(X, [2, 126]), flat, numbers([5], 3))),
  ],
  [
    "Dense over pixels",
    [layer("Dense", "l", { units: 4 })],
    { kernel: numbers([3, 4]), bias: numbers([4]) },
    () => is.dense(X, numbers([3, 4]), numbers([4])),
  ],
  [
    "Reshape, Permute and back",
    [
      layer("Reshape", "r", { target_shape: [6, -1, 3] }),
      layer("Permute", "p", { dims: [1, 2, 3] }),
      layer("ReLU", "l"),
    ],
    {},
    () => one("relu", is.reshape(X, [2, 6, 7, 3])),
  ],
  ["Softmax over channels", [layer("Softmax", "l")], {}, () => is.softmax(X)],
  [
    "ReLU with a largest value",
    [layer("ReLU", "l", { max_value: 0.3 })],
    {},
    () => is.each(X, (x) => Math.min(Math.max(x, 0), 0.3)),
  ],
  [
    "ReLU with a slope",
    [layer("ReLU", "l", { negative_slope: 0.1, max_value: 0.3 })],
    {},
    () => is.each(X, (x) => Math.min(x > 0 ? x : 0.1 * x, 0.3)),
  ],
  ["LeakyReLU", [layer("LeakyReLU", "l")], {}, () => is.each(X, (x) => (x > 0 ? x : 0.3 * x))],
  [
    "PReLU with a slope per channel",
    [layer("PReLU", "l", { shared_axes: [1, 2] })],
    { alpha: numbers([1, 1, 3], 2) },
    () => is.each(X, (x, c) => (x > 0 ? x : x * numbers([3], 2).data[c]!)),
  ],
  [
    "PReLU with a slope per pixel",
    [layer("PReLU", "l")],
    { alpha: numbers([7, 6, 3], 2) },
    () => is.each(X, (x, _, i) => (x > 0 ? x : x * numbers([126], 2).data[i % 126]!)),
  ],
  ["Dropout outside of training", [layer("Dropout", "l", { rate: 0.5 })], {}, () => X],
  [
    "ZeroPadding2D",
    [
      layer("ZeroPadding2D", "l", {
        padding: [
          [0, 1],
          [2, 3],
        ],
      }),
    ],
    {},
    () => is.pixels(X, 8, 11, (h, w) => [h, w - 2]),
  ],
  [
    "Cropping2D",
    [
      layer("Cropping2D", "l", {
        cropping: [
          [0, 1],
          [2, 1],
        ],
      }),
    ],
    {},
    () => is.pixels(X, 6, 3, (h, w) => [h, w + 2]),
  ],
  [
    "UpSampling2D, nearest",
    [layer("UpSampling2D", "l", { size: [2, 3] })],
    {},
    () => is.pixels(X, 14, 18, (h, w) => [h >> 1, Math.floor(w / 3)]),
  ],
  [
    "UpSampling2D, bilinear",
    [layer("UpSampling2D", "l", { size: [2, 2], interpolation: "bilinear" })],
    {},
    () => is.bilinear(X, 14, 12),
  ],
  [
    "Rescaling",
    [layer("Rescaling", "l", { scale: 1 / 127.5, offset: [-1, 0, 1] })],
    {},
    () => is.each(X, (x, c) => x / 127.5 + c - 1),
  ],
]; // prettier-ignore

describe("layers", () => {
  it.each(CASES)("%s", async (_, layers, weights, wanted) => {
    const named = Object.fromEntries(Object.entries(weights).map(([name, data]) => [`l/${name}`, data]));
    const y = await run(modelFiles(sequential(inputLayer([7, 6, 3]), ...layers), named));
    expect(difference(y, nchw(wanted()))).toBeLessThan(TOLERANCE);
  });

  it("all activations", async () => {
    for (const name of Object.keys(ACTIVATIONS)) {
      const y = await run(
        modelFiles(sequential(inputLayer([7, 6, 3]), layer("Activation", "l", { activation: name }))),
      );
      expect(difference(y, nchw(one(name))), name).toBeLessThan(TOLERANCE);
    }
  });
});

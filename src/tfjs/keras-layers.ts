/** The layers of Keras, each by its rules. */
import * as v from "valibot";
import type { Dim, DType, Value } from "../graph/index.ts";
import { activate, clip } from "./activations.ts";
import type { Builder, Held } from "./builder.ts";
import { ensure } from "./error.ts";
import {
  activation,
  axis,
  batched,
  type Call,
  dataFormat,
  flag,
  images,
  type LayerRule,
  margins,
  padding,
  pair,
  reader,
} from "./keras-context.ts";
import type { LayerTensors } from "./keras-weights.ts";
import { batchNorm, conv, convTranspose, dense, depthwise, globalPool, pad, pool, resize } from "./layers.ts";
import { type LayerConfig, parse } from "./schema.ts";

const ONE = [1, 1] as const;
const window = {
  strides: v.nullish(pair, 1),
  padding,
  data_format: dataFormat,
  dilation_rate: v.nullish(pair, 1),
  activation,
  use_bias: flag(true),
};
const windowed = v.object(window);

const kernelOf = ({ weights, name, path }: Call, use_bias: boolean, kernel = "kernel") => ({
  path,
  kernel: weights.get(name, kernel),
  bias: use_bias ? weights.get(name, "bias") : undefined,
});

type Layer = typeof conv;

const convolution =
  (layer: Layer, kernel = "kernel"): LayerRule =>
  (call) => {
    const { b, read } = call;
    const { strides, padding, data_format, dilation_rate, activation, use_bias } = read(windowed);
    const { value, hold } = images(call, data_format);
    const sliding = { strides, padding, dilations: dilation_rate };
    return activate(b, hold(layer(b, value, kernelOf(call, use_bias, kernel), sliding)), activation);
  };

const separable: LayerRule = (call) => {
  const { b, read, path, weights, name } = call;
  const { strides, padding, data_format, dilation_rate, activation, use_bias } = read(windowed);
  const { value, hold } = images(call, data_format);
  const sliding = { strides, padding, dilations: dilation_rate };
  const spread = { path: `${path}.depthwise`, kernel: weights.get(name, "depthwise_kernel") };
  const joined = { ...kernelOf(call, use_bias, "pointwise_kernel"), path: `${path}.pointwise` };
  const y = depthwise(b, value, spread, sliding);
  return activate(b, hold(conv(b, y, joined, { strides: ONE, padding: "valid" })), activation);
};

const transposed: LayerRule = (call) => {
  const { output_padding } = call.read(v.object({ output_padding: v.nullish(v.unknown()) }));
  ensure(output_padding === undefined || output_padding === null, () => "output_padding is not supported");
  return convolution(convTranspose)(call);
};

const fullyConnected: LayerRule = (call) => {
  const { activation, use_bias } = call.read(windowed);
  return activate(call.b, dense(call.b, call.x, kernelOf(call, use_bias)), activation);
};

const normSchema = v.object({
  axis: v.optional(v.union([axis, v.tuple([axis])]), -1),
  epsilon: v.optional(v.number(), 1e-3),
  momentum: v.optional(v.number(), 0.99),
  center: flag(true),
  scale: flag(true),
});

const batchNormalization: LayerRule = ({ b, x, path, name, weights, read }) => {
  const { axis, epsilon, momentum, center, scale } = read(normSchema);
  const [given] = [axis].flat();
  const at = given! < 0 ? given! + x.value.shape.length : given!;
  const last = x.value.shape.length - 1;
  ensure(
    at === 1 || (at === last && last === 3),
    () => `it normalizes axis ${given} of [${b.shape(x)}]; that of channels is supported`,
  );
  const isLast = at === 3;
  const stored = {
    gamma: scale ? weights.get(name, "gamma") : undefined,
    beta: center ? weights.get(name, "beta") : undefined,
    mean: weights.get(name, "moving_mean"),
    variance: weights.get(name, "moving_variance"),
  };
  const value = isLast ? b.images(x) : b.plain(x);
  return { value: batchNorm(b, value, path, stored, { epsilon, momentum }), images: isLast };
};

const layerNormalization: LayerRule = ({ b, x, path, name, weights, read }) => {
  const { axis, epsilon, center, scale } = read(normSchema);
  const value = b.plain(x);
  const [given] = [axis].flat();
  ensure(
    given === -1 || given === value.shape.length - 1,
    () => `it normalizes axis ${given}; the last one is supported`,
  );
  ensure(scale, () => "it has no gamma, which is not supported");
  const gamma = b.parameter(`${path}.weight`, weights.get(name, "gamma"));
  const beta = center ? [b.parameter(`${path}.bias`, weights.get(name, "beta"))] : [];
  const attributes = { axis: -1, epsilon: b.float(epsilon) };
  return { value: b.ops.one("LayerNormalization", [value, gamma, ...beta], attributes), images: false };
};

const poolSchema = v.object({ ...window, pool_size: v.optional(pair, 2), strides: v.nullish(pair) });

const pooling =
  (kind: "max" | "average"): LayerRule =>
  (call) => {
    const { pool_size, strides, padding, data_format } = call.read(poolSchema);
    const { value, hold } = images(call, data_format);
    return hold(pool(call.b, value, kind, pool_size, { strides: strides ?? pool_size, padding }));
  };

const globalPooling =
  (kind: "max" | "average"): LayerRule =>
  (call) => {
    const { b, read } = call;
    const { data_format, keepdims } = read(v.object({ data_format: dataFormat, keepdims: flag(false) }));
    const { value, hold } = images(call, data_format);
    const y = globalPool(b, value, kind);
    return keepdims ? hold(y) : { value: b.reshape(y, y.shape.slice(0, 2)), images: false };
  };

const reluSchema = v.object({
  max_value: v.nullish(v.number()),
  negative_slope: v.nullish(v.number(), 0),
  threshold: v.nullish(v.number(), 0),
});

const relu: LayerRule = ({ b, x, read }) => {
  const { max_value, negative_slope, threshold } = read(reluSchema);
  ensure(threshold === 0, () => `a threshold of ${threshold} is not supported`);
  if (negative_slope === 0)
    return { ...x, value: typeof max_value === "number" ? clip(b, x.value, 0, max_value) : b.ops.relu(x.value) };
  const y = b.ops.one("LeakyRelu", [x.value], { alpha: b.float(negative_slope) });
  return { ...x, value: typeof max_value === "number" ? b.ops.one("Min", [y, b.ops.scalar(max_value)]) : y };
};

const leaky =
  (op: "LeakyRelu" | "Elu", otherwise: number): LayerRule =>
  ({ b, x, read }) => {
    const { alpha, negative_slope } = read(
      v.object({ alpha: v.nullish(v.number()), negative_slope: v.nullish(v.number()) }),
    );
    return { ...x, value: b.ops.one(op, [x.value], { alpha: b.float(alpha ?? negative_slope ?? otherwise) }) };
  };

const prelu: LayerRule = ({ b, x, path, name, weights }) => {
  const alpha = weights.get(name, "alpha");
  const slope = b.parameter(`${path}.weight`, alpha, x.images ? { order: [2, 0, 1] } : {});
  return { ...x, value: b.ops.one("PRelu", [x.value, slope]) };
};

const softmax: LayerRule = ({ b, x, read }) => {
  const { axis: at } = read(v.object({ axis: v.optional(axis, -1) }));
  return { ...x, value: b.ops.one("Softmax", [x.value], { axis: b.axis(x, at) }) };
};

/** Outside of training it does nothing; in training it masks numbers. */
const dropout: LayerRule = ({ b, x, read }) => {
  const { rate } = read(v.object({ rate: v.pipe(v.number(), v.minValue(0), v.ltValue(1)) }));
  return { ...x, value: b.ops.one("Dropout", [x.value, b.ops.scalar(rate)]) };
};

const unchanged: LayerRule = ({ x }) => x;

const flatten: LayerRule = ({ b, x }) => {
  const value = b.plain(x);
  const [, ...sizes] = value.shape;
  return {
    value: b.reshape(value, batched(value.shape, [sizes.reduce<number>((a, dim) => a * sized(dim), 1)])),
    images: false,
  };
};

function sized(dim: Dim): number {
  ensure(typeof dim === "number", () => `the size ${dim} has to be known; give it with --input`);
  return dim;
}

const reshape: LayerRule = ({ b, x, read }) => {
  const { target_shape } = read(v.object({ target_shape: v.array(v.nullable(axis)) }));
  const value = b.plain(x);
  const total = value.shape.slice(1).reduce<number>((a, dim) => a * sized(dim), 1);
  const known = target_shape.reduce<number>((a, size) => (size === null || size < 0 ? a : a * size), 1);
  const sizes = target_shape.map((size) => (size === null || size < 0 ? total / known : size));
  ensure(sizes.every(Number.isInteger), () => `[${value.shape}] cannot become [${target_shape}]`);
  return { value: b.reshape(value, batched(value.shape, sizes)), images: false };
};

const permute: LayerRule = ({ b, x, read }) => {
  const { dims } = read(v.object({ dims: v.array(axis) }));
  const order = [0, ...dims];
  const isOrder = order.toSorted((p, q) => p - q).every((at, i) => at === i);
  ensure(
    isOrder && order.length === x.value.shape.length,
    () => `[${dims}] is no order of the axes of [${b.shape(x)}]`,
  );
  return { value: b.ops.transpose(b.plain(x), order), images: false };
};

const zeroPadding: LayerRule = (call) => {
  const { padding, data_format } = call.read(v.object({ padding: v.optional(margins, 1), data_format: dataFormat }));
  const { value, hold } = images(call, data_format);
  return hold(pad(call.b, value, [[0, 0], [0, 0], ...padding]));
};

const cropping: LayerRule = (call) => {
  const { cropping, data_format } = call.read(v.object({ cropping: v.optional(margins, 0), data_format: dataFormat }));
  const { value, hold } = images(call, data_format);
  const parts = cropping.map(([before, after], i) => {
    const size = sized(value.shape[i + 2]!);
    ensure(before + after < size, () => `it cuts ${before} and ${after} of ${size} pixels`);
    return [i + 2, before, size - after] as const;
  });
  return hold(call.b.ops.slice(value, parts));
};

const upsampling: LayerRule = (call) => {
  const schema = v.object({
    size: v.optional(pair, 2),
    data_format: dataFormat,
    interpolation: v.optional(v.picklist(["nearest", "bilinear"]), "nearest"),
  });
  const { size, data_format, interpolation } = call.read(schema);
  const { value, hold } = images(call, data_format);
  const [height, width] = [sized(value.shape[2]!) * size[0], sized(value.shape[3]!) * size[1]];
  return hold(resize(call.b, value, [height, width], { mode: interpolation }));
};

const numbers = v.optional(v.union([v.number(), v.array(v.number())]));

const rescaling: LayerRule = ({ b, x, read }) => {
  const { scale = 1, offset = 0 } = read(v.object({ scale: numbers, offset: numbers }));
  const values = (given: number | number[]) => b.perChannel(x, [given].flat());
  return { ...x, value: b.ops.add(b.ops.mul(x.value, values(scale)), values(offset)) };
};

type Join = (b: Builder, values: readonly Value[]) => Value;

const merge =
  (join: Join): LayerRule =>
  ({ b, inputs }) => {
    ensure(inputs.length > 1, () => `it joins ${inputs.length} inputs; two or more are needed`);
    const rank = Math.max(...inputs.map(({ value }) => value.shape.length));
    const { values, images } = b.aligned(inputs.map((x) => widened(b, x, rank)));
    return { value: join(b, values), images };
  };

/** With axes of size 1 after the batch, as Keras joins tensors of fewer axes. */
function widened(b: Builder, x: Held, rank: number): Held {
  const { shape } = x.value;
  if (shape.length === rank) return x;
  const ones = Array.from({ length: rank - shape.length }, () => 1);
  return { value: b.reshape(b.plain(x), [shape[0]!, ...ones, ...shape.slice(1)]), images: false };
}

const folded =
  (op: string): Join =>
  (b, values) =>
    values.reduce((a, c) => b.ops.one(op, [a, c]));

const concatenate: LayerRule = ({ b, inputs, read }) => {
  const { axis: at } = read(v.object({ axis: v.optional(axis, -1) }));
  const { values, images } = b.aligned(inputs);
  return { value: b.ops.concat(values, b.axis({ value: values[0]!, images }, at)), images };
};

const LAYERS: Readonly<Record<string, LayerRule>> = {
  Conv2D: convolution(conv),
  // Keras 3 calls its kernel in .h5 files like any other
  DepthwiseConv2D: (call) =>
    convolution(depthwise, call.weights.find(call.name, "depthwise_kernel") ? "depthwise_kernel" : "kernel")(call),
  SeparableConv2D: separable,
  Conv2DTranspose: transposed,
  Dense: fullyConnected,
  BatchNormalization: batchNormalization,
  LayerNormalization: layerNormalization,
  MaxPooling2D: pooling("max"),
  AveragePooling2D: pooling("average"),
  GlobalMaxPooling2D: globalPooling("max"),
  GlobalAveragePooling2D: globalPooling("average"),
  Activation: ({ b, x, read }) => activate(b, x, read(v.object({ activation })).activation),
  ReLU: relu,
  LeakyReLU: leaky("LeakyRelu", 0.3),
  ELU: leaky("Elu", 1),
  PReLU: prelu,
  Softmax: softmax,
  Dropout: dropout,
  SpatialDropout2D: unchanged,
  GaussianNoise: unchanged,
  GaussianDropout: unchanged,
  ActivityRegularization: unchanged,
  Flatten: flatten,
  Reshape: reshape,
  Permute: permute,
  ZeroPadding2D: zeroPadding,
  Cropping2D: cropping,
  UpSampling2D: upsampling,
  Rescaling: rescaling,
  Add: merge(folded("Add")),
  Subtract: merge(folded("Sub")),
  Multiply: merge(folded("Mul")),
  Average: merge((b, values) => b.ops.one("Mean", values)),
  Maximum: merge((b, values) => b.ops.one("Max", values)),
  Minimum: merge((b, values) => b.ops.one("Min", values)),
  Concatenate: concatenate,
};

/** Adds a call of a layer to the graph. Throws a TfjsError that names the layer and its class. */
export function applyLayer(
  b: Builder,
  { class_name, config }: LayerConfig,
  inputs: readonly Held[],
  { what, ...rest }: { path: string; what: string; name: string; weights: LayerTensors },
): Held {
  const rule = Object.hasOwn(LAYERS, class_name) ? LAYERS[class_name] : undefined;
  ensure(rule, () => `${what} is not supported; supported are ${Object.keys(LAYERS).join(", ")}`);
  const [x] = inputs;
  ensure(x, () => `${what} is called without inputs`);
  const isLegal = inputs.every(({ value }) => value.shape.length > 1);
  ensure(isLegal, () => `${what} reads a tensor without axes`);
  return rule({ b, x, inputs, read: reader(config, what), ...rest });
}

const shapeSchema = v.pipe(v.array(v.nullable(axis)), v.minLength(2), v.maxLength(5));
const inputSchema = v.object({
  batch_input_shape: v.nullish(shapeSchema),
  batch_shape: v.nullish(shapeSchema),
  dtype: v.nullish(v.unknown()),
});

/** Shape of the input that a layer begins a model with. The batch is open. */
export function inputShapeOf({ config, class_name }: LayerConfig, built?: readonly unknown[] | null) {
  const what = `the config of the first layer (${class_name.slice(0, 60)})`;
  const { batch_input_shape, batch_shape, dtype } = parse(inputSchema, config, what);
  const given = batch_input_shape ?? batch_shape ?? (built && parse(shapeSchema, built, "the shape of the input"));
  ensure(given, () => "the model does not say which shape its input has; give its first layer an inputShape");
  const [, ...sizes] = given;
  const names = sizes.length === 3 ? ["height", "width", "channels"] : sizes.map((_, i) => `size_${i + 1}`);
  const shape: Dim[] = ["N", ...sizes.map((size, i) => (size === null || size < 0 ? names[i]! : size))];
  const type: DType = dtype === "int32" ? "int32" : "float32";
  return { shape, dtype: type };
}

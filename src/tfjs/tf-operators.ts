/** TensorFlow's operators, each by its rules. */
import { type Dim, numel, product, quotient, type Value } from "../graph/index.ts";
import { activate, clip } from "./activations.ts";
import { type Builder, type Held, reshaped } from "./builder.ts";
import { ensure, quote } from "./error.ts";
import {
  batchNorm,
  conv,
  convTranspose,
  dense,
  depthwise,
  globalPool,
  type Padding,
  type Pair,
  pad,
  pool,
  resize,
} from "./layers.ts";
import { shapeOperators } from "./tf-shapes.ts";
import { heldOf, type TfCall, type TfValue } from "./tf-value.ts";

export type TfRule = (call: TfCall) => TfValue | readonly TfValue[];

const held = (value: Value, images: boolean): TfValue => ({ held: { value, images } });

// Windows

function paddingOf(call: TfCall): Padding {
  const name = call.string("padding", "VALID");
  if (name !== "EXPLICIT") {
    ensure(name === "SAME" || name === "VALID", () => `the padding ${quote(name)} is not known`);
    return name === "SAME" ? "same" : "valid";
  }
  const [, , top = 0, bottom = 0, left = 0, right = 0] = call.numbers("explicit_paddings") ?? [];
  return { pads: [top, left, bottom, right] };
}

const isLast = (call: TfCall) => call.string("data_format", "NHWC") === "NHWC";

/** Two numbers of a list that has one for each axis. */
function spatial(call: TfCall, name: string): Pair {
  const all = call.numbers(name) ?? [1, 1, 1, 1];
  const [height, width] = isLast(call) ? all.slice(1, 3) : all.slice(2, 4);
  const isWhole = [height, width].every((size) => size !== undefined && Number.isInteger(size) && size > 0);
  ensure(isWhole && height !== undefined && width !== undefined, () => `its attribute ${name} is [${all}]`);
  return [height, width];
}

/** An input as [N, C, H, W], and how the result lies. */
function images(call: TfCall, i: number) {
  const last = isLast(call);
  const x = call.held(i);
  return { x: last ? call.b.images(x) : call.b.plain(x), hold: (y: Value): Held => ({ value: y, images: last }) };
}

const slidingOf = (call: TfCall) => ({
  strides: spatial(call, "strides"),
  padding: paddingOf(call),
  dilations: spatial(call, "dilations"),
});

/** What a fused operator does after its layer: a bias, batch normalization, and an activation. */
function fused(call: TfCall, layer: (bias: Bias | undefined) => Held): TfValue {
  const steps = call.strings("fused_ops");
  const [first] = steps;
  const hasBias = first === "BiasAdd";
  ensure(
    first === undefined || hasBias,
    () => `it is fused with ${quote(first)}; BiasAdd and an activation are supported`,
  );
  let y = layer(hasBias ? call.weight(2).data : undefined);
  for (const name of steps.slice(1)) {
    if (name === "Prelu") y = prelu(call, y, 3);
    else if (name === "LeakyRelu") y = leaky(call, y, call.number("leakyrelu_alpha", 0.2));
    else y = activate(call.b, y, name);
  }
  return { held: y };
}

type Bias = Parameters<typeof dense>[2]["bias"];

const leaky = ({ b }: TfCall, x: Held, alpha: number): Held => ({
  ...x,
  value: b.ops.one("LeakyRelu", [x.value], { alpha: b.float(alpha) }),
});

function prelu(call: TfCall, x: Held, i: number): Held {
  const { data, name } = call.weight(i);
  const isEach = x.images && data.shape.length > 0;
  const image = isEach ? { whole: reshaped(data, [1, 1, ...data.shape].slice(-3)), order: [2, 0, 1] } : {};
  const slope = call.b.parameter(`${call.pathOf(name)}.weight`, data, image);
  return { ...x, value: call.b.ops.one("PRelu", [x.value, slope]) };
}

const convolution =
  (layer: typeof conv): TfRule =>
  (call) => {
    const { x, hold } = images(call, 0);
    const { data: kernel, name } = call.weight(1);
    const sliding = slidingOf(call);
    return fused(call, (bias) => hold(layer(call.b, x, { path: call.pathOf(name), kernel, bias }, sliding)));
  };

/** Inputs: the shape of the output, the kernel [kH, kW, O, C], and x. */
const backpropInput: TfRule = (call) => {
  const { x, hold } = images(call, 2);
  const { data: kernel, name } = call.weight(1);
  const value = convTranspose(call.b, x, { path: call.pathOf(name), kernel }, slidingOf(call));
  const wanted = call
    .sizes(0)
    .slice(isLast(call) ? 1 : 2)
    .slice(0, 2);
  const [, , height, width] = value.shape;
  ensure(
    wanted[0] === height && wanted[1] === width,
    () => `its output is ${height}×${width}, not ${wanted.join("×")}`,
  );
  return { held: hold(value) };
};

const matmul: TfRule = (call) => {
  const { b } = call;
  ensure(!call.boolean("transpose_a"), () => "transpose_a is not supported");
  const second = call.input(1);
  const isTurned = call.boolean("transpose_b");
  if (!("data" in second)) {
    const w = b.plain(call.held(1));
    return fused(call, (bias) => {
      ensure(bias === undefined, () => "a product of two computed matrices with a bias is not supported");
      const turned = isTurned
        ? b.transpose(
            w,
            w.shape
              .map((_, i) => i)
              .with(-1, w.shape.length - 2)
              .with(-2, w.shape.length - 1),
          )
        : w;
      return { value: b.ops.matmul(b.plain(call.held(0)), turned), images: false };
    });
  }
  const { data: kernel, name } = second;
  const x: Held = { value: b.plain(call.held(0)), images: false };
  return fused(call, (bias) => dense(b, x, { path: call.pathOf(name), kernel, bias, isTurned }));
};

const norm: TfRule = (call) => {
  ensure(
    !call.boolean("is_training"),
    () => "it computes the statistics of the batch; convert the model for inference",
  );
  const { x, hold } = images(call, 0);
  const [gamma, beta, mean, variance] = [1, 2, 3, 4].map((i) => call.weight(i));
  const stored = { gamma: gamma!.data, beta: beta!.data, mean: mean!.data, variance: variance!.data };
  const numbers = { epsilon: call.number("epsilon", 1e-4), momentum: 0.9 };
  return { held: hold(batchNorm(call.b, x, call.pathOf(gamma!.name), stored, numbers)) };
};

/** A weight that is added to each channel. It becomes the bias of the layer before it, where there is one without. */
const biasAdd: TfRule = (call) => {
  const { b } = call;
  const second = call.input(1);
  const x = call.held(0);
  const layer = b.graph.producer(x.value);
  const isLayer = layer && ["Conv", "ConvTranspose", "Gemm"].includes(layer.op) && layer.inputs.length === 2;
  const isChannels = "data" in second && second.data.shape.length === 1;
  if (!isLayer || !isChannels || (x.value.shape.length === 4 && !x.images)) return binary("Add")(call);
  const { name } = layer.inputs[1]!;
  const bias = b.parameter(name.replace(/weight(_\d+)?$/, "bias$1"), second.data);
  return held(b.ops.one(layer.op, [...layer.inputs, bias], layer.attributes), x.images);
};

const pooling =
  (kind: "max" | "average"): TfRule =>
  (call) => {
    const { x, hold } = images(call, 0);
    const sliding = { strides: spatial(call, "strides"), padding: paddingOf(call) };
    return { held: hold(pool(call.b, x, kind, spatial(call, "ksize"), sliding)) };
  };

// Element by element

const unary =
  (apply: (b: Builder, x: Value, call: TfCall) => Value): TfRule =>
  (call) => {
    const x = call.held(0);
    return { held: { ...x, value: apply(call.b, x.value, call) } };
  };
const one = (op: string) => unary((b, x) => b.ops.one(op, [x]));
const activation =
  (name: string): TfRule =>
  (call) => ({ held: activate(call.b, call.held(0), name) });

/** Constants of more than one number are weights where TensorFlow multiplies by them or adds them after a layer. */
function operands(call: TfCall, op: string): readonly Held[] {
  const learned = call.inputs.some((x) => "held" in x) && call.b.weights.size > 0;
  return call.inputs.map((x) => {
    const isWeight = "data" in x && x.data.dtype === "float32" && numel(x.data.shape) > 1 && learned;
    if (!isWeight || (op !== "Add" && op !== "Mul")) return heldOf(call.b, x);
    const path = `${call.pathOf(x.name)}.${op === "Add" ? "bias" : "weight"}`;
    const images = call.inputs.some((other) => "held" in other && other.held.images) && x.data.shape.length <= 4;
    const wide = () => ({ whole: reshaped(x.data, [1, 1, 1, ...x.data.shape].slice(-4)), order: [0, 3, 1, 2] });
    return { value: call.b.parameter(path, x.data, images ? wide() : {}), images };
  });
}

const joined =
  (op: string, join: (b: Builder, values: readonly Value[]) => Value): TfRule =>
  (call) => {
    const { values, images } = call.b.aligned(operands(call, op));
    return held(join(call.b, values), images);
  };
const binary = (op: string) => joined(op, (b, values) => values.reduce((a, c) => b.ops.one(op, [a, c])));

/** Sums and products of sizes are known before the graph runs. */
const sized =
  (op: string, known: (a: Dim, b: Dim) => Dim | undefined, otherwise: TfRule): TfRule =>
  (call) => {
    const [a, c] = call.inputs;
    if (!a || !c || !("sizes" in a || "sizes" in c) || "held" in a || "held" in c) return otherwise(call);
    const [x, y] = [call.sizes(0), call.sizes(1)];
    const length = Math.max(x.length, y.length);
    const sizes = Array.from({ length }, (_, i) =>
      known(x[x.length === 1 ? 0 : i] ?? 1, y[y.length === 1 ? 0 : i] ?? 1),
    );
    ensure(
      sizes.every((size) => size !== undefined),
      () => `${op} of the sizes [${x}] and [${y}] is not known`,
    );
    return { sizes: sizes as Dim[], isScalar: length === 1 && [a, c].every((v) => !("sizes" in v) || v.isScalar) };
  };

const numbersOnly = (compute: (a: number, b: number) => number) => (a: Dim, b: Dim) =>
  typeof a === "number" && typeof b === "number" ? compute(a, b) : undefined;

// Over axes

function axesOf(call: TfCall, rank: number): readonly number[] {
  return call.ints(1).map((axis) => (axis < 0 ? axis + rank : axis));
}

const reduction =
  (op: "ReduceMean" | "ReduceSum" | "ReduceMax" | "ReduceMin" | "ReduceProd"): TfRule =>
  (call) => {
    const given = call.input(0);
    if ("sizes" in given && op === "ReduceProd") return { sizes: [product(given.sizes)], isScalar: true };
    const { b } = call;
    const x = call.held(0);
    const axes = axesOf(call, x.value.shape.length);
    const keep = call.boolean("keep_dims");
    const isGlobal = x.images && axes.toSorted().join() === "1,2" && (op === "ReduceMean" || op === "ReduceMax");
    if (isGlobal) {
      const y = globalPool(b, x.value, op === "ReduceMean" ? "average" : "max");
      return keep ? held(y, true) : held(b.reshape(y, y.shape.slice(0, 2)), false);
    }
    const from = keep ? x : { value: b.plain(x), images: false };
    const own = axes.map((axis) => b.axis(from, axis)).toSorted((p, q) => p - q);
    const value =
      op === "ReduceSum"
        ? b.ops.reduceSum(from.value, own, keep)
        : b.ops.one(op, [from.value], { axes: own, keepdims: keep ? 1 : 0 });
    return held(value, from.images);
  };

const padding =
  (mode: "constant" | "mirror"): TfRule =>
  (call) => {
    const x = call.held(0);
    const flat = call.ints(1);
    const logical = Array.from({ length: flat.length / 2 }, (_, i): Pair => [flat[2 * i]!, flat[2 * i + 1]!]);
    const rank = x.value.shape.length;
    ensure(logical.length === rank, () => `it pads ${logical.length} axes of [${call.b.shape(x)}]`);
    const pads = x.images ? [logical[0]!, logical[3]!, logical[1]!, logical[2]!] : logical;
    if (mode === "constant") {
      const value = call.inputs.length > 2 ? Number(call.sizes(2)[0]) : 0;
      return held(pad(call.b, x.value, pads, value), x.images);
    }
    ensure(call.string("mode", "REFLECT") === "REFLECT", () => "only REFLECT is supported");
    const starts = call.b.ops.ints([...pads.map(([before]) => before), ...pads.map(([, after]) => after)]);
    return held(call.b.ops.one("Pad", [x.value, starts], { mode: "reflect" }), x.images);
  };

const resizing =
  (mode: "nearest" | "bilinear"): TfRule =>
  (call) => {
    const { b } = call;
    const [height, width] = call.ints(1);
    ensure(
      height !== undefined && width !== undefined && height > 0 && width > 0,
      () => `its size is [${call.ints(1)}]`,
    );
    const rule = { mode, alignCorners: call.boolean("align_corners"), halfPixel: call.boolean("half_pixel_centers") };
    return held(resize(b, b.images(call.held(0)), [height, width], rule), true);
  };

const softmax =
  (op: string): TfRule =>
  (call) => {
    const x = call.held(0);
    return { held: { ...x, value: call.b.ops.one(op, [x.value], { axis: call.b.axis(x, -1) }) } };
  };

const blocks =
  (op: "DepthToSpace" | "SpaceToDepth"): TfRule =>
  (call) => {
    const { x, hold } = images(call, 0);
    return { held: hold(call.b.ops.one(op, [x], { blocksize: call.number("block_size", 2) })) };
  };

/** The operators by TensorFlow's names. */
export const TF_OPERATORS: Readonly<Record<string, TfRule>> = {
  Conv2D: convolution(conv),
  _FusedConv2D: convolution(conv),
  DepthwiseConv2dNative: convolution(depthwise),
  FusedDepthwiseConv2dNative: convolution(depthwise),
  Conv2DBackpropInput: backpropInput,
  MatMul: matmul,
  _FusedMatMul: matmul,
  BatchMatMulV2: matmul,
  FusedBatchNorm: norm,
  FusedBatchNormV2: norm,
  FusedBatchNormV3: norm,
  BiasAdd: biasAdd,
  MaxPool: pooling("max"),
  AvgPool: pooling("average"),
  Relu: activation("relu"),
  Relu6: activation("relu6"),
  Elu: activation("elu"),
  Selu: activation("selu"),
  Sigmoid: activation("sigmoid"),
  Tanh: activation("tanh"),
  Softplus: activation("softplus"),
  Softsign: activation("softsign"),
  LeakyRelu: (call) => ({ held: leaky(call, call.held(0), call.number("alpha", 0.2)) }),
  Prelu: (call) => ({ held: prelu(call, call.held(0), 1) }),
  Softmax: softmax("Softmax"),
  LogSoftmax: softmax("LogSoftmax"),
  Abs: one("Abs"),
  Neg: one("Neg"),
  Exp: one("Exp"),
  Log: one("Log"),
  Sqrt: one("Sqrt"),
  Erf: one("Erf"),
  Floor: one("Floor"),
  Reciprocal: one("Reciprocal"),
  Square: unary((b, x) => b.ops.mul(x, x)),
  Rsqrt: unary((b, x) => b.ops.one("Reciprocal", [b.ops.sqrt(x)])),
  ClipByValue: unary((b, x, call) => clip(b, x, Number(call.sizes(1)[0]), Number(call.sizes(2)[0]))),
  Add: sized(
    "Add",
    numbersOnly((a, b) => a + b),
    biasAdd,
  ),
  AddV2: sized(
    "AddV2",
    numbersOnly((a, b) => a + b),
    biasAdd,
  ),
  AddN: joined("AddN", (b, values) => b.ops.sum(values)),
  Sub: sized(
    "Sub",
    numbersOnly((a, b) => a - b),
    binary("Sub"),
  ),
  Mul: sized("Mul", (a, b) => product([a, b]), binary("Mul")),
  RealDiv: binary("Div"),
  Div: binary("Div"),
  FloorDiv: sized("FloorDiv", quotient, binary("Div")),
  Maximum: binary("Max"),
  Minimum: binary("Min"),
  Pow: binary("Pow"),
  SquaredDifference: joined("SquaredDifference", (b, [a, c]) => {
    const d = b.ops.sub(a!, c!);
    return b.ops.mul(d, d);
  }),
  Mean: reduction("ReduceMean"),
  Sum: reduction("ReduceSum"),
  Max: reduction("ReduceMax"),
  Min: reduction("ReduceMin"),
  Prod: reduction("ReduceProd"),
  Pad: padding("constant"),
  PadV2: padding("constant"),
  MirrorPad: padding("mirror"),
  ResizeBilinear: resizing("bilinear"),
  ResizeNearestNeighbor: resizing("nearest"),
  DepthToSpace: blocks("DepthToSpace"),
  SpaceToDepth: blocks("SpaceToDepth"),
  ...shapeOperators,
};

import { type Attributes, attribute, type Dim, isStatic, type Node, type Shape, type Value } from "../graph/index.ts";
import { eachChannel, nchwc } from "./blocked.ts";
import { steepness } from "./elementwise.ts";
import type { Ops } from "./ops.ts";

/*
 * Convolutions in ONNX Runtime's blocked layout as fused arithmetic on images that are not in that layout: the pixels of a channel stand
 * for those of as many channels as a block has, all with the same weight. They run on all threads, in one pass over memory.
 */

/** An activation with its parameters, as such convolutions have it. */
export type Activation = readonly [name: "Relu" | "Clip" | "LeakyRelu", ...parameters: number[]];

const activated = ([activation, ...parameters]: Activation): Attributes => ({
  activation,
  ...(parameters.length > 0 && { activation_params: Float32Array.from(parameters) }),
});

/** Images as such a convolution sees them: [N, C, H, W] → [N, C·block, 1, H·W/block] */
function flatShape({ shape, dtype }: Value, block: number): Shape | undefined {
  const [N, C, H, W] = shape as readonly [Dim, number, number, number];
  if (shape.length !== 4 || dtype !== "float32" || !isStatic(shape.slice(1)) || (H * W) % block !== 0) return undefined;
  return [N, C * block, 1, (H * W) / block];
}

/**
 * scale · x + bias for each channel: x [N, C, H, W], scale and bias [C] → [N, C, H, W]. Undefined where pixels do not divide into
 * blocks.
 */
export function scaledChannels(g: Ops, x: Value, scale: Value, bias: Value, block?: number): Value | undefined {
  const flat = block && flatShape(x, block);
  if (!flat) return undefined;
  const count = flat[1] as number;
  const spread = (v: Value, shape: readonly number[]) => {
    const data = Int32Array.from({ length: count }, (_, i) => Math.floor(i / block));
    return g.one("Gather", [v, g.constant({ dtype: "int32", shape, data })]);
  };
  const inputs = [g.reshape(x, flat), spread(scale, [count, 1, 1, 1]), spread(bias, [count])];
  return g.reshape(nchwc(g, "Conv", inputs, { kernel_shape: [1, 1], group: count }, flat), x.shape);
}

/** The convolution of `scaledChannels` that gives this value, if it has neither activation nor sum yet. */
function scaling(g: Ops, value: Value | undefined): Node | undefined {
  const view = value && g.graph.producer(value);
  const conv = view?.op === "Reshape" ? g.graph.producer(view.inputs[0]!) : undefined;
  const isPlain = conv?.op === "Conv" && conv.domain !== "" && conv.inputs.length === 3 && !conv.attributes.activation;
  return isPlain && conv.inputs[1]!.shape.slice(1).every((size) => size === 1) ? conv : undefined;
}

/** activation(scaledChannels(…)) as one operator; undefined if x is something else. */
export function activatedScaling(g: Ops, x: Value, activation: Activation): Value | undefined {
  const conv = scaling(g, x);
  if (!conv) return undefined;
  const attributes = { ...conv.attributes, ...activated(activation) };
  return g.reshape(nchwc(g, "Conv", conv.inputs, attributes, conv.outputs[0]!.shape), x.shape);
}

/** scaledChannels(…) + y as one operator; undefined if x is something else. Without a copy if nothing reads y afterwards. */
export function addedToScaling(g: Ops, x: Value, y: Value): Value | undefined {
  const conv = scaling(g, x);
  if (!conv) return undefined;
  const { shape } = conv.outputs[0]!;
  return g.reshape(nchwc(g, "Conv", [...conv.inputs, g.reshape(y, shape)], conv.attributes, shape), x.shape);
}

/** The float32 before a positive one. */
function before(number: number): number {
  const bits = new Int32Array(Float32Array.of(number).buffer);
  bits[0]!--;
  return new Float32Array(bits.buffer)[0]!;
}

/**
 * The product of two steps, 1 where y > min and 1 where y < max: the gradient of Clip. In two passes, of which the second writes over the
 * result of the first, instead of three. Undefined for other products.
 */
export function insideLimits(g: Ops, a: Value, b: Value, block: number): Value | undefined {
  const [above, below] = [stepOf(g, a), stepOf(g, b)];
  const flat = above && flatShape(above.y, block);
  if (!flat || !below || above.y !== below.y || above.slope < 0 || below.slope > 0) return undefined;
  const { y, limit: min } = above;
  const max = below.limit;
  // added to −y: 0 where y < max, and at least twice what lies between the limits where y is max
  const lift = 2 ** Math.ceil(Math.log2(max - min) + 1);
  const steep = lift / (max - before(max));
  if (!(min < max && max > 0 && Number.isFinite(Math.fround(steep * max)))) return undefined;
  const count = flat[1] as number;
  const filled = (number: number, shape: readonly number[]) =>
    g.constant({ dtype: "float32", shape, data: new Float32Array(count).fill(number) });
  const images = g.reshape(y, flat);
  const scaling = [images, filled(steep, [count, 1, 1, 1]), filled(lift - steep * max, [count])];
  const attributes = { kernel_shape: [1, 1], group: count, ...activated(["Relu"]) };
  const sum = nchwc(g, "Conv", scaling, attributes, flat);
  // −y > −min only where y ≤ min, or where something was added
  const activation = ["HardSigmoid", -above.slope, -min * above.slope] as const;
  const options = { along: 1, block, size: flat[3] as number, sum, activation } as const;
  return g.reshape(eachChannel(g, images, [-1], options), y.shape);
}

/** A HardSigmoid as steep as a step at a limit. */
function stepOf(g: Ops, value: Value): { y: Value; limit: number; slope: number } | undefined {
  const node = g.graph.producer(value);
  if (node?.op !== "HardSigmoid") return undefined;
  const slope = attribute.float(node, "alpha", 0.2);
  const limit = -attribute.float(node, "beta", 0.5) / slope;
  return Math.abs(slope) === steepness(limit) ? { y: node.inputs[0]!, limit, slope } : undefined;
}

/** Numbers in a row from which a product of two rows is faster than a pass that multiplies and one that adds. */
const LONG_ROW = 512;

/** Products of rows, two of [M, 1, K] → [M, 1, 1]. Undefined to keep the matrix product. */
export function productsOfRows(g: Ops, a: Value, b: Value, block?: number): Value | undefined {
  const [M, , K] = a.shape as readonly [Dim, number, number];
  if (block && typeof M === "number" && K % block === 0) {
    const count = M * block;
    const rows = g.reshape(a, [1, count, 1, K / block]);
    const kernels = g.reshape(b, [count, 1, 1, K / block]);
    const attributes = { kernel_shape: [1, K / block], group: count };
    const sums = nchwc(g, "Conv", [rows, kernels], attributes, [1, count, 1, 1]);
    return g.reshape(g.reduceSum(g.reshape(sums, [M, block]), [1], false), [M, 1, 1]);
  }
  return K < LONG_ROW ? g.reduceSum(g.mul(a, b), [2]) : undefined;
}

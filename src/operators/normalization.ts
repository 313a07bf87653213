import {
  attribute,
  broadcast,
  check,
  Float,
  formatShape,
  type Node,
  sameShape,
  type TensorType,
  type Value,
} from "../graph/index.ts";
import { sumPerChannel } from "./convolution.ts";
import { unbroadcast } from "./elementwise.ts";
import { axisOf, input, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";

const isTraining = (node: Pick<Node, "op" | "attributes">) => attribute.int(node, "training_mode", 0) === 1;

/** [C] → [1, C, 1, 1], to broadcast over images. */
export function perChannel(g: Ops, v: Value): Value {
  return v.shape.length === 4 ? v : g.reshape(v, [1, v.shape[0]!, 1, 1]);
}

/** scale · x + bias per channel as one operator: BatchNormalization with mean 0 and variance 1. */
function affine(g: Ops, x: Value, scale: Value, bias: Value): Value {
  const zero = g.expand(g.scalar(0), scale);
  const one = g.expand(g.scalar(1), scale);
  return g.one("BatchNormalization", [x, scale, bias, zero, one], { epsilon: new Float(0) });
}

/**
 * Mean and variance of each channel over the batch and all pixels: x [N, C, H, W] → two of [C], and x minus the mean. The
 * variance is that of the population (divided by the count). Two passes, since Σx² − (Σx)² cancels in float32.
 */
export function batchStatistics(g: Ops, x: Value): { mean: Value; variance: Value; centered: Value } {
  const count = g.count(x, [0, 2, 3]);
  const mean = g.div(sumPerChannel(g, x), count);
  const centered = g.sub(x, perChannel(g, mean));
  const squares = g.one("ReduceSumSquare", [centered], { axes: [2, 3], keepdims: 0 });
  const variance = g.div(g.reduceSum(squares, [0], false), count);
  return { mean, variance, centered };
}

/**
 * Gradients of batch normalization with the statistics of the batch, x̂ being the normalised input and n the count:
 *
 *     dscale = Σ dy·x̂,  dbias = Σ dy,  dx = scale/σ · (dy − dbias/n − x̂ · dscale/n)
 */
function trainingGradient(g: Ops, node: Node, dy: Value, needs: (i: number) => boolean) {
  const [x, scale] = [input(node, 0), input(node, 1)];
  const { variance, centered } = batchStatistics(g, x);
  const inverse = inverseDeviation(g, node, variance);
  const dbias = sumPerChannel(g, dy);
  const dscale = g.mul(sumPerChannel(g, g.mul(dy, centered)), inverse);
  if (!needs(0)) return [undefined, dscale, dbias];
  const count = g.count(x, [0, 2, 3]);
  const gain = g.mul(scale, inverse);
  // dx = gain·dy + (a·centered + b), with per-channel a and b
  const a = g.neg(g.div(g.mul(g.mul(gain, inverse), dscale), count));
  const b = g.neg(g.div(g.mul(gain, dbias), count));
  const dx = g.add(g.mul(dy, perChannel(g, gain)), affine(g, centered, a, b));
  return [dx, dscale, dbias];
}

function inverseDeviation(g: Ops, node: Node, variance: Value): Value {
  const epsilon = attribute.float(node, "epsilon", 1e-5);
  return g.one("Reciprocal", [g.sqrt(g.add(variance, g.scalar(epsilon)))]);
}

/**
 * BatchNormalization with `training_mode`, which inference engines lack, in operators that they have: the statistics by
 * reductions, then the inference form on the centered input.
 */
export function lowerBatchNormalization(g: Ops, node: Node, inputs: Node["inputs"]): readonly Value[] {
  const [x, scale, bias, givenMean, givenVariance] = inputs as [Value, Value, Value, Value, Value];
  const { mean, variance, centered } = batchStatistics(g, x);
  const zero = g.expand(g.scalar(0), mean);
  const epsilon = new Float(attribute.float(node, "epsilon", 1e-5));
  const y = g.one("BatchNormalization", [centered, scale, bias, zero, variance], { epsilon });
  const momentum = attribute.float(node, "momentum", 0.9);
  const blend = (given: Value, batch: Value) =>
    momentum === 0 ? batch : g.add(g.scale(given, momentum), g.scale(batch, 1 - momentum));
  return [y, blend(givenMean, mean), blend(givenVariance, variance)];
}

/** Σ over the window of channels of LRN: x [N, C, H, W] → [N, C, H, W]; `before` and `after` count channels. */
function channelWindowSum(g: Ops, x: Value, before: number, after: number): Value {
  const [N, C, H, W] = x.shape as readonly [number | string, number, number, number];
  const size = before + after + 1;
  const stacked = g.reshape(x, [N, 1, C, H * W]);
  const mean = g.one("AveragePool", [stacked], {
    kernel_shape: [size, 1],
    pads: [before, 0, after, 0],
    count_include_pad: 1,
  });
  return g.reshape(g.scale(mean, size), [N, C, H, W]);
}

/**
 * Gradients of y = scale · x̂ + bias with x̂ = (x − mean) / σ, mean and variance being those of x itself over some axes:
 *
 *     dx = 1/σ · (d − mean d − x̂ · mean(d·x̂)),  d = dy·scale,  dscale = Σ dy·x̂,  dbias = Σ dy
 */
function ownStatisticsGradient(g: Ops, node: Node, dy: Value, axes: readonly number[], spread: (v: Value) => Value) {
  const [x, scale, bias] = [input(node, 0), input(node, 1), node.inputs[2]];
  const centered = g.sub(x, g.reduceMean(x, axes));
  const inverse = inverseDeviation(g, node, g.reduceMean(g.mul(centered, centered), axes));
  const normalized = g.mul(centered, inverse);
  const d = g.mul(dy, spread(scale));
  const along = g.mul(normalized, g.reduceMean(g.mul(d, normalized), axes));
  const dx = g.mul(inverse, g.sub(g.sub(d, g.reduceMean(d, axes)), along));
  const sum = (of: Value, like: Value) => g.reshape(unbroadcast(g, of, spread(like)), like.shape);
  return [dx, sum(g.mul(dy, normalized), scale), bias && sum(dy, bias)];
}

/** Axes that LayerNormalization normalizes over: from `axis` to the last. */
function layerAxes(node: Pick<Node, "op" | "inputs" | "attributes">): readonly number[] {
  const rank = input(node, 0).shape.length;
  const first = axisOf(node.op, attribute.int(node, "axis", -1), rank);
  return Array.from({ length: rank - first }, (_, i) => first + i);
}

/** s of LRN: bias + alpha/size · Σ over the window of channels x² */
export function localEnergy(g: Ops, node: Node, x: Value): Value {
  const size = attribute.int(node, "size");
  const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
  const squares = channelWindowSum(g, g.mul(x, x), before, after);
  const scaled = g.scale(squares, attribute.float(node, "alpha", 0.0001) / size);
  return g.add(scaled, g.scalar(attribute.float(node, "bias", 1)));
}

/** Normalizations. */
export const normalization = {
  /**
   * y = scale · (x − mean) / √(var + epsilon) + bias, per channel.
   *
   *     x [N, C, H, W], scale, bias, mean, var [C] → y [N, C, H, W]
   *
   * With `training_mode` 1 the statistics are those of the batch, and two more outputs [C] are
   * `momentum · given + (1 − momentum) · batch`, the variance being that of the population.
   */
  BatchNormalization: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const scale = input(node, 1);
      check(
        scale.shape.length === 1 && scale.shape[0] === shape[1],
        () =>
          `BatchNormalization: the input has ${shape[1]} channels, the scale has the shape [${scale.shape.join(", ")}]`,
      );
      const y: TensorType = { dtype, shape };
      const statistic: TensorType = { dtype: scale.dtype, shape: scale.shape };
      return isTraining(node) ? [y, statistic, statistic] : [y];
    },
    gradient(g, { node, dy, needs }) {
      if (isTraining(node)) {
        check(dy[0] && !dy[1] && !dy[2], () => "BatchNormalization: its running statistics carry no gradient");
        return trainingGradient(g, node, dy[0], needs);
      }
      const [x, scale, , mean, variance] = [0, 1, 2, 3, 4].map((i) => input(node, i)) as [
        Value,
        Value,
        Value,
        Value,
        Value,
      ];
      const inverse = inverseDeviation(g, node, variance);
      const gain = g.mul(scale, inverse);
      const dbias = sumPerChannel(g, dy[0]!);
      const centered = () => g.sub(x, perChannel(g, mean));
      const dscale = needs(1) || needs(4) ? g.mul(sumPerChannel(g, g.mul(dy[0]!, centered())), inverse) : undefined;
      return [
        needs(0) ? g.mul(dy[0]!, perChannel(g, gain)) : undefined,
        dscale,
        dbias,
        needs(3) ? g.neg(g.mul(gain, dbias)) : undefined,
        needs(4) ? g.scale(g.mul(g.mul(dscale!, gain), inverse), -0.5) : undefined,
      ];
    },
  },
  /**
   * Local response normalization across channels (Krizhevsky et al. 2012, 3.3).
   *
   *     y = x · s^−beta,  s = bias + alpha/size · Σ over the window of channels x²
   *     dx = dy·s^−beta − 2·alpha·beta/size · x · Σ over the mirrored window dy·x·s^(−beta−1)
   */
  LRN: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      return [{ dtype, shape }];
    },
    gradient(g, { node, dy }) {
      const x = input(node, 0);
      const size = attribute.int(node, "size");
      const alpha = attribute.float(node, "alpha", 0.0001);
      const beta = attribute.float(node, "beta", 0.75);
      const [before, after] = [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)];
      const s = localEnergy(g, node, x);
      const direct = g.mul(dy[0]!, g.pow(s, -beta));
      const spread = channelWindowSum(g, g.mul(g.mul(dy[0]!, x), g.pow(s, -beta - 1)), after, before);
      return [g.sub(direct, g.scale(g.mul(x, spread), (2 * alpha * beta) / size))];
    },
  },
  /** Each channel of each image by its own statistics: x [N, C, …], scale, bias [C] → y [N, C, …] */
  InstanceNormalization: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const scale = input(node, 1);
      check(
        scale.shape.length === 1 && scale.shape[0] === shape[1],
        () =>
          `InstanceNormalization: the input has ${shape[1]} channels, the scale has the shape [${scale.shape.join(", ")}]`,
      );
      return [{ dtype, shape }];
    },
    gradient(g, { node, dy }) {
      const { shape } = input(node, 0);
      const axes = shape.map((_, axis) => axis).slice(2);
      return ownStatisticsGradient(g, node, dy[0]!, axes, (v) => g.reshape(v, [1, v.shape[0]!, ...axes.map(() => 1)]));
    },
  },
  /**
   * Each element of the leading axes by its own statistics over the others, from `axis` on (Ba et al. 2016). Two more outputs
   * are the mean and 1 / σ.
   */
  LayerNormalization: {
    infer(node) {
      const { dtype, shape } = input(node, 0);
      const axes = layerAxes(node);
      const wide = broadcast(shape, input(node, 1).shape);
      check(
        wide && sameShape(wide, shape),
        () => `LayerNormalization: the scale ${formatShape(input(node, 1).shape)} does not fit ${formatShape(shape)}`,
      );
      const statistic: TensorType = { dtype, shape: shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) };
      return [{ dtype, shape }, statistic, statistic];
    },
    gradient(g, { node, dy }) {
      check(dy[0] && !dy[1] && !dy[2], () => "LayerNormalization: its statistics carry no gradient");
      return ownStatisticsGradient(g, node, dy[0], layerAxes(node), (v) => v);
    },
  },
} as const satisfies Record<string, Operator>;

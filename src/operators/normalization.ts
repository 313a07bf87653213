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
import { unbroadcast } from "./elementwise.ts";
import { centeredExpansion, dotWithExpansion } from "./expansion.ts";
import { scaledChannels } from "./flat.ts";
import {
  type Application,
  type Backward,
  type GradientRules,
  type Gradients,
  type Operator,
  sameAsInput,
} from "./operator.ts";
import type { Ops } from "./ops.ts";
import { centeredChannels, dotPerChannel, perChannel, squaresPerChannel, sumPerChannel } from "./per-channel.ts";

type Attributed = Pick<Node, "op" | "attributes">;

const isTraining = (node: Attributed) => attribute.int(node, "training_mode", 0) === 1;

/** x minus the mean per channel, with that mean, [C], and the variance, [C]. */
interface BatchStatistics {
  readonly mean: Value;
  readonly variance: Value;
  readonly centered: Value;
}

/**
 * Mean and variance of each channel over the batch and all pixels: x [N, C, H, W] → two of [C], and x minus the mean. The
 * variance is that of the population (divided by the count). Two passes, since Σx² − (Σx)² cancels in float32.
 */
function batchStatistics(
  g: Ops,
  x: Value,
  { mean, centered } = centeredChannels(g, x),
  block?: number,
): BatchStatistics {
  const variance = g.div(squaresPerChannel(g, centered, block), g.count(x, [0, 2, 3]));
  return { mean, variance, centered };
}

function inverseDeviation(g: Ops, node: Attributed, variance: Value): Value {
  const epsilon = attribute.float(node, "epsilon", 1e-5);
  return g.one("Reciprocal", [g.sqrt(g.add(variance, g.scalar(epsilon)))]);
}

/**
 * BatchNormalization with `training_mode`, which inference engines lack, in operators that they have: the statistics by
 * reductions, then the inference form on the centered input.
 */
export function lowerBatchNormalization(g: Ops, node: Node, inputs: Node["inputs"], block?: number): readonly Value[] {
  const [x, scale, bias, givenMean, givenVariance] = inputs as [Value, Value, Value, Value, Value];
  const { mean, variance, centered } = batchStatistics(g, x, centeredExpansion(g, x), block);
  const normalized = () => {
    const epsilon = new Float(attribute.float(node, "epsilon", 1e-5));
    return g.one("BatchNormalization", [centered, scale, bias, g.expand(g.scalar(0), mean), variance], { epsilon });
  };
  const gain = g.mul(scale, inverseDeviation(g, node, variance));
  const y = scaledChannels(g, centered, gain, bias, block) ?? normalized();
  const momentum = attribute.float(node, "momentum", 0.9);
  const blend = (given: Value, batch: Value) =>
    momentum === 0 ? batch : g.add(g.scale(given, momentum), g.scale(batch, 1 - momentum));
  return [y, blend(givenMean, mean), blend(givenVariance, variance)];
}

/** Statistics of a batch that several shards make up, as one shard has them. */
export interface SharedStatistics {
  /** x minus the mean of this shard, [N, C, H, W]. */
  readonly centered: Value;
  /** Mean of this shard, [C]. */
  readonly own: Value;
  /** Mean of the whole batch minus that of this shard, [C]. */
  readonly offset: Value;
  /** Mean and variance of the whole batch, [C]. */
  readonly mean: Value;
  readonly variance: Value;
  /** Values per channel in the whole batch. */
  readonly count: Value;
}

/** Gives the vectors of all shards, in their order, for that of one: [K] → [shards, K]. */
export type Exchange = (g: Ops, own: Value) => Value;

/** Statistics over all shards, from those of each (Chan et al. 1979): no sums of squares, which would cancel. */
export function sharedStatistics(g: Ops, x: Value, exchange: Exchange): SharedStatistics {
  const C = x.shape[1] as number;
  const own = batchStatistics(g, x);
  const size = g.reshape(g.count(x, [0, 2, 3]), [1]);
  const all = exchange(g, g.concat([size, own.mean, own.variance], 0));
  const [sizes, means, variances] = g.split(all, [1, C, C], 1) as [Value, Value, Value];
  const count = g.reduceSum(sizes, [0, 1], false);
  const mean = g.div(g.reduceSum(g.mul(sizes, means), 0, false), count);
  const apart = g.sub(means, mean);
  const squares = g.mul(sizes, g.add(variances, g.mul(apart, apart)));
  const variance = g.div(g.reduceSum(squares, 0, false), count);
  return { centered: own.centered, own: own.mean, offset: g.sub(mean, own.mean), mean, variance, count };
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

/** Axes that LayerNormalization normalizes over: from `axis` to the last. */
function layerAxes(node: Application): readonly number[] {
  const first = node.axis(-1);
  return [...node.x.shape.keys()].slice(first);
}

/** Throws where a scale does not have one number per channel. */
function checkScale({ op, x, w: scale }: Application): void {
  check(
    scale.shape.length === 1 && scale.shape[0] === x.shape[1],
    () => `${op}: the input has ${x.shape[1]} channels, the scale has the shape [${scale.shape.join(", ")}]`,
  );
}

/** Channels before and after that the window of LRN reaches. */
function reach(node: Attributed): readonly [number, number] {
  const around = (attribute.int(node, "size") - 1) / 2;
  return [Math.floor(around), Math.ceil(around)];
}

/** s of LRN: bias + alpha/size · Σ over the window of channels x² */
export function localEnergy(g: Ops, node: Attributed, x: Value): Value {
  const [before, after] = reach(node);
  const squares = channelWindowSum(g, g.mul(x, x), before, after);
  const scaled = g.scale(squares, attribute.float(node, "alpha", 0.0001) / attribute.int(node, "size"));
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
      checkScale(node);
      const { dtype, shape } = node.w;
      const statistic: TensorType = { dtype, shape };
      return isTraining(node) ? [...sameAsInput(node), statistic, statistic] : sameAsInput(node);
    },
    weights: { 1: "weight", 2: "bias", 3: "running_mean", 4: "running_var" },
    kind: "norm",
    title: "batch norm",
    short: "BN",
  },
  /**
   * Local response normalization across channels (Krizhevsky et al. 2012, 3.3).
   *
   *     y = x · s^−beta,  s = bias + alpha/size · Σ over the window of channels x²
   */
  LRN: {
    infer: sameAsInput,
    kind: "norm",
    title: "LRN",
  },
  /** Each channel of each image by its own statistics: x [N, C, …], scale, bias [C] → y [N, C, …] */
  InstanceNormalization: {
    infer(node) {
      checkScale(node);
      return sameAsInput(node);
    },
    weights: { 1: "weight", 2: "bias" },
    kind: "norm",
    title: "instance norm",
  },
  /**
   * Each element of the leading axes by its own statistics over the others, from `axis` on (Ba et al. 2016). Two more outputs
   * are the mean and 1 / σ.
   */
  LayerNormalization: {
    infer(node) {
      const { x, w: scale } = node;
      const { dtype, shape } = x;
      const axes = layerAxes(node);
      const wide = broadcast(shape, scale.shape);
      check(
        wide && sameShape(wide, shape),
        () => `LayerNormalization: the scale ${formatShape(scale.shape)} does not fit ${formatShape(shape)}`,
      );
      const statistic: TensorType = { dtype, shape: shape.map((dim, axis) => (axes.includes(axis) ? 1 : dim)) };
      return [{ dtype, shape }, statistic, statistic];
    },
    weights: { 1: "weight", 2: "bias" },
    kind: "norm",
    title: "layer norm",
  },
} as const satisfies Record<string, Operator>;

/** scale · x + bias per channel as one operator: BatchNormalization with mean 0 and variance 1. */
function affine(g: Ops, x: Value, scale: Value, bias: Value): Value {
  const zero = g.expand(g.scalar(0), scale);
  const one = g.expand(g.scalar(1), scale);
  return g.one("BatchNormalization", [x, scale, bias, zero, one], { epsilon: new Float(0) });
}

/**
 * Gradients of batch normalization with the statistics of the batch, x̂ being the normalized input and n the count:
 *
 *     dscale = Σ dy·x̂,  dbias = Σ dy,  dx = (dy − dbias/n − x̂ · dscale/n) · scale/σ
 */
function trainingGradient(g: Ops, node: Backward): Gradients {
  const expansion = centeredExpansion(g, node.x);
  const { variance, centered } = batchStatistics(g, node.x, expansion);
  return statisticsGradient(g, node, {
    ...{ variance, centered, count: g.count(node.x, [0, 2, 3]) },
    ...(expansion && { along: dotWithExpansion(g, node.dy, centered) }),
  });
}

/**
 * The same for a shard of a batch, whose node applies shared statistics to the centered input. The gradient for that input is the one
 * for x; dscale and dbias are this shard's parts of the sums.
 */
export function sharedGradient(g: Ops, node: Backward, statistics: SharedStatistics, exchange: Exchange): Gradients {
  return statisticsGradient(g, node, {
    ...statistics,
    whole(dscale, dbias) {
      const all = exchange(g, g.concat([dscale, dbias], 0));
      return g.split(
        g.reduceSum(all, 0, false),
        [dscale, dbias].map(({ shape }) => shape[0] as number),
        0,
      );
    },
  });
}

interface GradientStatistics extends Pick<SharedStatistics, "centered" | "variance" | "count"> {
  /** Σ dy·centered, [C], if it is known. */
  readonly along?: Value;
  /** Default 0. */
  readonly offset?: Value;
  /** dscale and dbias of all shards from those of one. Default: there is one. */
  readonly whole?: (dscale: Value, dbias: Value) => readonly Value[];
}

function statisticsGradient(
  g: Ops,
  node: Backward,
  { variance, centered, count, along: known, offset, whole = (...own) => own }: GradientStatistics,
): Gradients {
  const { w: scale, dy, needs } = node;
  const inverse = inverseDeviation(g, node, variance);
  const dbias = sumPerChannel(g, dy);
  const along = known ?? dotPerChannel(g, dy, centered);
  const dscale = g.mul(offset ? g.sub(along, g.mul(offset, dbias)) : along, inverse);
  if (!needs(0)) return [undefined, dscale, dbias];
  const [allScale, allBias] = whole(dscale, dbias) as [Value, Value];
  const slope = g.neg(g.div(g.mul(inverse, allScale), count));
  const level = g.neg(g.div(allBias, count));
  const shift = affine(g, centered, slope, offset ? g.sub(level, g.mul(slope, offset)) : level);
  // the factor comes last: the gradient of a convolution applies it to its weights, which are smaller
  const dx = g.mul(g.add(dy, shift), perChannel(g, g.mul(scale, inverse)));
  return [dx, dscale, dbias];
}

/**
 * Gradients of batch normalization with given statistics, x̂ being the normalized input:
 *
 *     dx = dy · scale/σ,  dscale = Σ dy·x̂,  dbias = Σ dy,  dmean = −scale/σ · dbias,  dvar = −½ · scale/σ² · dscale
 */
function inferenceGradient(g: Ops, node: Backward): Gradients {
  const { x, w: scale, dy, needs } = node;
  const [mean, variance] = [node.input(3), node.input(4)];
  const inverse = inverseDeviation(g, node, variance);
  const gain = g.mul(scale, inverse);
  const dbias = sumPerChannel(g, dy);
  const centered = () => g.sub(x, perChannel(g, mean));
  const dscale = needs(1) || needs(4) ? g.mul(dotPerChannel(g, dy, centered()), inverse) : undefined;
  return [
    () => g.mul(dy, perChannel(g, gain)),
    dscale,
    dbias,
    () => g.neg(g.mul(gain, dbias)),
    () => g.scale(g.mul(g.mul(dscale!, gain), inverse), -0.5),
  ];
}

/**
 * Gradients of y = scale · x̂ + bias with x̂ = (x − mean) / σ, mean and variance being those of x itself over some axes:
 *
 *     dx = 1/σ · (d − mean d − x̂ · mean(d·x̂)),  d = dy·scale,  dscale = Σ dy·x̂,  dbias = Σ dy
 */
function ownStatisticsGradient(
  g: Ops,
  node: Backward,
  axes: readonly number[],
  spread: (v: Value) => Value,
): Gradients {
  const { x, w: scale, inputs, dy } = node;
  const bias = inputs[2];
  const centered = g.sub(x, g.reduceMean(x, axes));
  const inverse = inverseDeviation(g, node, g.reduceMean(g.mul(centered, centered), axes));
  const normalized = g.mul(centered, inverse);
  const d = g.mul(dy, spread(scale));
  const along = g.mul(normalized, g.reduceMean(g.mul(d, normalized), axes));
  const dx = g.mul(inverse, g.sub(g.sub(d, g.reduceMean(d, axes)), along));
  const sum = (of: Value, like: Value) => g.reshape(unbroadcast(g, of, spread(like)), like.shape);
  return [dx, sum(g.mul(dy, normalized), scale), bias && sum(dy, bias)];
}

/** Gradient rules of the operators above. */
export const normalizationGradients = (): GradientRules<typeof normalization> => ({
  BatchNormalization(g, node) {
    if (!isTraining(node)) return inferenceGradient(g, node);
    const [dy, ...others] = node.dys;
    check(dy && !others.some(Boolean), () => "BatchNormalization: its running statistics carry no gradient");
    return trainingGradient(g, node);
  },
  /** dx = dy·s^−beta − 2·alpha·beta/size · x · Σ over the mirrored window dy·x·s^(−beta−1) */
  LRN(g, node) {
    const { x, dy } = node;
    const alpha = attribute.float(node, "alpha", 0.0001);
    const beta = attribute.float(node, "beta", 0.75);
    const [before, after] = reach(node);
    const s = localEnergy(g, node, x);
    const direct = g.mul(dy, g.pow(s, -beta));
    const spread = channelWindowSum(g, g.mul(g.mul(dy, x), g.pow(s, -beta - 1)), after, before);
    return [g.sub(direct, g.scale(g.mul(x, spread), (2 * alpha * beta) / attribute.int(node, "size")))];
  },
  InstanceNormalization(g, node) {
    const axes = [...node.x.shape.keys()].slice(2);
    return ownStatisticsGradient(g, node, axes, (v) => g.reshape(v, [1, v.shape[0]!, ...axes.map(() => 1)]));
  },
  LayerNormalization(g, node) {
    const [dy, ...others] = node.dys;
    check(dy && !others.some(Boolean), () => "LayerNormalization: its statistics carry no gradient");
    return ownStatisticsGradient(g, node, layerAxes(node), (v) => v);
  },
});

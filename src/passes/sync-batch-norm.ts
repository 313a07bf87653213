import { attribute, Float, type Graph, type Node, type Value } from "../graph/index.ts";
import {
  type Exchange,
  type Gradient,
  type Ops,
  sharedGradient,
  sharedStatistics,
  type Target,
} from "../operators/index.ts";
import { followsBatch } from "./lower.ts";
import { rewrite } from "./rewrite.ts";
import { RECEIVED, SENT } from "./segments.ts";

/** A graph for one shard of a batch whose batch normalization has the statistics of all shards. */
export interface Synchronized {
  /**
   * It has an output for each vector that the other shards need, [K], and an input for what comes back, those of all shards,
   * [shards, K]. `inRounds` cuts it there.
   */
  readonly graph: Graph;
  /** Options of `differentiate`: its gradients exchange vectors too. */
  readonly differentiation: {
    readonly rules: ReadonlyMap<Node, Gradient>;
    readonly constants: ReadonlySet<Value>;
  };
}

/** Whether a graph has batch normalization with the statistics of its batch. */
export const normalizesBatches = (graph: Graph): boolean => graph.nodes.some(followsBatch);

/** Rewrites batch normalization so that the shards of a batch give what the whole batch does in one graph. */
export function synchronize(
  graph: Graph,
  { shards, target = "cpu" }: { readonly shards: number; readonly target?: Target },
): Synchronized {
  let count = 0;
  const exchange: Exchange = (g, own) => {
    const index = count++;
    g.graph.output(`${SENT}${index}`, own);
    return g.graph.input(`${RECEIVED}${index}`, own.dtype, [shards, own.shape[0]!]);
  };
  const rules = new Map<Node, Gradient>();
  const constants = new Set<Value>();
  const synchronized = rewrite(
    graph,
    (g, node, inputs) => {
      if (!followsBatch(node)) return undefined;
      const [x, scale, bias, givenMean, givenVariance] = inputs as readonly [Value, Value, Value, Value, Value];
      const statistics = sharedStatistics(g, x, exchange);
      const { centered, own, offset, mean, variance } = statistics;
      const epsilon = new Float(attribute.float(node, "epsilon", 1e-5));
      const y = g.one("BatchNormalization", [centered, scale, bias, offset, variance], { epsilon });
      rules.set(g.graph.producer(y)!, (g, node) => sharedGradient(g, node, statistics, exchange));
      // the gradient for the centered input is that for x already
      constants.add(own);
      const momentum = attribute.float(node, "momentum", 0.9);
      if (momentum === 0) return [y, mean, g.mul(variance, freedom(g, x, statistics.count))];
      const blend = (given: Value, batch: Value) => g.add(g.scale(given, momentum), g.scale(batch, 1 - momentum));
      return [y, blend(givenMean, mean), blend(givenVariance, variance)];
    },
    target,
  );
  return { graph: synchronized, differentiation: { rules, constants } };
}

/** Makes n/(n − 1) of the whole batch of c/(c − 1), by which a shard corrects the variance that it gets. */
function freedom(g: Ops, x: Value, whole: Value): Value {
  const own = g.count(x, [0, 2, 3]);
  const less = (count: Value) => g.one("Max", [g.sub(count, g.scalar(1)), g.scalar(1)]);
  return g.mul(g.div(whole, less(whole)), g.div(less(own), own));
}

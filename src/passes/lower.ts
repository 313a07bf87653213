import { attribute, type Graph, type Node, type Value } from "../graph/index.ts";
import { isWebGpu, lowerBatchNormalization, lowerForCpu, lowerForWebGpu, type Target } from "../operators/index.ts";
import { rewrite } from "./rewrite.ts";

/** What `lower` may know of an engine and of a graph's use. */
export interface LowerOptions {
  /** Weights that do not change, so that the engine can prepare them itself. */
  readonly fixed?: ReadonlySet<string>;
  /** Channels of a block in the engine's own layout of images, if it has one. */
  readonly block?: number | undefined;
  /** Threads that the engine computes on. Default 1. */
  readonly threads?: number | undefined;
}

/** Rewrites operators that the engine lacks or is slow at. All differences between engines are here, except those of gradients. */
export function lower(graph: Graph, target: Target, { fixed = new Set(), block, threads }: LowerOptions = {}): Graph {
  const readers = new Map<Value, (Node | undefined)[]>();
  const read = (value: Value, node?: Node) => {
    const known = readers.get(value);
    if (known) known.push(node);
    else readers.set(value, [node]);
  };
  for (const node of graph.nodes) for (const value of node.inputs) if (value) read(value, node);
  for (const value of graph.outputs.values()) read(value);
  return rewrite(
    graph,
    (g, node, inputs) => {
      if (followsBatch(node)) return lowerBatchNormalization(g, node, inputs, target === "cpu" ? block : undefined);
      if (isWebGpu(target)) return lowerForWebGpu(g, node, inputs);
      const y = lowerForCpu(g, node, inputs, {
        isFixed: fixed.has(node.inputs[1]?.name ?? ""),
        block,
        threads,
        isLast(i, { later } = { later: false }) {
          const reading = readers.get(node.inputs[i]!)!;
          return reading.at(-1) === node && (later || reading.length === 1);
        },
      });
      return y && [y];
    },
    target,
  );
}

/** Whether a node normalizes by the statistics of its batch. */
export const followsBatch = (node: Node) =>
  node.op === "BatchNormalization" && attribute.int(node, "training_mode", 0) === 1;

/** Batch normalization by the statistics of the batch in operators that engines for inference compute rightly. */
export function lowerBatchStatistics(graph: Graph): Graph {
  return rewrite(graph, (g, node, inputs) =>
    followsBatch(node) ? lowerBatchNormalization(g, node, inputs) : undefined,
  );
}

/** log(softmax(x)) as one operator, which neither over- nor underflows. */
export function logSoftmax(graph: Graph): Graph {
  return rewrite(graph, (g, node, inputs) => {
    const inner = node.op === "Log" && inputs[0] ? g.graph.producer(inputs[0]) : undefined;
    if (inner?.op !== "Softmax") return undefined;
    return g.emit("LogSoftmax", inner.inputs, inner.attributes);
  });
}

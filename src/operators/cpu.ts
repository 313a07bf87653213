import { attribute, type Node, sameShape, type Value } from "../graph/index.ts";
import { shiftedByBlocks, turnedByBlocks } from "./blocked.ts";
import { lowerChannelsLast } from "./channels-last.ts";
import { addedToConvolution, lowerConvolution } from "./convolution.ts";
import { activatedScaling, addedToScaling, insideLimits, productsOfRows, scaledChannels } from "./flat.ts";
import { lowerMaxPoolGradient } from "./max-pool-gradient.ts";
import type { Ops } from "./ops.ts";
import { scaledSum } from "./scaled-sum.ts";

/** What is known of a node when it is rewritten for a processor. */
export interface CpuOptions {
  /** Whether its weight does not change, so that ONNX Runtime prepares it itself. */
  readonly isFixed: boolean;
  /** Channels of a block in ONNX Runtime's own layout of images, if it has one. */
  readonly block?: number | undefined;
  /** Threads that the engine computes on. */
  readonly threads?: number | undefined;
  /** Whether nothing else reads input `i`; if `later`, whether no later node does. */
  readonly isLast: (i: number, options?: { later: boolean }) => boolean;
}

/** Threads from which on it pays to go through images three times on all of them instead of once on one. */
const MANY_THREADS = 4;
/** Pixels of a row below which two threads are enough for that: ONNX Runtime pads row by row. */
const NARROW = 48;

/** The output of a node written in operators that ONNX Runtime is faster at on processors; undefined to keep the node. */
export function lowerForCpu(g: Ops, node: Node, inputs: Node["inputs"], options: CpuOptions): Value | undefined {
  const { isFixed, block, threads = 1 } = options;
  if (node.op === "FusedMatMul") return lowerProductsOfRows(g, node, inputs, block);
  if (node.domain !== "") return undefined;
  if (node.op === "ConvTranspose" || (node.op === "Conv" && !isFixed))
    return lowerConvolution(g, node, inputs, options);
  if (node.op === "ScatterElements") return lowerMaxPoolGradient(g, node, inputs, block);
  if (node.op === "BatchNormalization") return lowerScaling(g, node, inputs, block);
  if (block)
    return (
      scaledSum(g, node, inputs) ??
      fused(g, node, inputs, options) ??
      (node.op === "Mul" ? insideLimits(g, inputs[0]!, inputs[1]!, block) : undefined) ??
      turnedTranspose(g, node, inputs) ??
      (threads >= (Number(inputs[0]?.shape[3]) < NARROW ? 2 : MANY_THREADS)
        ? shiftedByBlocks(g, node, inputs, block)
        : undefined) ??
      lowerChannelsLast(g, node, inputs, block)
    );
  return undefined;
}

function turnedTranspose(g: Ops, node: Node, [x]: Node["inputs"]): Value | undefined {
  const isTurned = node.op === "Transpose" && attribute.ints(node, "perm", []).join() === "1,0";
  return isTurned ? turnedByBlocks(g, x!) : undefined;
}

/** An operator that joins the scaling of channels before it, if it is the only one that reads it. */
function fused(g: Ops, { op }: Node, [x, y, z]: Node["inputs"], { isLast }: CpuOptions): Value | undefined {
  if (op === "Relu" && isLast(0)) return activatedScaling(g, x!, ["Relu"]);
  if (op === "Clip" && isLast(0)) {
    const [min, max] = [y, z].map((limit) => limit && g.graph.constants.get(limit)?.data[0]);
    return min === undefined || max === undefined
      ? undefined
      : activatedScaling(g, x!, ["Clip", Number(min), Number(max)]);
  }
  if (op !== "Add" || !sameShape(x!.shape, y!.shape)) return undefined;
  const isComputed = (value: Value) => g.graph.producer(value) !== undefined;
  const added = (image: Value, other: Value) =>
    isComputed(other) ? (addedToScaling(g, image, other) ?? addedToConvolution(g, image, other)) : undefined;
  return (
    (isLast(0) && isLast(1, { later: true }) ? added(x!, y!) : undefined) ??
    (isLast(1) && isLast(0, { later: true }) ? added(y!, x!) : undefined)
  );
}

/** BatchNormalization with mean 0 and variance 1, as gradients have it. */
function lowerScaling(g: Ops, node: Node, inputs: Node["inputs"], block: number | undefined): Value | undefined {
  const [x, scale, bias, mean, variance] = inputs as [Value, Value, Value, Value, Value];
  const isAll = (value: Value, number: number) => {
    const filled = g.graph.producer(value);
    return filled?.op === "Expand" && g.graph.constants.get(filled.inputs[0]!)?.data[0] === number;
  };
  const isScaling = attribute.float(node, "epsilon", 1e-5) === 0 && isAll(mean, 0) && isAll(variance, 1);
  return isScaling ? scaledChannels(g, x, scale, bias, block) : undefined;
}

function lowerProductsOfRows(g: Ops, node: Node, [a, b]: Node["inputs"], block: number | undefined): Value | undefined {
  const isRows =
    [a, b].every((rows) => rows?.shape.length === 3 && rows.shape[1] === 1) && sameShape(a!.shape, b!.shape);
  return isRows && attribute.int(node, "transB", 0) === 1 ? productsOfRows(g, a!, b!, block) : undefined;
}

import { attribute, type Node, type Value } from "../graph/index.ts";
import { turnedByBlocks } from "./blocked.ts";
import { lowerConvolution } from "./convolution.ts";
import { lowerMaxPoolGradient } from "./max-pool-gradient.ts";
import type { Ops } from "./ops.ts";

/** What is known of a node when it is rewritten for a processor. */
export interface CpuOptions {
  /** Whether its weight does not change, so that ONNX Runtime prepares it itself. */
  readonly isFixed: boolean;
  /** Channels of a block in ONNX Runtime's own layout of images, if it has one. */
  readonly block?: number | undefined;
}

/** The output of a node written in operators that ONNX Runtime is faster at on processors; undefined to keep the node. */
export function lowerForCpu(
  g: Ops,
  node: Node,
  inputs: Node["inputs"],
  { isFixed, block }: CpuOptions,
): Value | undefined {
  if (node.domain !== "") return undefined;
  if (node.op === "ConvTranspose" || (node.op === "Conv" && !isFixed)) return lowerConvolution(g, node, inputs, block);
  if (node.op === "ScatterElements") return lowerMaxPoolGradient(g, node, inputs, block);
  const isTurned = node.op === "Transpose" && attribute.ints(node, "perm", []).join() === "1,0";
  return isTurned && block ? turnedByBlocks(g, inputs[0]!) : undefined;
}

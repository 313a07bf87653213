import { attribute, isStatic, type Node, type Value } from "../graph/index.ts";
import { inBlocks, inChannels, nchwc } from "./blocked.ts";
import type { Ops } from "./ops.ts";

/*
 * Images with their channels last, [N, H, W, C], where every pixel is one run of memory: what is gathered pixel by pixel is in that layout.
 * ONNX Runtime transposes and pads on one thread, but moves images into blocks of channels and out of them on all.
 */

/** Pixels added at each side. */
export interface Border {
  readonly before: readonly [number, number];
  readonly after: readonly [number, number];
}

type Images = readonly [N: number, C: number, H: number, W: number];

/** Weights of a convolution that leaves each channel as it is. */
const ones = (g: Ops, C: number) =>
  g.constant({ dtype: "float32", shape: [C, 1, 1, 1], data: new Float32Array(C).fill(1) });

/** Images in blocks with zeros around them. */
export function paddedBlocks(g: Ops, blocks: Value, { before, after }: Border): Value {
  const [N, C, H, W] = blocks.shape as Images;
  const pads = [...before, ...after];
  if (pads.every((count) => count === 0)) return blocks;
  return nchwc(g, "Conv", [blocks, ones(g, C)], { kernel_shape: [1, 1], pads, group: C }, [
    ...[N, C],
    ...[H + before[0] + after[0], W + before[1] + after[1]],
  ]);
}

/** [N, C, H, W] → [N, H, W, C] with zeros around it. */
export function channelsLast(g: Ops, x: Value, border: Border, block?: number): Value {
  const [N, C] = x.shape as Images;
  if (!block || C % block !== 0)
    return g.transpose(g.pad(x, [0, 0, ...border.before, 0, 0, ...border.after]), [0, 2, 3, 1]);
  const blocks = paddedBlocks(g, inBlocks(g, x), border);
  const [, , H, W] = blocks.shape as Images;
  return nchwc(g, "ReorderOutput", [blocks], { channels: C, channels_last: 1 }, [N, H, W, C]);
}

/** [N, H, W, C] → [N, C, H, W], with a bias [C] added if there is one. */
export function channelsFirst(g: Ops, x: Value, bias: Value | undefined, block?: number): Value {
  const [N, H, W, C] = x.shape as Images;
  if (!block || C % block !== 0) return g.transpose(bias ? g.add(x, bias) : x, [0, 3, 1, 2]);
  const shape = [N, C, H, W];
  const blocks = nchwc(g, "ReorderInput", [x], { channels_last: 1 }, shape);
  if (!bias) return inChannels(g, blocks);
  return inChannels(g, nchwc(g, "Conv", [blocks, ones(g, C), bias], { kernel_shape: [1, 1], group: C }, shape));
}

/** The layout of `channelsLast`, written without blocks, by way of blocks; undefined for other transpositions. */
export function lowerChannelsLast(g: Ops, node: Node, [x]: Node["inputs"], block: number): Value | undefined {
  if (node.op !== "Transpose" || attribute.ints(node, "perm", []).join() !== "0,2,3,1" || !isImages(x!, block))
    return undefined;
  const { images, border } = withoutBorder(g, x!);
  return channelsLast(g, images, border, block);
}

const isImages = ({ shape, dtype }: Value, block: number) =>
  dtype === "float32" && isStatic(shape) && shape[1]! % block === 0;

const NONE: Border = { before: [0, 0], after: [0, 0] };

/** Images before zeros were put around them. */
function withoutBorder(g: Ops, x: Value): { images: Value; border: Border } {
  const pad = g.graph.producer(x);
  const pads = pad?.op === "Pad" && pad.inputs.length === 2 && g.graph.constants.get(pad.inputs[1]!);
  if (!pads || attribute.string(pad, "mode", "constant") !== "constant") return { images: x, border: NONE };
  const [n, c, top, left, n2, c2, bottom, right] = Array.from(pads.data, Number) as Eight<number>;
  const isBorder =
    [n, c, n2, c2].every((count) => count === 0) && [top, left, bottom, right].every((count) => count >= 0);
  return isBorder
    ? { images: pad.inputs[0]!, border: { before: [top, left], after: [bottom, right] } }
    : { images: x, border: NONE };
}

type Eight<T> = [T, T, T, T, T, T, T, T];

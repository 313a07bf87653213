import { attribute, type Node, numel, type Value } from "../graph/index.ts";
import { gatheredMaxPool } from "./gathered.ts";
import type { Ops } from "./ops.ts";
import { outputSizes, type Window, windowOf } from "./window.ts";

/*
 * WebGPU without a GPU: a processor computes it, such as Chromium's SwiftShader. What is slow there are threads that wait for each
 * other, because each of them is a coroutine, and ONNX Runtime's kernels for products, convolutions and sums share the memory of
 * such threads. Its kernels for ConvTranspose and for short sums compute each number in one thread, and are ten times as fast.
 */

/** The output of a node in operators that are faster where WebGPU is emulated; undefined to leave the node to `lowerForWebGpu`. */
export function lowerForEmulation(g: Ops, node: Node, inputs: Node["inputs"]): Value | undefined {
  if (node.op === "Conv") return transposedConvolution(g, node, inputs);
  if (node.op !== "MaxPool" || node.outputs.length > 1) return undefined;
  const x = inputs[0]!;
  const window = windowOf(node, x.shape);
  return gatheredMaxPool(g, x, window, outputSizes("MaxPool", x.shape, window));
}

/** A convolution of stride 1 as a transposed one, whose kernels are turned by 180°. Those of several groups have a fast kernel. */
function transposedConvolution(g: Ops, node: Node, [x, w, bias]: Node["inputs"]): Value | undefined {
  const { kernel, stride, dilation, before, after } = windowOf(node, x!.shape, w!.shape.slice(2) as number[]);
  if (attribute.int(node, "group", 1) > 1 || stride.some((step) => step > 1)) return undefined;
  const reach = kernel.map((size, axis) => dilation[axis]! * (size - 1));
  const pads = [before, after].flatMap((side) => side.map((pad, axis) => reach[axis]! - pad));
  if (pads.some((pad) => pad < 0)) return undefined;
  const [O, C] = w!.shape as readonly [number, number];
  const taps = numel(kernel);
  const backwards = g.ints(Array.from({ length: taps }, (_, tap) => taps - 1 - tap));
  const turned = g.one("Gather", [g.reshape(w!, [O, C, taps]), backwards], { axis: 2 });
  const weight = g.reshape(g.transpose(turned, [1, 0, 2]), [C, O, ...kernel]);
  return g.one("ConvTranspose", [x!, weight, ...(bias ? [bias] : [])], {
    pads,
    dilations: dilation,
    kernel_shape: kernel,
  });
}

/** Numbers that the kernel for ConvTranspose reads at once. */
const VECTOR = 4;

/**
 * Gradient of a convolution's weight, as one product over the batch: of dy with the channels that each tap meets.
 *
 *     dy [N, O, outH, outW], x [N, C, H, W] → dw [O, C, kH, kW]
 */
export function weightGradientOfBatch(g: Ops, dy: Value, x: Value, window: Window): Value {
  const { kernel, before, after } = window;
  const [N, O, outH, outW] = dy.shape as readonly [number, number, number, number];
  const C = x.shape[1] as number;
  const missing = (VECTOR - (C % VECTOR)) % VECTOR;
  const padded = g.transpose(g.pad(x, [0, 0, ...before, 0, missing, ...after]), [0, 2, 3, 1]);
  const [, H, W, channels] = padded.shape as readonly [number, number, number, number];
  const [taps, pixels] = [numel(kernel), N * outH * outW];
  const data = positionsMet(window, [N, H, W], [outH, outW]);
  const table = g.constant({ dtype: "int32", shape: [data.length], data });
  const columns = g.one("Gather", [g.reshape(padded, [N * H * W, channels]), table], { axis: 0 });
  const rows = g.transpose(g.reshape(dy, [N, O, outH * outW]), [1, 0, 2]);
  const sums = product(g, g.reshape(rows, [O, pixels]), g.reshape(columns, [pixels, taps * channels]));
  // not a Transpose, which ONNX Runtime would move behind the update of the weights, and so transpose all of its inputs
  const order = Array.from({ length: C * taps }, (_, i) => (i % taps) * channels + Math.floor(i / taps));
  return g.reshape(g.one("Gather", [sums, g.ints(order)], { axis: 1 }), [O, C, ...kernel]);
}

/** For each pixel of the outputs and each tap, the pixel among those of all padded images that it meets. */
function positionsMet(
  { kernel, stride, dilation }: Window,
  [N, H, W]: readonly [number, number, number],
  [outH, outW]: readonly [number, number],
): Int32Array {
  const positions = new Int32Array(N * outH * outW * numel(kernel));
  let at = 0;
  for (let n = 0; n < N; n++)
    for (let h = 0; h < outH; h++)
      for (let w = 0; w < outW; w++)
        for (let i = 0; i < kernel[0]; i++)
          for (let j = 0; j < kernel[1]; j++)
            positions[at++] = (n * H + h * stride[0] + i * dilation[0]) * W + w * stride[1] + j * dilation[1];
  return positions;
}

/** a·b as a transposed convolution with 1×1 kernels: a [I, K], b [K, J] → [I, J] */
function product(g: Ops, a: Value, b: Value): Value {
  const [I, K] = a.shape as readonly [number, number];
  const J = b.shape[1] as number;
  // ONNX Runtime moves channels to the end, which undoes both transpositions
  const pixels = g.transpose(g.reshape(a, [1, I, 1, K]), [0, 3, 1, 2]);
  const y = g.one("ConvTranspose", [pixels, g.reshape(b, [K, J, 1, 1])], { kernel_shape: [1, 1] });
  return g.reshape(g.transpose(y, [0, 2, 3, 1]), [I, J]);
}

/** Where there are more sums than this, of fewer numbers than that each, ONNX Runtime adds each up in one thread. */
const MANY_SUMS = 1024;
const FEW_NUMBERS = 32;

/** The largest count of few numbers that divides a count. */
function fewOf(count: number): number {
  for (let size = FEW_NUMBERS - 1; size > 1; size--) if (count % size === 0) return size;
  return 1;
}

/** Sums over the batch and all pixels, few numbers at a time while there are many sums: x [N, C, H, W] → [C] */
export function sumInSteps(g: Ops, x: Value): Value {
  const [N, C, H, W] = x.shape as readonly [number, number, number, number];
  let [images, pixels, sum] = [N, H * W, x];
  const isWorth = (few: number) => few > 1 && (images * C * pixels) / few > MANY_SUMS;
  while (isWorth(fewOf(images))) {
    const few = fewOf(images);
    images /= few;
    sum = g.reduceSum(g.reshape(sum, [few, images, C, pixels]), [0], false);
  }
  while (isWorth(fewOf(pixels))) {
    const few = fewOf(pixels);
    pixels /= few;
    sum = g.reduceSum(g.reshape(sum, [images, C, pixels, few]), [3], false);
  }
  return g.reduceSum(g.reshape(sum, [images, C, pixels]), [0, 2], false);
}

import { attribute, check, type Dim, formatShape, isStatic, type Node, sameShape, type Value } from "../graph/index.ts";
import { blockedConvolution } from "./blocked.ts";
import { convolutionByColumns, convolutionOfTransposed, inputGradient } from "./convolution-gradient.ts";
import { expandedGradients } from "./expansion.ts";
import { type Application, elements, type GradientRules, input, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { sumPerChannel } from "./per-channel.ts";
import { weightGradient } from "./weight-gradient.ts";
import { type ConvGeometry, outputSizes, windowOf } from "./window.ts";
import { winogradConvolution } from "./winograd.ts";

/** What a node of Conv or ConvTranspose is besides its tensors; quantized ones have the weight elsewhere. */
function geometry(node: Pick<Node, "op" | "inputs" | "attributes">, w = input(node, 1)): ConvGeometry {
  const x = input(node, 0);
  check(
    w.shape.length !== 5,
    () =>
      `${node.op}: the weight ${formatShape(w.shape)} is that of a convolution over volumes; only images are supported`,
  );
  check(
    w.shape.length === 4 && isStatic(w.shape),
    () => `${node.op}: the weight needs the shape [O, C, kH, kW], not ${formatShape(w.shape)}`,
  );
  return {
    window: windowOf(node, x.shape, [w.shape[2]!, w.shape[3]!]),
    group: attribute.int(node, "group", 1),
  };
}

/**
 * The output of a Conv or ConvTranspose node written in other operators where engines are faster with those; undefined to keep the node.
 * `block` is the number of channels of a block in the engine's own layout, if it has one; `isFixed` says that the weight does not change.
 */
export function lowerConvolution(
  g: Ops,
  node: Node,
  inputs: Node["inputs"],
  { block, isFixed }: { readonly block?: number | undefined; readonly isFixed: boolean },
): Value | undefined {
  const [x, w, bias] = inputs as [Value, Value, Value | undefined];
  const conv = geometry(node);
  if (node.op === "ConvTranspose") {
    const extra = attribute.ints(node, "output_padding", [0, 0]);
    return convolutionOfTransposed(g, [x, w, bias], conv, extra, { block, isFixed });
  }
  const weight = { w, shape: w.shape as readonly [number, number, number, number], turned: false };
  return (
    (conv.group === 1 && winogradConvolution(g, x, weight, bias, conv.window, block)) ||
    (block && blockedConvolution(g, x, weight, bias, conv, block)) ||
    convolutionByColumns(g, x, w, bias, conv)
  );
}

/**
 * x + y as one operator, where a convolution gives x: ONNX Runtime's matrix products can add to what is there. Without a copy if nothing
 * reads y afterwards. Undefined if x is something else.
 */
export function addedToConvolution(g: Ops, x: Value, y: Value): Value | undefined {
  const conv = g.graph.producer(x);
  if (conv?.op !== "Conv" || conv.domain !== "") return undefined;
  const [images, w, bias] = conv.inputs;
  const { attributes } = conv;
  const inputs = [images, w, bias, y];
  return g.graph.add({ op: "FusedConv", domain: "com.microsoft", inputs, attributes, scope: g.scope }, [
    { dtype: x.dtype, shape: x.shape },
  ]).outputs[0]!;
}

/** Shape of the output of a convolution, checked: x [N, C, H, W], w [O, C/group, kH, kW] → [N, O, outH, outW]. */
export function convolutionShape(node: Application, x: Value, w: Value): Dim[] {
  const { window, group } = geometry(node, w);
  const [O, perGroup] = w.shape as readonly [number, number];
  check(
    x.shape[1] === perGroup * group,
    () =>
      `${node.op}: the input ${formatShape(x.shape)} has ${x.shape[1]} channels, the weight ${formatShape(w.shape)} with ${group} group(s) expects ${perGroup * group}`,
  );
  check(O % group === 0, () => `${node.op}: ${O} output channels do not divide into ${group} groups`);
  return [x.shape[0]!, O, ...outputSizes(node.op, x.shape, window)];
}

/** Multiply-accumulates of a convolution with this output and weight. */
export const convolutionMacs = (y: Value | undefined, w: Value | undefined): number =>
  elements(y!.shape) * elements(w!.shape.slice(1));

/** Multiply-accumulates of every element of `of` meeting one kernel. */
const kernelMacs = (of: Value | undefined, [, w]: Node["inputs"]) => elements(of!.shape) * elements(w!.shape.slice(1));

/** Convolutions over images. */
export const convolution = {
  /**
   * Cross-correlation, as in PyTorch's Conv2d.
   *
   *     x [N, C, H, W], w [O, C/group, kH, kW], b [O] → y [N, O, outH, outW]
   */
  Conv: {
    infer: (node) => [{ dtype: node.x.dtype, shape: convolutionShape(node, node.x, node.w) }],
    macs: ({ inputs, outputs: [y] }) => kernelMacs(y, inputs),
    weights: { 1: "weight", 2: "bias" },
    kind: "conv",
  },
  /**
   * The transposed (input gradient of a) convolution.
   *
   *     x [N, C, H, W], w [C, O/group, kH, kW], b [O] → y [N, O, outH, outW]
   */
  ConvTranspose: {
    infer(node) {
      const { x, w } = node;
      const { window, group } = geometry(node);
      const { kernel, stride, dilation, before, after } = window;
      const extra = attribute.ints(node, "output_padding", [0, 0]);
      const size = (axis: 0 | 1) =>
        ((x.shape[axis + 2] as number) - 1) * stride[axis] +
        dilation[axis] * (kernel[axis] - 1) +
        1 +
        extra[axis]! -
        before[axis] -
        after[axis];
      return [{ dtype: x.dtype, shape: [x.shape[0]!, (w.shape[1] as number) * group, size(0), size(1)] }];
    },
    macs: ({ inputs }) => kernelMacs(inputs[0], inputs),
    weights: { 1: "weight", 2: "bias" },
    kind: "conv",
    title: "upconv",
  },
} as const satisfies Record<string, Operator>;

/** The convolution of dy, as far as x reaches: with output_padding there may be room for one window more. */
function convolved(g: Ops, dy: Value, w: Value, x: Value, { window, group }: ConvGeometry): Value {
  const dx = g.one("Conv", [dy, w], {
    kernel_shape: window.kernel,
    strides: window.stride,
    dilations: window.dilation,
    pads: [...window.before, ...window.after],
    group,
  });
  const cut = [2, 3].filter((axis) => dx.shape[axis] !== x.shape[axis]);
  return g.slice(
    dx,
    cut.map((axis) => [axis, 0, x.shape[axis] as number]),
  );
}

/**
 * Takes a factor per channel off the gradient of an output, as that of batch normalization has it, where the weights that it can
 * be applied to in its place are smaller: `scaled` does, to a tensor [O, …].
 */
function withoutFactor(g: Ops, dy: Value, w: Value): { gradient: Value; scaled: (v: Value) => Value } {
  const product = g.graph.producer(dy);
  const [gradient, factor] = product?.inputs ?? [];
  const [O, ...kernel] = w.shape as readonly number[];
  // for a batch of eight images
  const isSmaller = elements(kernel) <= 4 * elements(dy.shape.slice(2));
  if (product?.op !== "Mul" || !sameShape(factor!.shape, [1, O!, 1, 1]) || !isSmaller)
    return { gradient: dy, scaled: (v) => v };
  return { gradient: gradient!, scaled: (v) => g.mul(v, g.reshape(factor!, [O!, ...v.shape.slice(1).map(() => 1)])) };
}

/** Gradient rules of the operators above. */
export const convolutionGradients = (): GradientRules<typeof convolution> => ({
  Conv(g, node) {
    const { x, w, dy } = node;
    const conv = geometry(node);
    const { gradient, scaled } = withoutFactor(g, dy, w);
    return (
      expandedGradients(g, gradient, [x, w], scaled) ?? [
        () => inputGradient(g, gradient, x, scaled(w), conv),
        () => scaled(weightGradient(g, gradient, x, w, conv)),
        () => scaled(sumPerChannel(g, gradient)),
      ]
    );
  },
  /** That of the convolution whose input gradient this is, with the parts of x and dy exchanged. */
  ConvTranspose(g, node) {
    const { x, w, dy } = node;
    const conv = geometry(node);
    return [() => convolved(g, dy, w, x, conv), () => weightGradient(g, x, dy, w, conv), () => sumPerChannel(g, dy)];
  },
});

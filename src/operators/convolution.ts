import { attribute, check, formatShape, isStatic, type Node, type Value } from "../graph/index.ts";
import { type ConvGeometry, convolutionByColumns, inputGradient, weightGradient } from "./convolution-gradient.ts";
import { type Application, elements, input, type Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { outputSizes, windowOf } from "./window.ts";

/** Sums over the batch and all pixels: [N, C, H, W] → [C], the gradient of a bias. */
export function sumPerChannel(g: Ops, x: Value): Value {
  // two steps, since ONNX Runtime reduces the last axes fastest
  return g.reduceSum(g.reduceSum(x, [2, 3], false), [0], false);
}

function convWindow(node: Pick<Application, "op" | "inputs" | "attributes"> | Node) {
  const [x, w] = [input(node, 0), input(node, 1)];
  check(
    w.shape.length === 4 && isStatic(w.shape),
    () => `${node.op}: the weight needs the shape [O, C, kH, kW], not ${formatShape(w.shape)}`,
  );
  return windowOf(node, x.shape, [w.shape[2]!, w.shape[3]!]);
}

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

/** A Conv node spelled otherwise where the engine is faster with that: its output, or undefined to keep the node. */
export function lowerConvolution(g: Ops, node: Node, inputs: Node["inputs"]): Value | undefined {
  const [x, w, bias] = inputs;
  const conv = { window: convWindow(node), group: attribute.int(node, "group", 1) };
  return convolutionByColumns(g, x!, w!, bias, conv);
}

/** Convolutions over images. */
export const convolution = {
  /**
   * Cross-correlation, as in PyTorch's Conv2d.
   *
   *     x [N, C, H, W], w [O, C/group, kH, kW], b [O] → y [N, O, outH, outW]
   */
  Conv: {
    infer(node) {
      const [x, w] = [input(node, 0), input(node, 1)];
      const window = convWindow(node);
      const group = attribute.int(node, "group", 1);
      const [O, perGroup] = [w.shape[0] as number, w.shape[1] as number];
      check(
        x.shape[1] === perGroup * group,
        () =>
          `Conv: the input ${formatShape(x.shape)} has ${x.shape[1]} channels, the weight ${formatShape(w.shape)} with ${group} group(s) expects ${perGroup * group}`,
      );
      check(O % group === 0, () => `Conv: ${O} output channels do not divide into ${group} groups`);
      return [{ dtype: x.dtype, shape: [x.shape[0]!, O, ...outputSizes("Conv", x.shape, window)] }];
    },
    gradient(g, { node, dy, needs }) {
      const [x, w] = [input(node, 0), input(node, 1)];
      const conv = { window: convWindow(node), group: attribute.int(node, "group", 1) };
      return [
        needs(0) ? inputGradient(g, dy[0]!, x, w, conv) : undefined,
        needs(1) ? weightGradient(g, dy[0]!, x, w, conv) : undefined,
        needs(2) ? sumPerChannel(g, dy[0]!) : undefined,
      ];
    },
    macs: (node) => elements(node.outputs[0]!.shape) * elements(node.inputs[1]!.shape.slice(1)),
  },
  /**
   * The transposed (input gradient of a) convolution.
   *
   *     x [N, C, H, W], w [C, O/group, kH, kW], b [O] → y [N, O, outH, outW]
   */
  ConvTranspose: {
    infer(node) {
      const [x, w] = [input(node, 0), input(node, 1)];
      const { kernel, stride, dilation, before, after } = convWindow(node);
      const extra = attribute.ints(node, "output_padding", [0, 0]);
      const group = attribute.int(node, "group", 1);
      const size = (axis: 0 | 1) =>
        ((x.shape[axis + 2] as number) - 1) * stride[axis] +
        dilation[axis] * (kernel[axis] - 1) +
        1 +
        extra[axis]! -
        before[axis] -
        after[axis];
      return [{ dtype: x.dtype, shape: [x.shape[0]!, (w.shape[1] as number) * group, size(0), size(1)] }];
    },
    /** That of the convolution whose input gradient this is, with the parts of x and dy exchanged. */
    gradient(g, { node, dy, needs }) {
      const [x, w] = [input(node, 0), input(node, 1)];
      const window = convWindow(node);
      const group = attribute.int(node, "group", 1);
      return [
        needs(0) ? convolved(g, dy[0]!, w, x, { window, group }) : undefined,
        needs(1) ? weightGradient(g, x, dy[0]!, w, { window, group }) : undefined,
        needs(2) ? sumPerChannel(g, dy[0]!) : undefined,
      ];
    },
    macs: (node) => elements(node.inputs[0]!.shape) * elements(node.inputs[1]!.shape.slice(1)),
  },
} as const satisfies Record<string, Operator>;

import { attribute, isStatic, numel, sameShape, type Value } from "../graph/index.ts";
import { inputGradient } from "./convolution-gradient.ts";
import type { Gradients } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { centeredChannels, sumPerChannel } from "./per-channel.ts";
import { weightGradient } from "./weight-gradient.ts";
import type { ConvGeometry } from "./window.ts";

/*
 * Pointwise convolutions with many more outputs than inputs in front of batch normalization, as MobileNetV2 and ResNet-50 have them:
 *
 *     x = W·u + b for each pixel, u [N, C, H, W], W [O, C], x [N, O, H, W]
 *
 * What batch normalization needs of x, it gets from u, which is smaller. With u minus its mean per channel, W·u is x minus its mean. In the
 * backward pass, with numbers k and l per channel, the gradient of x is dx = dy + k·W·u + l, and convolution's gradients do without it:
 *
 *     dW = dy·uᵀ + k·W·(u·uᵀ),  du = Wᵀ·dy + (Wᵀ·k·W)·u + Wᵀ·l,  Σ dy·x = Σ W·(dy·uᵀ)
 *
 * So x is neither read nor kept for the backward pass.
 */

interface Expansion {
  readonly u: Value;
  readonly w: Value;
  readonly bias: Value | undefined;
}

const POINTWISE: ConvGeometry = {
  window: { kernel: [1, 1], stride: [1, 1], dilation: [1, 1], before: [0, 0], after: [0, 0], ceil: false },
  group: 1,
};

/** Pixels up to which convolutions of single pixels are moved into blocks, differently in forward and backward pass. */
const SMALL_MAP = 64;
/** Multiplications that take as long as moving a number. */
const PER_NUMBER = 10;

/** Whether products of u with itself cost less than going through x eight times and through u ten times. */
const pays = (O: number, C: number) => 2 * C * C < PER_NUMBER * (8 * O - 10 * C);

/** The convolution that gives x, if its batch normalization is better had from its input. */
function expansionOf(g: Ops, x: Value): Expansion | undefined {
  const conv = g.graph.producer(x);
  if (g.target !== "cpu" || conv?.op !== "Conv" || conv.domain !== "") return undefined;
  const [u, w, bias] = conv.inputs as [Value, Value, Value | undefined];
  const [O, C, ...kernel] = w.shape as readonly number[];
  const pixels = x.shape.slice(2);
  const isPointwise = numel(kernel) === 1 && C === u.shape[1] && sameShape(pixels, u.shape.slice(2));
  if (!isPointwise || !isStatic(pixels) || numel(pixels) <= SMALL_MAP || !pays(O!, C!)) return undefined;
  return { u, w, bias };
}

const pointwise = (g: Ops, inputs: readonly Value[]) => g.one("Conv", inputs, { kernel_shape: [1, 1] });

/** The same from the input of the convolution that gives x; undefined if that does not pay. */
export function centeredExpansion(g: Ops, x: Value): { mean: Value; centered: Value } | undefined {
  const expansion = expansionOf(g, x);
  if (!expansion) return undefined;
  const { u, w, bias } = expansion;
  const { mean, centered } = centeredChannels(g, u);
  const [O, C] = w.shape as readonly number[];
  const means = g.reshape(g.matmul(g.reshape(w, [O!, C!]), g.reshape(mean, [C!, 1])), [O!]);
  return { mean: bias ? g.add(means, bias) : means, centered: pointwise(g, [centered, w]) };
}

/** Σ dy·x over the batch and all pixels, x being `centered` of `centeredExpansion`: dy [N, O, H, W] → [O] */
export function dotWithExpansion(g: Ops, dy: Value, centered: Value): Value {
  const [u, w] = g.graph.producer(centered)!.inputs as [Value, Value];
  const products = g.mul(w, weightGradient(g, dy, u, w, POINTWISE));
  return g.reduceSum(g.reshape(products, w.shape.slice(0, 2)), [1], false);
}

/**
 * Gradients of a convolution, u, w, bias → dy + batch normalization's share in the gradient, which is not computed.
 * `scaled` multiplies a tensor [O, …] by what all of the gradient is multiplied by. Undefined for other gradients.
 */
export function expandedGradients(
  g: Ops,
  gradient: Value,
  [u, w]: readonly [Value, Value],
  scaled: (v: Value) => Value,
): Gradients | undefined {
  const sum = g.graph.producer(gradient);
  const [dy, share] = sum?.op === "Add" ? (sum.inputs as [Value, Value]) : [];
  const affine = share && g.graph.producer(share);
  if (affine?.op !== "BatchNormalization" || attribute.float(affine, "epsilon", 1e-5) !== 0) return undefined;
  const [x, slope, level] = affine.inputs as [Value, Value, Value];
  const conv = g.graph.producer(x);
  const centered = conv?.inputs[0];
  const difference = centered && g.graph.producer(centered);
  const isIts = conv?.op === "Conv" && conv.inputs[1] === w && difference?.op === "Sub" && difference.inputs[0] === u;
  if (!isIts) return undefined;
  const [O, C] = w.shape as readonly [number, number];
  const matrix = g.reshape(w, [O, C]);
  const sloped = (v: Value) => g.mul(v, g.reshape(slope, [O, 1]));
  const [N, , H, W] = u.shape as readonly [Value["shape"][0], number, number, number];
  const squares = () => {
    const rows = g.reshape(centered!, [N!, C, H * W]);
    return g.reduceSum(g.matmulT(rows, rows, { transB: true }), [0], false);
  };
  return [
    () => {
      const factors = scaled(w);
      const turned = (v: Value) => g.matmulT(g.reshape(factors, [O, C]), v, { transA: true });
      const mixed = g.reshape(turned(sloped(matrix)), [C, C, 1, 1]);
      const levels = g.reshape(turned(g.reshape(level, [O, 1])), [C]);
      return g.add(inputGradient(g, dy!, u, factors, POINTWISE), pointwise(g, [centered!, mixed, levels]));
    },
    () => {
      const along = g.reshape(sloped(g.matmul(matrix, squares())), w.shape);
      return scaled(g.add(weightGradient(g, dy!, centered!, w, POINTWISE), along));
    },
    () => scaled(g.add(sumPerChannel(g, dy!), g.mul(level, g.count(dy!, [0, 2, 3])))),
  ];
}

import { type Dim, product, type Value } from "../graph/index.ts";
import { eachChannel, inBlocks, inChannels, interleaved, nchwc } from "./blocked.ts";
import { paddedBlocks } from "./channels-last.ts";
import type { Ops } from "./ops.ts";
import type { Window } from "./window.ts";

/** A window along one axis of images: 0 height, 1 width. */
interface Line {
  readonly along: 0 | 1;
  readonly taps: number;
  readonly stride: number;
  readonly before: number;
  readonly after: number;
  readonly out: number;
}

/** Numbers below count as this one where they are compared with padding, which is zero and has to lose. */
const LEAST = 1e-31;
/** Turns differences between such numbers into more than 1. */
const STEEP = 3e38;

/**
 * Gradient of max pooling in ONNX Runtime's blocked layout, where convolutions of each channel by itself compare, shift and add up images on
 * all threads. As in `maxPoolGradient`, rows come first, then columns, and the first of equal elements wins.
 *
 *     x [N, C, H, W], dy [N, C, outH, outW] → dx [N, C, H, W]
 *
 * Undefined where the stride does not divide the image, or where windows leave gaps. Convolutions pad with zeros, so where the first two
 * elements of a window may lie in the padding, zero must not win over an element that has a gradient (`ignoresZeros`).
 */
export function blockedMaxPoolGradient(
  g: Ops,
  x: Value,
  dy: Value,
  window: Window,
  { block, ignoresZeros }: { block: number; ignoresZeros: boolean },
): Value | undefined {
  const [N, C, H, W] = x.shape as readonly [Dim, number, number, number];
  const [outH, outW] = dy.shape.slice(2) as [number, number];
  const { kernel, stride, dilation, before } = window;
  // as many windows as strides: those that there are not have no gradient
  const [columns, rows] = ([0, 1] as const).map((along): Line => {
    const [taps, step, front] = [kernel[along], stride[along], before[along]];
    const after = Math.max(0, taps - step - front);
    return { along, taps, stride: step, before: front, after, out: [H, W][along]! / step };
  }) as [Line, Line];
  const [more, wider] = [columns.out - outH, rows.out - outW];
  const isCovered = [columns, rows].every(
    ({ along, taps, stride, before, out }) =>
      Number.isInteger(out) && taps >= stride && before <= 1 && before < taps && dilation[along] === 1,
  );
  const meetsPadding = [columns, rows].some(({ taps, stride, before }) => taps > 1 && (before > 0 || stride === 1));
  if (!isCovered || more < 0 || wider < 0 || C % block !== 0 || (meetsPadding && !ignoresZeros)) return undefined;
  // each block as an image: ONNX Runtime keeps the memory of a tensor for a later one of the same shape, and the forward pass has such
  const blocks = (v: Value) => inBlocks(g, g.reshape(v, [product([N, C / block]), block, v.shape[2]!, v.shape[3]!]));
  const images = blocks(x);
  const along = maxima(g, meetsPadding ? g.one("Clip", [images, g.scalar(LEAST)]) : images, rows);
  const across = maxima(g, along.at(-1)!, columns);
  const given = paddedBlocks(g, blocks(dy), { before: [0, 0], after: [more, wider] });
  const dRows = shares(g, across, given, columns, block);
  return g.reshape(inChannels(g, shares(g, along, dRows, rows, block)), x.shape);
}

/** Attributes for height and width, of which the other axis has `other`. */
const pair = (along: 0 | 1, own: number, other: number) => (along === 0 ? [own, other] : [other, own]);

/** Sizes of images of which one axis has this one. */
const resized = ({ shape }: Value, along: 0 | 1, size: number) => shape.with(along + 2, size);

/** x, then the maxima of the first two elements of each window, of the first three, and so on. */
function maxima(g: Ops, x: Value, { along, taps, stride, before, after, out }: Line): Value[] {
  const larger = Array.from({ length: taps - 1 }, (_, i) => {
    const attributes = {
      kernel_shape: pair(along, i + 2, 1),
      strides: pair(along, stride, 1),
      pads: [...pair(along, before, 0), ...pair(along, Math.max(0, after + i + 2 - taps), 0)],
    };
    return nchwc(g, "MaxPool", [x], attributes, resized(x, along, out));
  });
  return [x, ...larger];
}

/** Gradient of the last of these maxima with respect to x. */
function shares(g: Ops, [x, ...largest]: readonly Value[], dy: Value, line: Line, block: number): Value {
  const { along, taps, stride, before, after, out } = line;
  const convolved = (images: Value, weights: readonly number[], options: Partial<Parameters<typeof eachChannel>[3]>) =>
    eachChannel(g, images, weights, { along, block, size: out, ...options });
  const parts: Value[] = [];
  let left = dy;
  for (let tap = taps - 1; tap > 0; tap--) {
    // whether the elements before this one hold the maximum
    const isBefore =
      tap === 1
        ? convolved(x!, [1, -1, ...Array<number>(taps - 2).fill(0)], {
            ...{ stride, before, after },
            activation: ["HardSigmoid", STEEP, 1],
          })
        : convolved(largest[tap - 2]!, [-1], { sum: largest[tap - 1], activation: ["HardSigmoid", -STEEP, 1] });
    const share = g.mul(left, isBefore);
    parts.unshift(g.sub(left, share));
    left = share;
  }
  parts.unshift(left);
  // of the elements 0, stride, 2·stride and so on, then of 1, stride + 1 and so on
  const phases: (Value | undefined)[] = Array(stride).fill(undefined);
  const inOrder = [...parts.entries()].sort(([a], [b]) => Math.abs(a - before) - Math.abs(b - before));
  for (const [tap, part] of inOrder) {
    const shift = Math.floor((tap - before) / stride);
    const phase = tap - before - shift * stride;
    const sum = phases[phase];
    const weights = Array.from({ length: Math.abs(shift) + 1 }, (_, i) => (i === Math.max(0, -shift) ? 1 : 0));
    phases[phase] =
      shift === 0 && !sum
        ? part
        : convolved(part, weights, { sum, before: Math.max(0, shift), after: Math.max(0, -shift) });
  }
  return interleaved(g, phases as Value[], along, block);
}

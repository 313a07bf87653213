import { type Dim, product, type Value } from "../graph/index.ts";
import { blockedKernels, inChannels, interleaved, nchwc, padded, sharedBlocks } from "./blocked.ts";
import type { Ops } from "./ops.ts";
import type { ConvGeometry, Window } from "./window.ts";

type Pair = readonly [number, number];

/** The pixels of an output that are a stride apart, along one axis. */
interface Phase {
  /** The elements of the kernel that they meet, in the order in which a convolution takes them. */
  readonly taps: readonly number[];
  /** Padding of the input. */
  readonly before: number;
  readonly after: number;
}

/** `size` pixels of the input give `out` of the output, in phases of ceil(out / stride) each. */
function phasesOf({ kernel, stride, before }: Window, axis: 0 | 1, size: number, out: number): Phase[] {
  const [taps, step, front] = [kernel[axis], stride[axis], before[axis]];
  return Array.from({ length: step }, (_, phase) => {
    const first = (phase + front) % step;
    const met = Array.from({ length: Math.ceil((taps - first) / step) }, (_, i) => first + i * step);
    const shift = Math.floor((phase + front) / step);
    return { taps: met.reverse(), before: met.length - 1 - shift, after: Math.ceil(out / step) + shift - size };
  });
}

/**
 * A transposed convolution with a stride: x [N, O, H, W], w [O, C/g, kH, kW] → [N, C, outH, outW]. Each phase of the output is a convolution of x
 * with the elements of the kernel that it meets, and then their pixels take turns: no product is computed that meets zeros between pixels.
 *
 * Undefined where channels do not divide into blocks, where x would have to be cut, and where some phases are empty, except for kernels
 * of a single element.
 */
export function blockedTransposed(
  g: Ops,
  x: Value,
  w: Value,
  bias: Value | undefined,
  { window, group }: ConvGeometry,
  [outH, outW]: Pair,
  block: number,
): Value | undefined {
  const [N, O, H, W] = x.shape as readonly [Dim, number, number, number];
  const [, perGroup, kH, kW] = w.shape as readonly [number, number, number, number];
  const C = perGroup * group;
  const isDepthwise = group > 1 && group === O && perGroup === 1;
  const isAligned = O % block === 0 && C % block === 0 && (group === 1 || isDepthwise);
  if (!isAligned || window.dilation.some((step) => step > 1)) return undefined;
  const [down, across] = [phasesOf(window, 0, H, outH), phasesOf(window, 1, W, outW)];
  const full = [down, across].map((phases) => phases.filter(({ taps }) => taps.length > 0));
  const isSingle = kH * kW === 1 && !bias;
  if (!isSingle && (full[0]!.length < down.length || full[1]!.length < across.length)) return undefined;
  if (full.flat().some(({ before, after }) => before < 0 || after < 0)) return undefined;

  const images = sharedBlocks(g, x, block);
  const [phaseH, phaseW] = [Math.ceil(outH / window.stride[0]), Math.ceil(outW / window.stride[1])];
  const convolved = (rows: Phase, columns: Phase): Value => {
    const taken = rows.taps.flatMap((i) => columns.taps.map((j) => i * kW + j));
    const sizes = [rows.taps.length, columns.taps.length] as const;
    const kernels = blockedKernels(
      g,
      { w, shape: [C, O / group, kH, kW], turned: true, taken, sizes },
      isDepthwise,
      block,
    );
    const attributes = {
      kernel_shape: sizes,
      pads: [rows.before, columns.before, rows.after, columns.after],
      group,
    };
    return nchwc(g, "Conv", [images, kernels, ...(bias ? [bias] : [])], attributes, [N, C, phaseH, phaseW]);
  };
  if (isSingle) {
    const at = [down, across].map((phases) => phases.findIndex(({ taps }) => taps.length > 0)) as [number, number];
    const y = convolved(full[0]![0]!, full[1]![0]!);
    return inChannels(g, spread(g, y, window.stride, at, [outH, outW], block));
  }
  const rows = down.map((row) =>
    interleaved(
      g,
      across.map((column) => convolved(row, column)),
      1,
      block,
    ),
  );
  return inChannels(g, cut(g, interleaved(g, rows, 0, block), [outH, outW], block));
}

/** Images in blocks with zeros between their pixels, of which the first is at this place. */
function spread(g: Ops, blocks: Value, stride: Pair, at: Pair, [outH, outW]: Pair, block: number): Value {
  const [N, C, H, W] = blocks.shape as readonly [Dim, number, number, number];
  const pixels = H * W;
  // one pixel more, which is zero
  const all = g.pad(g.reshape(blocks, [product([N, C / block]), pixels, block]), [0, 0, 0, 0, 1, 0]);
  const positions = Array.from({ length: outH * outW }, (_, i) => {
    const [row, column] = [Math.floor(i / outW) - at[0], (i % outW) - at[1]];
    return row % stride[0] === 0 && column % stride[1] === 0 ? (row / stride[0]) * W + column / stride[1] : pixels;
  });
  return g.reshape(g.one("Gather", [all, g.ints(positions)], { axis: 1 }), [N, C, outH, outW]);
}

/** The first pixels of images in blocks. */
function cut(g: Ops, blocks: Value, sizes: Pair, block: number): Value {
  return ([0, 1] as const).reduce((images, along) => {
    const more = (images.shape[along + 2] as number) - sizes[along];
    return more === 0 ? images : padded(g, images, along, [0, -more], block);
  }, blocks);
}

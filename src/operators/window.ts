import { attribute, check, type Dim, type Node, type Shape } from "../graph/index.ts";

/**
 * Geometry of a window that slides over the last two axes of [N, C, H, W]; every pair is (height, width), in pixels.
 * Convolution and pooling share it, and so do shapes, gradients and receptive fields.
 */
export interface Window {
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly dilation: readonly [number, number];
  /** Padding before (top, left). */
  readonly before: readonly [number, number];
  /** Padding after (bottom, right). */
  readonly after: readonly [number, number];
  readonly ceil: boolean;
}

/** What a convolution is besides its tensors. */
export interface ConvGeometry {
  readonly window: Window;
  readonly group: number;
}

type Attributed = Pick<Node, "op" | "attributes">;

/** Reads the window of a node over an input of this shape. The kernel is the attribute `kernel_shape` or that of a weight. */
export function windowOf(node: Attributed, x: Shape, kernel = attribute.ints(node, "kernel_shape")): Window {
  check(
    x.length === 4 && kernel.length === 2,
    () => `${node.op}: takes images [N, C, H, W], but the input has the shape [${x.join(", ")}]`,
  );
  const pair = (name: string) => attribute.ints(node, name, [1, 1]) as [number, number];
  const [stride, dilation] = [pair("strides"), pair("dilations")];
  const size = kernel as [number, number];
  const auto = attribute.string(node, "auto_pad", "NOTSET");
  const [top, left, bottom, right] = attribute.ints(node, "pads", [0, 0, 0, 0]) as [number, number, number, number];
  const explicit = { before: [top, left], after: [bottom, right] } as const;
  const padding = auto === "NOTSET" || auto === "VALID" ? explicit : samePadding(x, size, stride, dilation, auto);
  const ceil = attribute.int(node, "ceil_mode", 0) === 1;
  return { kernel: size, stride, dilation, ...padding, ceil };
}

/** The padding with which the output has ceil(input / stride) pixels (`auto_pad` SAME_UPPER and SAME_LOWER). */
function samePadding(
  x: Shape,
  kernel: readonly number[],
  stride: readonly number[],
  dilation: readonly number[],
  auto: string,
) {
  const before: number[] = [];
  const after: number[] = [];
  for (const axis of [0, 1]) {
    const size = knownSize(x[axis + 2]!);
    const reach = dilation[axis]! * (kernel[axis]! - 1) + 1;
    const total = Math.max(0, (Math.ceil(size / stride[axis]!) - 1) * stride[axis]! + reach - size);
    const small = Math.floor(total / 2);
    before.push(auto === "SAME_UPPER" ? small : total - small);
    after.push(auto === "SAME_UPPER" ? total - small : small);
  }
  return { before: before as [number, number], after: after as [number, number] };
}

export function knownSize(dim: Dim): number {
  check(typeof dim === "number", () => `the height and width of images have to be known, but one is ${dim}`);
  return dim;
}

/**
 * Pixels that a window yields along one axis (0 height, 1 width). With `ceil`, a last window may hang over the end, but has
 * to start inside the input or its front padding: PyTorch's rule.
 */
export function outputSize(size: number, window: Window, axis: 0 | 1): number {
  const { kernel, stride, dilation, before, after, ceil } = window;
  const room = size + before[axis] + after[axis] - dilation[axis] * (kernel[axis] - 1) - 1;
  const steps = ceil ? Math.ceil(room / stride[axis]) : Math.floor(room / stride[axis]);
  const count = ceil && steps * stride[axis] >= size + before[axis] ? steps : steps + 1;
  return room < 0 && !ceil ? 0 : count;
}

/** Height and width of the output. Throws where the window is larger than the padded input. */
export function outputSizes(op: string, x: Shape, window: Window): [number, number] {
  const [height, width] = [knownSize(x[2]!), knownSize(x[3]!)];
  const sizes: [number, number] = [outputSize(height, window, 0), outputSize(width, window, 1)];
  check(
    sizes[0] > 0 && sizes[1] > 0,
    () =>
      `${op}: a ${window.kernel.join("×")} window does not fit into ${height}×${width} pixels with padding ${window.before.join("×")}; use larger images or a smaller window`,
  );
  return sizes;
}

/** Padding after that makes a window without `ceil` yield as many pixels as this one does with it. */
export function explicitEnd(size: number, window: Window, axis: 0 | 1): number {
  const { kernel, stride, dilation, before, after } = window;
  const last = (outputSize(size, window, axis) - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1;
  return Math.max(after[axis], last - size - before[axis]);
}

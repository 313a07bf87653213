/** Pooling over one axis and over three, as pooling over images. */
import { attribute, check, product, type Shape } from "../graph/index.ts";
import type { Placeable, Placement } from "../passes/index.ts";

/**
 * Pooling over one axis, [N, C, L], or over three of which the window covers one or two, [N, C, D, H, W]: the others are put
 * together. So PyTorch exports LocalResponseNorm, which averages over channels. Throws for windows over all three.
 */
export function pooledAsImage(node: Placeable, place: Placement): Placeable {
  const [x] = node.inputs;
  const rank = x?.type.shape.length ?? 4;
  if (!x || rank === 4 || (rank !== 3 && rank !== 5)) return node;
  const view = { op: node.op, attributes: node.attributes ?? {} };
  const spatial = rank - 2;
  const ones = new Array<number>(spatial).fill(1);
  const kernel = attribute.ints(view, "kernel_shape");
  const strides = attribute.ints(view, "strides", ones);
  const dilations = attribute.ints(view, "dilations", ones);
  const pads = attribute.ints(view, "pads", new Array<number>(2 * spatial).fill(0));
  check(node.outputs.length === 1, () => `${node.op}: positions are only supported for images [N, C, H, W]`);
  const isIdle = (axis: number) =>
    kernel[axis] === 1 && strides[axis] === 1 && pads[axis] === 0 && pads[axis + spatial] === 0;
  const [N, C, ...sizes] = x.type.shape as [Shape[number], Shape[number], ...Shape[number][]];
  // [before, axes of the window, after], of which before joins the channels, and after the last axis
  let image: Shape;
  let axes: readonly (number | undefined)[];
  if (spatial === 1)
    [image, axes] = [
      [N, C, sizes[0]!, 1],
      [0, undefined],
    ];
  else if (isIdle(1) && isIdle(2))
    [image, axes] = [
      [N, C, sizes[0]!, product(sizes.slice(1))],
      [0, undefined],
    ];
  else if (isIdle(0))
    [image, axes] = [
      [N, product([C, sizes[0]!]), sizes[1]!, sizes[2]!],
      [1, 2],
    ];
  else if (isIdle(2))
    [image, axes] = [
      [N, C, sizes[0]!, sizes[1]!],
      [0, 1],
    ];
  else {
    check(false, () => `${node.op}: a window over three axes, ${kernel.join("×")}, is not supported; only images are`);
    return node;
  }
  check(
    !(spatial === 3 && isIdle(2) && !isIdle(1)) || sizes[2] === 1,
    () => `${node.op}: a window over three axes, ${kernel.join("×")}, is not supported; only images are`,
  );
  const of = (values: readonly number[], otherwise: number, offset = 0) =>
    axes.map((axis) => (axis === undefined ? otherwise : values[axis + offset]!));
  const { auto_pad, ceil_mode, count_include_pad } = view.attributes;
  const isPool = node.op === "MaxPool";
  const attributes = {
    ...(auto_pad !== undefined && { auto_pad }),
    ...(ceil_mode !== undefined && { ceil_mode }),
    ...(count_include_pad !== undefined && !isPool && { count_include_pad }),
    ...(isPool && { dilations: of(dilations, 1) }),
    kernel_shape: of(kernel, 1),
    strides: of(strides, 1),
    pads: [...of(pads, 0), ...of(pads, 0, spatial)],
  };
  const [pooled] = place.place({
    ...node,
    inputs: [place.reshape(x, image)],
    attributes,
    outputs: [`${node.outputs[0]}_image`],
  });
  const [height, width] = pooled!.type.shape.slice(2) as [Shape[number], Shape[number]];
  const out: Shape[number][] = [...sizes];
  axes.forEach((axis, i) => {
    if (axis !== undefined) out[axis] = [height, width][i]!;
  });
  const target = [N, C, ...out];
  const given = pooled!.type.shape;
  const sized = target.map((dim, axis) => (typeof dim === "number" ? dim : given[axis] === dim ? 0 : -1));
  return { ...node, op: "Reshape", inputs: [pooled, place.ints(sized)], attributes: {} };
}

import { attribute, check, type Dim, formatShape, product, type Shape, type Value } from "../graph/index.ts";
import type { Application, GradientRules, Operator } from "./operator.ts";
import type { Ops } from "./ops.ts";
import { separable, transposed } from "./pooling.ts";

/** Whether an optional vector is there; Resize lets it be empty too. */
const given = (node: Pick<Application, "inputs">, i: number) =>
  node.inputs[i] !== undefined && node.inputs[i].shape[0] !== 0;

function blockSize(node: Application): number {
  const size = attribute.int(node, "blocksize");
  check(size > 0, () => `${node.op}: the block size has to be positive, but is ${size}`);
  return size;
}

/** [N, C, H, W] with blocks of pixels moved into channels (`deeper`), or the other way round. */
function inBlocks(node: Application, deeper: boolean): Shape {
  const { op } = node;
  const { shape } = node.x;
  const b = blockSize(node);
  check(shape.length === 4, () => `${op}: takes images [N, C, H, W], not ${formatShape(shape)}`);
  const [N, C, H, W] = shape as readonly [Dim, number, number, number];
  const sizes = deeper ? [C * b * b, H / b, W / b] : [C / (b * b), H * b, W * b];
  check(sizes.every(Number.isInteger), () => `${op}: ${formatShape(shape)} does not divide into blocks of ${b}×${b}`);
  return [N, ...sizes];
}

/** Operators that change the number of pixels. */
export const resampling = {
  /**
   * Images of another size: x [N, C, H, W] → y [N, C, outH, outW], the sizes or their scales being an input. Interpolation
   * is a product with a matrix on either side, and so is its gradient.
   */
  Resize: {
    infer(node) {
      const { dtype, shape } = node.x;
      if (given(node, 3)) {
        const sizes = node.sizes(3);
        check(sizes.length === shape.length, () => `Resize: ${sizes.length} sizes for ${shape.length} axes`);
        return [{ dtype, shape: sizes }];
      }
      const scales = node.numbers(2);
      check(scales.length === shape.length, () => `Resize: ${scales.length} scales for ${shape.length} axes`);
      const sizes = shape.map((dim, axis) => {
        const scale = scales[axis]!;
        if (scale === 1) return dim;
        if (typeof dim === "number") return Math.floor(dim * scale);
        check(Number.isInteger(scale), () => `Resize: ${dim} times ${scale} is not known before the graph runs`);
        return product([dim, scale]);
      });
      return [{ dtype, shape: sizes }];
    },
  },
  /** Channels become pixels: x [N, C·b², H, W] → y [N, C, H·b, W·b]; `mode` says which of them lie apart. */
  DepthToSpace: {
    infer: (node) => [{ dtype: node.x.dtype, shape: inBlocks(node, false) }],
  },
  /** Pixels become channels: x [N, C, H·b, W·b] → y [N, C·b², H, W] */
  SpaceToDepth: {
    infer: (node) => [{ dtype: node.x.dtype, shape: inBlocks(node, true) }],
  },
} as const satisfies Record<string, Operator>;

/** One axis of a Resize: pixels before and after, and how many after come from one before. */
interface Axis {
  readonly size: number;
  readonly out: number;
  readonly scale: number;
}

/** Position in the input of pixel `o` of the output, in pixels: ONNX's `coordinate_transformation_mode`. */
function source(mode: string, o: number, { size, out, scale }: Axis): number {
  switch (mode) {
    case "half_pixel":
      return (o + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return out > 1 ? (o + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return out > 1 ? (o * (size - 1)) / (out - 1) : 0;
    case "asymmetric":
      return o / scale;
    default:
      throw new Error(`Resize: coordinate_transformation_mode "${mode}" has no gradient here`);
  }
}

/** ONNX's `nearest_mode`. */
const NEAREST: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** Weight of a pixel at a distance below 2 in cubic convolution (Keys 1981). */
const cubic = (d: number, a: number) =>
  d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1 : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;

/** Resizing along one axis as a matrix [out, size]. */
function resizeMatrix(node: Application, axis: Axis): Float32Array {
  const { size, out } = axis;
  const mode = attribute.string(node, "mode", "nearest");
  const coordinates = attribute.string(node, "coordinate_transformation_mode", "half_pixel");
  const inside = (at: number) => Math.min(Math.max(at, 0), size - 1);
  const matrix = new Float32Array(out * size);
  const add = (o: number, at: number, weight: number) => {
    matrix[o * size + inside(at)]! += weight;
  };
  for (let o = 0; o < out; o++) {
    const at = source(coordinates, o, axis);
    if (mode === "nearest") {
      add(o, NEAREST[attribute.string(node, "nearest_mode", "round_prefer_floor")]!(at), 1);
    } else if (mode === "cubic") {
      check(attribute.int(node, "exclude_outside", 0) === 0, () => "Resize: exclude_outside has no gradient here");
      const low = Math.floor(at);
      const a = attribute.float(node, "cubic_coeff_a", -0.75);
      for (let i = -1; i <= 2; i++) add(o, low + i, cubic(Math.abs(at - low - i), a));
    } else {
      check(mode === "linear", () => `Resize: mode "${mode}" has no gradient here`);
      const low = Math.floor(inside(at));
      const share = inside(at) - low;
      add(o, low, 1 - share);
      add(o, low + 1, share);
    }
  }
  return matrix;
}

/** What moves pixels of channels to where blocks of channels are apart: DepthToSpace's mode CRD backwards. */
function spaceToChannels(g: Ops, y: Value, b: number): Value {
  const [N, C, H, W] = y.shape as readonly [Dim, number, number, number];
  const apart = g.reshape(y, [N, C, H / b, b, W / b, b]);
  return g.reshape(g.transpose(apart, [0, 1, 3, 5, 2, 4]), [N, C * b * b, H / b, W / b]);
}

/** Gradient rules of the operators above. */
export const resamplingGradients = (): GradientRules<typeof resampling> => ({
  Resize(g, node) {
    const { x, y, dy } = node;
    check(
      x.shape.length === 4 && x.shape[0] === y.shape[0] && x.shape[1] === y.shape[1],
      () =>
        `Resize: ${formatShape(x.shape)} to ${formatShape(y.shape)} has no gradient; only a change of height and width has`,
    );
    const scales = given(node, 3) ? undefined : node.known(2);
    const [rows, columns] = [2, 3].map((axis) => {
      const [size, out] = [x.shape[axis] as number, y.shape[axis] as number];
      const matrix = resizeMatrix(node, { size, out, scale: scales ? Number(scales[axis]) : out / size });
      return transposed(matrix, size);
    });
    return [separable(g, dy, rows!, columns!)];
  },
  DepthToSpace(g, node) {
    const blocksize = blockSize(node);
    const crd = attribute.string(node, "mode", "DCR") === "CRD";
    return [crd ? spaceToChannels(g, node.dy, blocksize) : g.one("SpaceToDepth", [node.dy], { blocksize })];
  },
  SpaceToDepth: (g, node) => [g.one("DepthToSpace", [node.dy], { blocksize: blockSize(node) })],
});

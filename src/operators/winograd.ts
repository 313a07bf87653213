import { isStatic, numel, type Value } from "../graph/index.ts";
import { channelsFirst, channelsLast } from "./channels-last.ts";
import type { Ops } from "./ops.ts";
import { outputSizes, type Window } from "./window.ts";

/*
 * Winograd's convolutions, F(m × m, r × r): m × m pixels of the output at once, from a tile of n × n pixels of the input, n = m + r − 1. Tile and
 * kernel are transformed, and a product for each of n² positions then does the work of r² of them for m² pixels: a quarter of the
 * multiplications for r = 3, a sixth for r = 5.
 *
 *     y = Aᵀ [(G w Gᵀ) ⊙ (B d Bᵀ)] A        Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2015
 *
 * The transforms are matrix products too, of matrices that hold those of rows and columns at once. Tiles lie as [n², tiles, channels].
 */

/** Side of the tiles of the output, in pixels. */
const SIDE = 4;

/** Where the polynomials are evaluated, besides at infinity, by the side of the kernel: of the choices tried, these round least. */
const POINTS: Readonly<Record<number, readonly number[]>> = {
  3: [0, 1, -1, 0.5, -2],
  5: [0, 1, -1, 2, -2, 0.5, -0.5],
};

type Matrix = readonly (readonly number[])[];
type Kernels = readonly [O: number, C: number, kH: number, kW: number];

/** What transforms a tile of the input, a kernel, and a tile of products into one of the output. */
interface Transforms {
  /** Side of the input's tiles. */
  readonly size: number;
  /** [n², n²] */
  readonly tile: Matrix;
  /** [n², r²] */
  readonly kernel: Matrix;
  /** [m², n²] */
  readonly output: Matrix;
}

/** Coefficients of Π (x − root), those of the lowest power first. */
function polynomial(roots: readonly number[]): number[] {
  let product = [1];
  for (const root of roots) product = [0, ...product].map((above, i) => above - root * (product[i] ?? 0));
  return product;
}

/** Rows and columns at once: the Kronecker product of a matrix with itself. */
const squared = (matrix: Matrix): Matrix =>
  matrix.flatMap((row) => matrix.map((other) => row.flatMap((a) => other.map((b) => a * b))));

const known = new Map<number, Transforms>();

/** The transforms of Toom and Cook, for kernels with this side: polynomials are multiplied at points. */
export function winogradTransforms(side: number): Transforms | undefined {
  const points = POINTS[side];
  if (!points) return undefined;
  const found = known.get(side) ?? computed(side, points);
  known.set(side, found);
  return found;
}

function computed(side: number, points: readonly number[]): Transforms {
  const size = points.length + 1;
  const powers = (point: number, count: number) => Array.from({ length: count }, (_, power) => point ** power);
  const unit = (count: number) => Array.from({ length: count }, (_, i) => (i === count - 1 ? 1 : 0));
  const others = points.map((point) => points.filter((other) => other !== point));
  const tile = [...others.map((roots) => [...polynomial(roots), 0]), polynomial(points)];
  const kernel = points.map((point, i) => {
    const scale = others[i]!.reduce((product, other) => product * (point - other), 1);
    return powers(point, side).map((power) => power / scale);
  });
  const output = [...points.map((point) => powers(point, SIDE)), unit(SIDE)];
  return {
    size,
    tile: squared(tile),
    kernel: squared([...kernel, unit(side)]),
    output: squared(Array.from({ length: SIDE }, (_, i) => output.map((row) => row[i]!))),
  };
}

/** A transform takes about as long for each number as so many multiplications of the product. */
const OVERHEAD = 100;
/** The same for the gradients if they share the tiles of dy: those are smaller, as they do not overlap. */
const SHARED_OVERHEAD = 60;
/** Tiles from which on it pays to transform the kernels. */
const MANY_TILES = 32;
/** Bytes of tiles that are worked on at once. */
const MOST_BYTES = 56e6;
/**
 * Parts of a batch, at most, that gradients work on one after the other. The forward pass takes a batch at once: what it leaves free between activations
 * that are kept until the backward pass, ONNX Runtime rarely finds a use for.
 */
const MOST_PARTS = 16;

/** Images of a batch from the first to before the last. */
type Range = readonly [first: number, end: number];

/** How a convolution is divided into tiles. */
interface Plan extends Transforms {
  /** Positions in a tile, n². */
  readonly count: number;
  /** Tiles of an image. */
  readonly down: number;
  readonly across: number;
  /** Images whose tiles are worked on at once. */
  readonly parts: readonly Range[];
}

/** Number of tiles of some of the images. */
const tilesIn = ([first, end]: Range, { down, across }: Plan) => (end - first) * down * across;

/**
 * How to compute a convolution with an output [N, O, outH, outW]; undefined where transforms take more than they save. They pay for
 * square kernels with stride 1 and many channels. `transformed` are the channels that are transformed for each product.
 */
function planFor(
  [O, C, kH, kW]: Kernels,
  output: Value["shape"],
  { stride, dilation }: Window,
  { mostParts = MOST_PARTS, transformed = C + O, overhead = OVERHEAD } = {},
): Plan | undefined {
  const isPlain = kH === kW && [...stride, ...dilation].every((step) => step === 1) && isStatic(output);
  const transforms = isPlain ? winogradTransforms(kH) : undefined;
  if (!transforms) return undefined;
  const [N, , outH, outW] = output as readonly [number, number, number, number];
  const [down, across] = [Math.ceil(outH / SIDE), Math.ceil(outW / SIDE)];
  const count = transforms.size ** 2;
  const saved = (kH * kW * outH * outW) / (down * across) - count;
  const bytes = 4 * count * down * across * Math.max(C, O);
  const parts = Math.ceil(N / Math.max(1, Math.floor(MOST_BYTES / bytes)));
  const pays = N * down * across >= MANY_TILES && saved * C * O > overhead * count * transformed;
  if (!pays || bytes > MOST_BYTES || parts > mostParts) return undefined;
  const images = Math.ceil(N / parts);
  const ranges = Array.from(
    { length: Math.ceil(N / images) },
    (_, i): Range => [i * images, Math.min(N, (i + 1) * images)],
  );
  return { ...transforms, count, down, across, parts: ranges };
}

/**
 * ONNX Runtime plans to use memory again for the next tensor of exactly the same shape, and keeps it until then. Between the forward pass and
 * the backward pass of a layer that is most of a step, so what the forward pass computes has one more axis, of one element.
 */
type Pass = "forward" | "backward";
const apart = (pass: Pass): readonly number[] => (pass === "forward" ? [1] : []);

const matrix = (g: Ops, rows: Matrix, pass: Pass = "backward"): Value => {
  const shape = [...apart(pass), rows.length, rows[0]!.length];
  return g.constant({ dtype: "float32", shape, data: Float32Array.from(rows.flat()) });
};

/** Where the tiles of an image lie. */
interface Grid {
  readonly down: number;
  readonly across: number;
  /** Side of a tile, in pixels. */
  readonly size: number;
  /** First pixel of the first tile. */
  readonly start: readonly [number, number];
}

/** images [N, H, W, C] → the pixels of the tiles of some of them, [size², images·down·across·C] */
function tilesOf(g: Ops, images: Value, [first, end]: Range, { down, across, size, start }: Grid, pass: Pass): Value {
  const [N, H, W, C] = images.shape as readonly [number, number, number, number];
  const count = (end - first) * down * across;
  const positions = new Int32Array(size * size * count);
  let next = 0;
  for (let row = 0; row < size; row++)
    for (let column = 0; column < size; column++)
      for (let image = first; image < end; image++)
        for (let i = 0; i < down; i++)
          for (let j = 0; j < across; j++)
            positions[next++] = (image * H + start[0] + i * SIDE + row) * W + start[1] + j * SIDE + column;
  return g.reshape(gatherRows(g, g.reshape(images, [N * H * W, C]), positions, pass), [size * size, count * C]);
}

const gatherRows = (g: Ops, x: Value, data: Int32Array, pass: Pass) =>
  g.one("Gather", [x, g.constant({ dtype: "int32", shape: [...apart(pass), data.length], data })], { axis: 0 });

/**
 * tiles [size², N·down·across, C] → images [N, H, W, C]. Tiles larger than SIDE overlap and are added up. They need one more row, of zeros, for
 * pixels that fewer tiles cover.
 */
function imagesOfTiles(
  g: Ops,
  tiles: Value,
  [N, H, W, C]: readonly [number, number, number, number],
  { down, across, size, start }: Grid,
  pass: Pass,
): Value {
  const count = N * down * across;
  const rows = g.reshape(tiles, [numel(tiles.shape as number[]) / C, C]);
  // every pixel from the tile that starts in its block of SIDE × SIDE, then from the tiles before that, which reach into it
  const before = Array.from({ length: Math.ceil(size / SIDE) }, (_, i) => i);
  const layers = before.flatMap((left) =>
    before.map((up) => {
      const positions = new Int32Array(N * H * W);
      let next = 0;
      for (let image = 0; image < N; image++)
        for (let row = -start[0]; row < H - start[0]; row++)
          for (let column = -start[1]; column < W - start[1]; column++) {
            const [i, j] = [Math.floor(row / SIDE) - up, Math.floor(column / SIDE) - left];
            const [y, x] = [row - i * SIDE, column - j * SIDE];
            const isInside = i >= 0 && i < down && j >= 0 && j < across && y < size && x < size;
            const tile = (image * down + i) * across + j;
            positions[next++] = isInside ? (y * size + x) * count + tile : size * size * count;
          }
      return gatherRows(g, rows, positions, pass);
    }),
  );
  return g.reshape(
    layers.reduce((sum, layer) => g.add(sum, layer)),
    [N, H, W, C],
  );
}

/** The images that a window slides over, with zeros around them so that tiles are whole, [N, H, W, C]. */
function borderedImages(
  g: Ops,
  x: Value,
  before: Window["before"],
  [endH, endW]: readonly [number, number],
  block?: number,
) {
  const [, , H, W] = x.shape as readonly number[];
  const after = [Math.max(0, endH - before[0] - H!), Math.max(0, endW - before[1] - W!)] as const;
  return channelsLast(g, x, { before, after }, block);
}

/** Pixels that tiles of this size reach along an axis of so many outputs. */
const reachOf = (out: number, size: number) => (Math.ceil(out / SIDE) - 1) * SIDE + size;

/** A convolution's weight; if `turned`, that of the transposed one: [C, O, r, r] for [O, C, r, r], each kernel turned by 180°. */
interface Weight {
  readonly w: Value;
  readonly shape: Kernels;
  readonly turned: boolean;
}

/** x [N, C, H, W], w [O, C, r, r], bias [O] → y [N, O, outH, outW]; undefined where that is not faster. */
export function winogradConvolution(
  g: Ops,
  x: Value,
  { w, shape, turned }: Weight,
  bias: Value | undefined,
  window: Window,
  block?: number,
): Value | undefined {
  const [O, C] = shape;
  const [outH, outW] = outputSizes("Conv", x.shape, window);
  const plan = planFor(shape, [x.shape[0]!, O, outH, outW], window, { mostParts: turned ? MOST_PARTS : 1 });
  if (!plan || window.before.some((pixels) => pixels < 0)) return undefined;
  const { size, tile, kernel, output, count, down, across } = plan;
  const pass = turned ? "backward" : "forward";
  // first, because ONNX Runtime computes the later of two inputs first: the kernels of all layers would be kept until they are needed
  const taps = turned ? kernel.map((row) => row.toReversed()) : kernel;
  const kernels = g.reshape(
    g.matmulT(matrix(g, taps, pass), g.reshape(w, [O * C, numel(window.kernel)]), { transB: true }),
    turned ? [count, C, O] : [count, O, C],
  );
  const images = borderedImages(g, x, window.before, [reachOf(outH, size), reachOf(outW, size)], block);
  const [toTiles, toPixels] = [matrix(g, tile, pass), matrix(g, output, pass)];
  const parts = plan.parts.map((range) => {
    const each = tilesIn(range, plan);
    const tiles = g.matmul(toTiles, tilesOf(g, images, range, { down, across, size, start: [0, 0] }, pass));
    const products = g.matmulT(g.reshape(tiles, [...apart(pass), count, each, C]), kernels, { transB: !turned });
    const pixels = g.matmul(toPixels, g.reshape(products, [count, each * O]));
    return imagesOfTiles(
      g,
      pixels,
      [range[1] - range[0], outH, outW, O],
      { down, across, size: SIDE, start: [0, 0] },
      pass,
    );
  });
  return channelsFirst(g, g.concat(parts, 0), bias, block);
}

/**
 * Whether the gradient of the input uses the tiles of dy that the gradient of the weight transforms. If not, it is a convolution of dy with larger
 * tiles of its own, which is slower where dy has more channels than x.
 */
const sharesTiles = ([O, C]: Kernels) => O > C;

/** The plan for the gradient of the weight, and for that of the input if they share tiles, which are transformed once for both. */
const gradientPlan = (shape: Kernels, output: Value["shape"], window: Window): Plan | undefined => {
  const [O, C] = shape;
  const shared = { transformed: O / 2 + C, overhead: SHARED_OVERHEAD };
  return planFor(shape, output, window, sharesTiles(shape) ? shared : {});
};

/** Tiles of dy [N, H, W, O], transformed to the gradients of the products: [n², images·down·across, O] */
function sharesOf(g: Ops, dy: Value, range: Range, plan: Plan, start: Grid["start"]): Value {
  const { output, count, down, across } = plan;
  const tiles = tilesOf(g, dy, range, { down, across, size: SIDE, start }, "backward");
  return g.reshape(g.matmul(matrix(g, transposed(output)), tiles), [count, tilesIn(range, plan), dy.shape[3]!]);
}

/**
 * Gradient of the input by the transposed transforms in reverse order, with the tiles of dx added up where they overlap; undefined where that is
 * not faster. `window` is the convolution's.
 *
 *     dy [N, O, outH, outW], w [O, C, r, r], bias [C] → dx [N, C, H, W]
 */
export function winogradInputGradient(
  g: Ops,
  [dy, w, bias]: readonly [Value, Value, Value | undefined],
  window: Window,
  [H, W]: readonly [number, number],
  block?: number,
): Value | undefined {
  const shape = w.shape as Kernels;
  const [O, C] = shape;
  const plan = sharesTiles(shape) ? gradientPlan(shape, dy.shape, window) : undefined;
  if (!plan) return undefined;
  const { size, tile, kernel, count, down, across } = plan;
  const kernels = g.reshape(
    g.matmulT(matrix(g, kernel), g.reshape(w, [O * C, numel(window.kernel)]), { transB: true }),
    [count, O, C],
  );
  const [outH, outW] = dy.shape.slice(2) as [number, number];
  const images = borderedImages(g, dy, [0, 0], [reachOf(outH, SIDE), reachOf(outW, SIDE)], block);
  const toPixels = matrix(g, [...transposed(tile), Array<number>(count).fill(0)]);
  const grid: Grid = { down, across, size, start: [-window.before[0], -window.before[1]] };
  const parts = plan.parts.map((range) => {
    const products = g.matmul(sharesOf(g, images, range, plan, [0, 0]), kernels);
    const pixels = g.matmul(toPixels, g.reshape(products, [count, tilesIn(range, plan) * C]));
    return imagesOfTiles(g, pixels, [range[1] - range[0], H, W, C], grid, "backward");
  });
  return channelsFirst(g, g.concat(parts, 0), bias, block);
}

/** Gradient of the weight: dy [N, O, outH, outW], x [N, C, H, W] → dw [O, C, r, r]; undefined where that is not faster. */
export function winogradWeightGradient(g: Ops, dy: Value, x: Value, shape: Kernels, window: Window): Value | undefined {
  const [O, C] = shape;
  const [outH, outW] = dy.shape.slice(2) as [number, number];
  const plan = gradientPlan(shape, dy.shape, window);
  if (!plan) return undefined;
  const { size, tile, kernel, count, down, across } = plan;
  const images = borderedImages(g, x, window.before, [reachOf(outH, size), reachOf(outW, size)]);
  // the border that the gradient of the input puts around dy, so that both read the same
  const isShared = sharesTiles(shape);
  const [top, left] = [window.kernel[0] - 1 - window.before[0], window.kernel[1] - 1 - window.before[1]];
  const start = isShared ? ([0, 0] as const) : ([Math.max(0, top), Math.max(0, left)] as const);
  const end = ([0, 1] as const).map((axis) => {
    const whole = start[axis] + reachOf([outH, outW][axis]!, SIDE);
    return isShared ? whole : Math.max(reachOf(x.shape[axis + 2] as number, size), whole);
  });
  const around = borderedImages(g, dy, start, end as [number, number]);
  const parts = plan.parts.map((range) => {
    const tiles = tilesOf(g, images, range, { down, across, size, start: [0, 0] }, "backward");
    const seen = g.reshape(g.matmul(matrix(g, tile), tiles), [count, tilesIn(range, plan), C]);
    return g.matmulT(sharesOf(g, around, range, plan, start), seen, { transA: true });
  });
  const products = g.reshape(g.sum(parts), [count, O * C]);
  // r² long rows, transposed afterwards: a product with O·C rows of r² numbers is slower
  return g.reshape(g.transpose(g.matmul(matrix(g, transposed(kernel)), products), [1, 0]), shape);
}

const transposed = (rows: Matrix): Matrix => rows[0]!.map((_, i) => rows.map((row) => row[i]!));

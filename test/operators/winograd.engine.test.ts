import fc from "fast-check";
import { expect, it } from "vitest";
import { Graph, numel } from "../../src/graph/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { winogradTransforms } from "../../src/operators/winograd.ts";
import { differentiate, lower, simplify } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";

interface Case {
  readonly side: 3 | 5;
  readonly images: number;
  readonly channels: readonly [input: number, output: number];
  readonly size: readonly [number, number];
  readonly pads: readonly [top: number, left: number, bottom: number, right: number];
}

/** A convolution with changing weights, and the gradients of Σ dy · y. */
function convolutionGraph({ side, images, channels: [C, O], size, pads }: Case): Graph {
  const graph = new Graph("convolution");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [images, C, ...size]);
  const [w, b] = [graph.input("w", "float32", [O, C, side, side]), graph.input("b", "float32", [O])];
  const y = g.one("Conv", [x, w, b], { kernel_shape: [side, side], pads });
  const dy = graph.input("dy", "float32", y.shape);
  const loss = g.reduceSum(g.mul(y, dy), [0, 1, 2, 3], false);
  const { graph: backward, gradients } = differentiate(graph, loss, [x, w]);
  backward.output("y", y);
  for (const [value, gradient] of gradients) backward.output(`d${value.name}`, gradient);
  return backward;
}

/** The same as sums in float64. */
function expected(feeds: Record<"x" | "w" | "b" | "dy", ArrayLike<number>>, c: Case, [outH, outW]: readonly number[]) {
  const { side, images, channels, size, pads } = c;
  const [C, O] = channels;
  const [H, W] = size;
  const { x, w, b, dy } = feeds;
  const y = new Float64Array(images * O * outH! * outW!);
  const [dx, dw] = [new Float64Array(x.length), new Float64Array(w.length)];
  for (let at = 0; at < y.length; at++) {
    const [column, row] = [at % outW!, Math.floor(at / outW!) % outH!];
    const [o, image] = [Math.floor(at / (outH! * outW!)) % O, Math.floor(at / (O * outH! * outW!))];
    let sum = b[o]!;
    for (let channel = 0; channel < C; channel++)
      for (let i = 0; i < side; i++)
        for (let j = 0; j < side; j++) {
          const [h, v] = [row + i - pads[0], column + j - pads[1]];
          if (h < 0 || v < 0 || h >= H || v >= W) continue;
          const pixel = ((image * C + channel) * H + h) * W + v;
          const tap = ((o * C + channel) * side + i) * side + j;
          sum += x[pixel]! * w[tap]!;
          dx[pixel]! += dy[at]! * w[tap]!;
          dw[tap]! += dy[at]! * x[pixel]!;
        }
    y[at] = sum;
  }
  return { y, dx, dw };
}

const rootMeanSquare = (values: ArrayLike<number>) =>
  Math.sqrt(Array.from(values).reduce((sum, value) => sum + value * value, 0) / values.length);

/** Graphs as ONNX Runtime gets them on a processor; `dense` are the convolutions that Winograd's replace. */
function lowered(graph: Graph) {
  const { nodes } = simplify(lower(graph, "cpu", { block: 8 }));
  const dense = nodes.filter(({ op, inputs }) => op.startsWith("Conv") && Number(inputs[1]!.shape[1]) > 1);
  return { nodes, dense };
}

const pad = (side: number) => fc.integer({ min: 0, max: side - 1 });
const cases = fc.constantFrom(3 as const, 5 as const).chain((side) =>
  fc.record<Case>({
    side: fc.constant(side),
    // tiles enough for the convolution and for the gradient of its input
    images: fc.integer({ min: 8, max: 9 }),
    channels: fc.tuple(fc.integer({ min: 100, max: 130 }), fc.constantFrom(104, 112, 113)),
    size: fc.tuple(fc.integer({ min: 7, max: 12 }), fc.integer({ min: 7, max: 12 })),
    pads: fc.tuple(pad(side), pad(side), pad(side), pad(side)),
  }),
);

it("convolutions and their gradients by Winograd's transforms are those of sums in float64", async () => {
  await fc.assert(
    fc.asyncProperty(
      cases,
      fc.constantFrom("native" as const, "wasm" as const),
      fc.nat(1000),
      async (c, build, seed) => {
        const graph = convolutionGraph(c);
        const outputs = Object.fromEntries([...graph.outputs].map(([name, { shape }]) => [name, shape as number[]]));
        const [outH, outW] = outputs.y!.slice(2) as [number, number];
        const tiles = (height: number, width: number) => c.images * Math.ceil(height / 4) * Math.ceil(width / 4);
        fc.pre(tiles(outH, outW) >= 32 && tiles(...c.size) >= 32);
        const draw = new Draw(seed);
        const { x, w, b, dy } = {
          x: draw.uniform([c.images, c.channels[0], ...c.size]),
          w: draw.uniform([c.channels[1], c.channels[0], c.side, c.side]),
          b: draw.uniform([c.channels[1]]),
          dy: draw.uniform(outputs.y!),
        };
        const executable = await nodeEngine({ build, threads: 1 }).compile(graph);
        const results = await executable.run({ x, w, b, dy });
        const wanted = expected({ x: x.data, w: w.data, b: b.data, dy: dy.data }, c, [outH, outW]);
        for (const name of ["y", "dx", "dw"] as const) {
          const { data } = await results[name]!.read();
          const error = wanted[name].map((value, i) => value - Number(data[i]));
          // about three times what the transforms round on such numbers
          expect(rootMeanSquare(error) / rootMeanSquare(wanted[name]), name).toBeLessThan(c.side === 3 ? 5e-6 : 1.2e-5);
        }
        await executable.dispose();
      },
    ),
    { numRuns: 6 },
  );
});

it("takes Winograd's transforms where they pay, weight gradients included", () => {
  const plain = { side: 3, images: 16, size: [14, 14], pads: [1, 1, 1, 1] } as const;
  expect(lowered(convolutionGraph({ ...plain, channels: [128, 128] })).dense).toEqual([]);
  expect(lowered(convolutionGraph({ ...plain, side: 5, pads: [2, 2, 2, 2], channels: [96, 192] })).dense).toEqual([]);
  // channels that do not divide into blocks
  expect(lowered(convolutionGraph({ ...plain, channels: [150, 320] })).dense).toEqual([]);
  // few channels, few tiles, and a batch too large to be worked on in sixteen parts
  expect(lowered(convolutionGraph({ ...plain, channels: [16, 32] })).dense).toHaveLength(2);
  expect(lowered(convolutionGraph({ ...plain, images: 1, channels: [128, 128] })).dense).toHaveLength(2);
  expect(lowered(convolutionGraph({ ...plain, images: 4000, channels: [128, 128] })).dense).toHaveLength(2);
});

it("transforms the gradient of the output once for both gradients where it has more channels than the input", () => {
  const layer = { side: 3, images: 16, size: [14, 14], pads: [1, 1, 1, 1] } as const;
  const transformed = (channels: Case["channels"]) =>
    lowered(convolutionGraph({ ...layer, channels })).nodes.filter(
      ({ op, inputs: [matrix], outputs: [tiles] }) =>
        op === "MatMul" && matrix!.shape[0] === 36 && Number(tiles!.shape[1]) === 16 * 16 * channels[1],
    );
  expect(transformed([96, 192])).toHaveLength(1);
  // with whole tiles for dw, with larger ones for dx
  expect(transformed([193, 192])).toHaveLength(2);
});

it.each([
  [128, 24],
  [131, 24],
  // more parts than fit without one that would be empty
  [16, 208],
])("gradients of %i images of %i pixels a side are computed in parts", (images, side) => {
  const graph = convolutionGraph({ side: 3, images, channels: [96, 96], size: [side, side], pads: [1, 1, 1, 1] });
  const { nodes, dense } = lowered(graph);
  // the forward pass is not divided
  expect(dense).toHaveLength(1);
  const tiles = nodes.filter(({ op }) => op === "MatMul");
  expect(tiles.length).toBeGreaterThan(0);
  const bytes = tiles.map(({ outputs }) => 4 * numel(outputs[0]!.shape as number[]));
  expect(Math.max(...bytes)).toBeLessThanOrEqual(56e6);
});

it.each([3, 5])("the transforms of kernels with side %i give a correlation, to rounding in float64", (side) => {
  const { size, tile, kernel, output } = winogradTransforms(side)!;
  const draw = new Draw(side);
  const [d, w] = [draw.uniform([size * size]).data, draw.uniform([side * side]).data];
  const times = (rows: readonly (readonly number[])[], v: ArrayLike<number>) =>
    rows.map((row) => row.reduce((sum, factor, i) => sum + factor * v[i]!, 0));
  const [tiles, kernels] = [times(tile, d), times(kernel, w)];
  const pixels = times(
    output,
    tiles.map((value, i) => value * kernels[i]!),
  );
  const wanted = pixels.map((_, at) => {
    const [row, column] = [Math.floor(at / 4), at % 4];
    return w.reduce((sum, tap, i) => {
      const [down, across] = [Math.floor(i / side), i % side];
      return sum + tap * d[(row + down) * size + column + across]!;
    }, 0);
  });
  pixels.forEach((value, i) => {
    expect(value).toBeCloseTo(wanted[i]!, 10);
  });
});

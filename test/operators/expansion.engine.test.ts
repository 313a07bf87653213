import fc from "fast-check";
import { expect, it } from "vitest";
import { Float, Graph, numel, type TensorData, type Value } from "../../src/graph/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { differentiate, lower, simplify } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose } from "../support/family.ts";

interface Case {
  readonly images: number;
  readonly channels: readonly [input: number, output: number];
  readonly sizes: readonly [number, number];
  readonly bias: boolean;
}

/**
 * Loss and gradients of a pointwise convolution with batch normalization; `hidden` if it is not seen that one follows the other. No ReLU: what
 * rounds to either side of 0 would differ.
 */
function graphOf({ images, channels: [C, O], sizes, bias }: Case, { hidden }: { hidden: boolean }): Graph {
  const graph = new Graph("expanded");
  const g = new Ops(graph);
  const u = graph.input("u", "float32", [images, C, ...sizes]);
  const w = graph.input("w", "float32", [O, C, 1, 1]);
  const [b, scale, shift] = ["b", "scale", "shift"].map((name) => graph.input(name, "float32", [O])) as [
    Value,
    Value,
    Value,
  ];
  const x = g.one("Conv", bias ? [u, w, b] : [u, w], { kernel_shape: [1, 1] });
  const [mean, variance] = [0, 1].map((value) => g.floats(Array<number>(O).fill(value))) as [Value, Value];
  const inputs = [hidden ? g.neg(g.neg(x)) : x, scale, shift, mean, variance];
  const attributes = { training_mode: 1, epsilon: new Float(1e-3), momentum: new Float(0.5) };
  const [y, nextMean, nextVariance] = g.emit("BatchNormalization", inputs, attributes, { outputs: 3 });
  const dy = graph.input("dy", "float32", x.shape);
  const loss = g.reduceSum(g.mul(y!, dy), [0, 1, 2, 3], false);
  const wrt = [u, w, ...(bias ? [b] : []), scale, shift];
  const { graph: backward, gradients } = differentiate(graph, loss, wrt);
  backward.output("loss", loss);
  backward.output("mean", nextMean!);
  backward.output("variance", nextVariance!);
  for (const [value, gradient] of gradients) backward.output(`d${value.name}`, gradient);
  return backward;
}

async function results(graph: Graph, feeds: Record<string, TensorData>): Promise<Record<string, TensorData>> {
  const executable = await nodeEngine({ build: "native", threads: 1 }).compile(graph);
  const outputs = await executable.run(Object.fromEntries(executable.inputs.map((name) => [name, feeds[name]!])));
  const read = await Promise.all(
    Object.entries(outputs).map(async ([name, tensor]) => [name, await tensor.read()] as const),
  );
  await executable.dispose();
  return Object.fromEntries(read);
}

const geometries: fc.Arbitrary<Case> = fc.record({
  images: fc.integer({ min: 1, max: 3 }),
  // with one input, normalization takes the weight out again, and its gradient is rounding
  channels: fc
    .integer({ min: 2, max: 12 })
    .chain((C) => fc.integer({ min: 2 * C, max: 6 * C }).map((O) => [C, O] as const)),
  sizes: fc.constantFrom([9, 8], [8, 12], [13, 7], [1, 96]),
  bias: fc.boolean(),
});

it("batch normalization gets from the input of a convolution what it gets from its output", async () => {
  await fc.assert(
    fc.asyncProperty(geometries, fc.integer({ min: 0, max: 1000 }), async (given, seed) => {
      const [C, O] = given.channels;
      const draw = new Draw(seed);
      const feeds = {
        u: draw.uniform([given.images, C, ...given.sizes], -1, 3),
        w: draw.uniform([O, C, 1, 1]),
        b: draw.uniform([O]),
        scale: draw.uniform([O], 0.5, 2),
        shift: draw.uniform([O]),
        dy: draw.uniform([given.images, O, ...given.sizes]),
      };
      const found = await results(graphOf(given, { hidden: false }), feeds);
      const wanted = await results(graphOf(given, { hidden: true }), feeds);
      const { db, ...others } = wanted;
      for (const [name, tensor] of Object.entries(others)) expectClose(found[name]!, tensor, 3e-4, name);
      // zero but for rounding
      if (db) expect(Math.max(...Array.from(found.db!.data as Float32Array, Math.abs))).toBeLessThan(1e-2);
    }),
    { numRuns: 40 },
  );
}, 120_000);

/** Operators that read a tensor as large as the convolution's output, and the channels of images whose mean is subtracted. */
function traffic(given: Omit<Case, "bias">, { hidden = false } = {}) {
  const { nodes } = simplify(lower(graphOf({ ...given, bias: false }, { hidden }), "cpu", { block: 8 }));
  const size = given.images * given.channels[1] * numel(given.sizes);
  const isLarge = (value: Value | undefined) => value !== undefined && numel(value.shape as number[]) === size;
  return {
    passes: nodes.filter(({ op, inputs }) => op !== "Reshape" && op !== "Neg" && inputs.some(isLarge)).length,
    centered: nodes
      .filter(({ op, outputs }) => op === "Sub" && outputs[0]!.shape.length === 4)
      .map(({ outputs }) => outputs[0]!.shape[1]),
  };
}

it("goes through the output of the convolution less often", () => {
  const given = { images: 4, channels: [16, 96], sizes: [28, 28] } as const;
  // forward: variance, scaling, and the loss's two; backward: the loss's one, Σ dy, dy·uᵀ and Wᵀ·dy
  expect(traffic(given)).toEqual({ passes: 8, centered: [16] });
  expect(traffic(given, { hidden: true })).toEqual({ passes: 13, centered: [96] });
});

it.each([
  ["few outputs", { channels: [16, 24], sizes: [28, 28] }],
  ["many inputs", { channels: [256, 1024], sizes: [14, 14] }],
  ["few pixels", { channels: [16, 96], sizes: [7, 7] }],
] as const)("leaves convolutions with %s alone", (_, given) => {
  expect(traffic({ images: 2, ...given }).centered).toEqual([given.channels[1]]);
});

import fc from "fast-check";
import { expect, it } from "vitest";
import { Graph, numel } from "../../src/graph/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { differentiate, lower, simplify } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";

interface Case {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly pads: readonly [top: number, left: number, bottom: number, right: number];
  readonly size: readonly [number, number];
  readonly channels: readonly [input: number, output: number];
  readonly depthwise: boolean;
}

const IMAGES = 2;

/** A convolution y with the gradients of Σ dy · y, and the same convolution transposed, with a bias. */
function convolutionGraph({ kernel, strides, pads, size, channels: [C, O], depthwise }: Case): Graph {
  const graph = new Graph("convolution");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [IMAGES, C, ...size]);
  const w = graph.input("w", "float32", [depthwise ? C : O, depthwise ? 1 : C, ...kernel]);
  const b = graph.input("b", "float32", [C]);
  const attributes = { kernel_shape: kernel, strides, pads, group: depthwise ? C : 1 };
  const y = g.one("Conv", [x, w], attributes);
  const dy = graph.input("dy", "float32", y.shape);
  const loss = g.reduceSum(g.mul(y, dy), [0, 1, 2, 3], false);
  const { graph: backward, gradients } = differentiate(graph, loss, [x, w]);
  backward.output("y", y);
  for (const [value, gradient] of gradients) backward.output(`d${value.name}`, gradient);
  const missed = ([0, 1] as const).map((axis) => {
    const reached = (Number(y.shape[axis + 2]) - 1) * strides[axis] + kernel[axis];
    return size[axis] + pads[axis] + pads[axis + 2]! - reached;
  });
  backward.output("up", new Ops(backward).one("ConvTranspose", [dy, w, b], { ...attributes, output_padding: missed }));
  return backward;
}

/** The same as sums in float64. */
function expected({ x, w, b, dy }: Record<"x" | "w" | "b" | "dy", ArrayLike<number>>, c: Case, out: readonly number[]) {
  const { kernel, strides, pads, size, channels, depthwise } = c;
  const [C, O] = depthwise ? [channels[0], channels[0]] : channels;
  const [outH, outW] = out as [number, number];
  const perGroup = depthwise ? 1 : C;
  const [y, dx, dw] = [new Float64Array(dy.length), new Float64Array(x.length), new Float64Array(w.length)];
  for (let at = 0; at < dy.length; at++) {
    const [column, row] = [at % outW, Math.floor(at / outW) % outH];
    const [o, image] = [Math.floor(at / (outH * outW)) % O, Math.floor(at / (O * outH * outW))];
    for (let i = 0; i < perGroup; i++)
      for (let tap = 0; tap < numel(kernel); tap++) {
        const h = row * strides[0] + Math.floor(tap / kernel[1]) - pads[0];
        const v = column * strides[1] + (tap % kernel[1]) - pads[1];
        if (h < 0 || v < 0 || h >= size[0] || v >= size[1]) continue;
        const pixel = ((image * C + (depthwise ? o : i)) * size[0] + h) * size[1] + v;
        const element = (o * perGroup + i) * numel(kernel) + tap;
        y[at]! += x[pixel]! * w[element]!;
        dx[pixel]! += dy[at]! * w[element]!;
        dw[element]! += dy[at]! * x[pixel]!;
      }
  }
  const up = dx.map((value, i) => value + b[Math.floor(i / numel(size)) % C]!);
  return { y, dx, dw, up };
}

const taps = fc.integer({ min: 1, max: 5 });
const cases = fc.tuple(taps, taps).chain((kernel) => {
  const pad = (axis: 0 | 1) => fc.integer({ min: 0, max: Math.floor(kernel[axis] / 2) });
  const size = fc.integer({ min: 5, max: 14 });
  const channels = fc.constantFrom(8, 16, 24, 20, 3);
  return fc.record<Case>({
    kernel: fc.constant(kernel),
    strides: fc.tuple(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 2, max: 3 })),
    pads: fc.tuple(pad(0), pad(1), pad(0), pad(1)),
    size: fc.tuple(size, size),
    channels: fc.tuple(channels, channels),
    depthwise: fc.boolean(),
  });
});

it("convolutions with strides, their gradients, and transposed ones are those of sums in float64", async () => {
  let [blocked, stems] = [0, 0];
  await fc.assert(
    fc.asyncProperty(cases, fc.nat(1000), async (c, seed) => {
      const graph = convolutionGraph(c);
      const { nodes } = simplify(lower(graph, "cpu", { block: 8 }));
      if (!nodes.some(({ op }) => op === "ConvTranspose")) blocked++;
      // images of three channels, read as they are
      if (nodes.some(({ op, domain, inputs: [x] }) => op === "Conv" && domain && graph.inputs[0] === x)) stems++;
      const draw = new Draw(seed);
      const feeds = Object.fromEntries(graph.inputs.map(({ name, shape }) => [name, draw.uniform(shape as number[])]));
      const executable = await nodeEngine({ threads: 1 }).compile(graph);
      const results = await executable.run(feeds);
      const data = Object.fromEntries(Object.entries(feeds).map(([name, { data }]) => [name, data])) as never;
      const wanted = expected(data, c, feeds.dy!.shape.slice(2));
      for (const [name, sums] of Object.entries(wanted)) {
        const given = (await results[name]!.read()).data as Float32Array;
        expect(given.length).toBe(sums.length);
        const worst = given.reduce((most, value, i) => Math.max(most, Math.abs(value - sums[i]!)), 0);
        expect(worst, name).toBeLessThan(2e-5 * (1 + Math.max(...sums.map(Math.abs))));
      }
      await executable.dispose();
    }),
    { numRuns: 150, seed: 1 },
  );
  expect(blocked).toBeGreaterThan(30);
  expect(stems).toBeGreaterThan(5);
});

it("images that are shifted on several threads are those that ONNX Runtime pads", async () => {
  const plain: Case = {
    ...{ kernel: [3, 3], strides: [1, 1], pads: [1, 1, 1, 1], size: [5, 33], channels: [16, 16] },
    depthwise: false,
  };
  for (const c of [
    plain,
    { ...plain, pads: [0, 2, 1, 0] },
    { ...plain, kernel: [4, 2], pads: [1, 0, 2, 0] },
  ] as Case[]) {
    const graph = convolutionGraph(c);
    const padded = (threads: number) =>
      simplify(lower(graph, "cpu", { block: 8, threads })).nodes.filter(({ op }) => op === "Pad").length;
    expect(padded(2)).toBeLessThan(padded(1));
    const draw = new Draw(1);
    const feeds = Object.fromEntries(graph.inputs.map(({ name, shape }) => [name, draw.uniform(shape as number[])]));
    const read = async (threads: number) => {
      const executable = await nodeEngine({ threads }).compile(graph);
      const { dw } = await executable.run(feeds);
      const { data } = await dw!.read();
      await executable.dispose();
      return data;
    };
    expect(await read(2)).toEqual(await read(1));
  }
  // longer rows are worth it from four threads on
  const wide = convolutionGraph({ ...plain, size: [5, 48] });
  const shifts = [1, 2, 3, 4].map(
    (threads) => !simplify(lower(wide, "cpu", { block: 8, threads })).nodes.some(({ op }) => op === "Pad"),
  );
  expect(shifts).toEqual([false, false, false, true]);
});

it("transposes convolutions with weights that stay, for any number of images", async () => {
  const graph = new Graph("up");
  const g = new Ops(graph);
  const draw = new Draw(1);
  const x = graph.input("x", "float32", ["N", 16, 5, 6]);
  const shapes = { w: [16, 8, 3, 3], b: [8] };
  const [w, b] = [graph.parameter("w", "float32", shapes.w), graph.parameter("b", "float32", shapes.b)];
  const attributes = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 0] };
  graph.output("y", g.one("ConvTranspose", [x, w, b], attributes));
  const weights = new Map(Object.entries(shapes).map(([name, shape]) => [name, draw.uniform(shape)]));
  for (const images of [1, 3]) {
    const feeds = { x: draw.uniform([images, 16, 5, 6]) };
    const [native, wasm] = await Promise.all(
      (["native", "wasm"] as const).map(async (build) => {
        const executable = await nodeEngine({ build, threads: 1 }).compile(graph, { weights });
        const { y } = await executable.run(feeds);
        return y!.read();
      }),
    );
    expect(native!.shape).toEqual([images, 8, 10, 11]);
    native!.data.forEach((value, i) => {
      expect(Math.abs(Number(value) - Number(wasm!.data[i]))).toBeLessThan(1e-5);
    });
  }
});

import { expect, it } from "vitest";
import { Graph, type TensorData } from "../../src/graph/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { differentiate, lower, simplify } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose } from "../support/family.ts";

const [N, C, side] = [2, 16, 10];
const widths = [24, 8, 16];
const weights = widths.map((_, i) => `w${i}`);

/** The gradient of an image that three convolutions of single pixels and a pool read, as the blocks of GoogLeNet do. */
function branches(): Graph {
  const graph = new Graph("branches");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [N, C, side, side]);
  const kernels = weights.map((name, i) => graph.input(name, "float32", [widths[i]!, C, 1, 1]));
  const pool = { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] };
  const outputs = [...kernels.map((w) => g.one("Conv", [x, w])), g.one("MaxPool", [x], pool)];
  const factor = graph.input("factor", "float32", [
    N,
    outputs.reduce((sum, y) => sum + Number(y.shape[1]), 0),
    side,
    side,
  ]);
  const loss = g.reduceSum(g.mul(g.concat(outputs, 1), factor), [0, 1, 2, 3], false);
  const { graph: backward, gradients } = differentiate(graph, loss, [x, ...kernels]);
  for (const [value, gradient] of gradients) backward.output(`d${value.name}`, gradient);
  return backward;
}

it("the convolutions of a block add its gradients up themselves", async () => {
  const graph = branches();
  const { nodes } = simplify(lower(graph, "cpu", { block: 8 }));
  const added = nodes.filter(({ op, inputs }) => op === "FusedConv" && inputs.length === 4);
  expect(added.map(({ outputs }) => outputs[0]!.shape)).toEqual(Array(3).fill([N, C, side, side]));
  const images = nodes.filter(({ outputs }) => outputs[0]!.shape.join() === [N, C, side, side].join());
  expect(images.map(({ op }) => op)).not.toContain("Add");
  const draw = new Draw(5);
  const feeds = Object.fromEntries(
    graph.inputs.map(({ name, shape }) => [name, draw.uniform(shape as number[], -1, 1)]),
  );
  const results: Record<string, TensorData>[] = [];
  for (const build of ["native", "wasm"] as const) {
    const executable = await nodeEngine({ build, threads: 1 }).compile(graph);
    const outputs = await executable.run(feeds);
    const read = Object.entries(outputs).map(async ([name, value]) => [name, await value.read()] as const);
    results.push(Object.fromEntries(await Promise.all(read)));
    await executable.dispose();
  }
  const [native, wasm] = results as [Record<string, TensorData>, Record<string, TensorData>];
  expect(Object.keys(native)).toEqual(["dx", ...weights.map((name) => `d${name}`)]);
  for (const name of Object.keys(native)) expectClose(native[name]!, wasm[name]!, 1e-5, name);
});

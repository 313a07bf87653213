import { expect, it } from "vitest";
import { Float, Graph, type TensorData } from "../../src/graph/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { differentiate, lower, simplify } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose } from "../support/family.ts";

const shape = [4, 3, 8, 6];
const wrt = ["x", "scale", "bias"];

/** Batch normalization of a batch, an activation and a sum weighted by w, with gradients. */
function graphOf(activation: "Relu" | "Clip"): Graph {
  const graph = new Graph("normalized");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", shape);
  const [scale, bias] = [graph.input("scale", "float32", [3]), graph.input("bias", "float32", [3])];
  const [mean, variance] = [g.floats([0, 0, 0]), g.floats([1, 1, 1])];
  const attributes = { training_mode: 1, epsilon: new Float(1e-3) };
  const [y] = g.emit("BatchNormalization", [x, scale, bias, mean, variance], attributes, { outputs: 3 });
  const active = activation === "Relu" ? g.relu(y!) : g.one("Clip", [y, g.scalar(0), g.scalar(1)]);
  const loss = g.reduceSum(g.mul(active, graph.input("w", "float32", shape)), [0, 1, 2, 3], false);
  const { graph: backward, gradients } = differentiate(
    graph,
    loss,
    wrt.map((name) => graph.inputs.find((value) => value.name === name)!),
  );
  backward.output("loss", loss);
  for (const [value, gradient] of gradients) backward.output(`d${value.name}`, gradient);
  return backward;
}

it.each(["Relu", "Clip"] as const)(
  "batch normalization with %s and its gradient are the same as convolutions of single pixels and in plain operators",
  async (activation) => {
    const graph = graphOf(activation);
    const { nodes } = simplify(lower(graph, "cpu", { block: 8 }));
    const fused = nodes.filter(({ op, domain }) => op === "Conv" && domain === "com.microsoft.nchwc");
    expect(fused.map(({ attributes, inputs }) => attributes.activation ?? inputs.length)).toEqual([
      2, // variance
      activation,
      ...(activation === "Clip" ? ["Relu", "HardSigmoid"] : []), // where it was not clipped
      2, // Σ dy·x̂
      4, // what is added to dy
    ]);
    expect(nodes.map(({ op }) => op)).not.toContain("BatchNormalization");
    const draw = new Draw(3);
    const feeds = {
      x: draw.uniform(shape, 3, 5),
      scale: draw.uniform([3], -1, 2),
      bias: draw.uniform([3]),
      w: draw.uniform(shape),
    };
    const results: Record<string, TensorData>[] = [];
    for (const build of ["native", "wasm"] as const) {
      const executable = await nodeEngine({ build, threads: 1 }).compile(graph);
      const outputs = await executable.run(feeds);
      const names = ["loss", ...wrt.map((name) => `d${name}`)];
      results.push(
        Object.fromEntries(await Promise.all(names.map(async (name) => [name, await outputs[name]!.read()] as const))),
      );
      await executable.dispose();
    }
    const [given, wanted] = results as [Record<string, TensorData>, Record<string, TensorData>];
    for (const name of Object.keys(wanted)) expectClose(given[name]!, wanted[name]!, 1e-5, name);
  },
);

/** The float32 numbers next to one, apart from those below 2⁻¹²⁶, which have fewer digits. */
function neighbours(number: number): [below: number, above: number] {
  const [up, down] = [new Float32Array([number]), new Float32Array([number])];
  const [more, less] = [new Int32Array(up.buffer), new Int32Array(down.buffer)];
  if (number === 0) return [-(2 ** -126), 2 ** -126];
  more[0]! += number > 0 ? 1 : -1;
  less[0]! -= number > 0 ? 1 : -1;
  return [down[0]!, up[0]!];
}

it.each([
  [0, 6],
  [0, 1],
  [-1, 1],
  [-2.5, 0.3],
  [0.1, 1000],
  [-1e20, 1e-10],
])("the gradient of Clip from %d to %d passes strictly inside, in two passes over images", async (low, high) => {
  const [min, max] = [Math.fround(low), Math.fround(high)];
  const values = [min, max, 0, min / 2 + max / 2, -1e30, 1e30, 2 ** -100, ...neighbours(min), ...neighbours(max)];
  const sizes = [1, 8, 8, values.length];
  const graph = new Graph("clipped");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", sizes);
  const y = g.one("Clip", [x, g.scalar(min), g.scalar(max)]);
  const loss = g.reduceSum(g.mul(y, graph.input("dy", "float32", sizes)), [0, 1, 2, 3], false);
  const { graph: backward, gradients } = differentiate(graph, loss, [x]);
  backward.output("dx", gradients.get(x)!);
  const { nodes } = simplify(lower(backward, "cpu", { block: 8 }));
  expect(nodes.filter(({ domain }) => domain !== "").map(({ attributes }) => attributes.activation)).toEqual([
    "Relu",
    "HardSigmoid",
  ]);
  const images = Float32Array.from({ length: 64 * values.length }, (_, i) => values[i % values.length]!);
  const dy = new Draw(5).uniform(sizes, -2, 2);
  const engine = nodeEngine({ build: "native", threads: 1 });
  const executable = await engine.compile(backward);
  const outputs = await executable.run({ x: { dtype: "float32", shape: sizes, data: images }, dy });
  const { data } = await outputs.dx!.read();
  await executable.dispose();
  const wanted = Array.from(images, (value, i) => (value > min && value < max ? dy.data[i] : 0));
  expect(Array.from(data as Float32Array, (value) => value + 0)).toEqual(wanted);
});

it("a product of other HardSigmoids stays what it is", () => {
  const graph = new Graph("bump");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [1, 8, 4, 4]);
  const slope = (alpha: number) => g.one("HardSigmoid", [x], { alpha: new Float(alpha), beta: new Float(0.5) });
  graph.output("y", g.mul(slope(0.2), slope(-0.2)));
  expect(
    simplify(lower(graph, "cpu", { block: 8 }))
      .nodes.map(({ op }) => op)
      .sort(),
  ).toEqual(["HardSigmoid", "HardSigmoid", "Mul"]);
});

it("a reshape of a reshape is one", () => {
  const graph = new Graph("reshapes");
  const g = new Ops(graph);
  const x = graph.input("x", "float32", [2, 6]);
  const y = g.reshape(g.reshape(x, [3, 4]), [12]);
  graph.output("same", g.relu(g.reshape(y, [2, 6])));
  graph.output("flat", g.relu(y));
  const { nodes } = simplify(graph);
  expect(nodes.map(({ op, inputs }) => [op, inputs[0]!.name])).toEqual([
    ["Reshape", "x"],
    ["Relu", "x"],
    ["Relu", nodes[0]!.outputs[0]!.name],
  ]);
});

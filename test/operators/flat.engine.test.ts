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

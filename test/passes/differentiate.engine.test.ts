import { describe, expect, it } from "vitest";
import { Graph, tensor, type Value } from "../../src/graph/index.ts";
import { Conv2d, Identity, Module, type Tensor, Tracer, trace } from "../../src/nn/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { differentiate } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";

const engine = nodeEngine({ threads: 1 });

/** Gradients of Σ f(x…) with respect to vectors x0, x1, … of two elements. */
async function gradientsOf(f: (...x: Tensor[]) => Tensor, ...at: readonly (readonly [number, number])[]) {
  const tracer = new Tracer(new Identity());
  const x = at.map((_, i) => tracer.input(`x${i}`, [2]));
  const loss = f(...x).sum();
  const { graph, gradients } = differentiate(
    tracer.graph,
    loss.value,
    x.map(({ value }) => value),
  );
  for (const [i, { value }] of x.entries()) graph.output(`dx${i}`, gradients.get(value)!);
  const executable = await engine.compile(graph);
  const feeds = at.map((values, i) => [`x${i}`, tensor("float32", [2], Float32Array.from(values))]);
  const results = await executable.run(Object.fromEntries(feeds));
  const read = await Promise.all(at.map(async (_, i) => [...((await results[`dx${i}`]!.read()).data as Float32Array)]));
  await executable.dispose();
  return read;
}

describe("differentiate", () => {
  it("adds up the ways on which a value reaches the loss", async () => {
    // x·x + 3x, by hand 2x + 3
    expect(await gradientsOf((x) => x.mul(x).add(x.mul(3)), [2, -1])).toEqual([[7, 1]]);
  });

  it("gives zeros where the loss does not depend on a value", async () => {
    expect(await gradientsOf((x) => x.mul(2), [1, 1], [1, 1])).toEqual([
      [2, 2],
      [0, 0],
    ]);
  });

  it("follows values through branches that meet again", async () => {
    // y = relu(x)·z − relu(x)/z
    const f = (x: Tensor, z: Tensor) => x.relu().mul(z).sub(x.relu().div(z));
    expect(await gradientsOf(f, [3, -3], [2, 4])).toEqual([
      [1.5, 0],
      [3.75, 0],
    ]);
  });

  it("stops at whole numbers and truth values", async () => {
    const positive = (x: Tensor) => {
      const { ops } = x.tracer;
      return x.mul(x.wrap(ops.indicator(ops.greater(x.value, ops.scalar(0)))));
    };
    expect(await gradientsOf(positive, [5, -5])).toEqual([[1, 0]]);
  });

  it("differentiates by inner values, too", () => {
    const tracer = new Tracer(new Identity());
    const x = tracer.input("x", [2]);
    const y = x.mul(2);
    const loss = y.mul(y).sum();
    const { graph, gradients } = differentiate(tracer.graph, loss.value, [y.value]);
    expect(gradients.get(y.value)!.shape).toEqual([2]);
    // the way on to x is not taken
    expect(graph.nodes.length).toBeLessThan(differentiate(tracer.graph, loss.value, [x.value]).graph.nodes.length);
  });

  it("leaves the graph that it is given alone, and shares its values", () => {
    const { graph, outputs } = trace(new Conv2d(1, 1, 1), [1, 1, 1, 1]);
    const nodes = [...graph.nodes];
    const [weight] = graph.parameters;
    const { graph: backward } = differentiate(graph, outputs.output!.value, [weight!]);
    expect(graph.nodes).toEqual(nodes);
    expect(backward.nodes.slice(0, nodes.length)).toEqual(nodes);
    expect(backward.parameters).toEqual(graph.parameters);
  });

  it("saves the gradient of what is frozen", () => {
    const { graph, outputs } = trace(new Conv2d(3, 4, 3), [2, 3, 8, 8]);
    const loss = outputs.output!.sum().value;
    const nodes = (...names: string[]) =>
      differentiate(
        graph,
        loss,
        graph.parameters.filter(({ name }) => names.includes(name)),
      ).graph.nodes.length;
    expect(nodes("bias")).toBeLessThan(nodes("weight"));
    expect(nodes("weight")).toBeLessThan(nodes("weight", "bias"));
  });
});

describe("an operator without a gradient", () => {
  class Picky extends Module<Tensor> {
    first = new Conv2d(3, 2, 1);
    second = new Conv2d(2, 2, 1);
    forward(x: Tensor) {
      const y = this.first.call(x);
      return this.second.call(y.apply("Round"));
    }
  }

  const traced = () => {
    const { graph, outputs } = trace(new Picky(), [1, 3, 2, 2]);
    return { graph, loss: outputs.output!.sum().value };
  };
  const wanted = (graph: Graph, ...names: string[]): Value[] =>
    graph.parameters.filter(({ name }) => names.includes(name));

  it("is named with its node and the parameters that it blocks", () => {
    const { graph, loss } = traced();
    expect(() => differentiate(graph, loss, graph.parameters)).toThrow(
      "differentiate: Round (node Round) has no gradient, but lies between the loss and first.weight, first.bias; freeze those parameters or replace the operator",
    );
  });

  it("is no hindrance where no wanted gradient passes it", () => {
    const { graph, loss } = traced();
    expect(() => differentiate(graph, loss, wanted(graph, "second.weight", "second.bias"))).not.toThrow();
  });

  it("is named with the first of many parameters", () => {
    const graph = new Graph();
    const ops = new Ops(graph);
    const weights = Array.from({ length: 5 }, (_, i) => graph.parameter(`w${i}`, "float32", [2]));
    const loss = ops.reduceSum(ops.one("Floor", [ops.sum(weights)]), [0], false);
    expect(() => differentiate(graph, loss, weights)).toThrow("between the loss and w0, w1, w2 and 2 more");
  });
});

describe("a loss", () => {
  it("has to be one real number", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [2, 3]);
    expect(() => differentiate(graph, x, [x])).toThrow("the loss has to be one float32 number, but is float32[2, 3]");
    const count = new Ops(graph).one("Shape", [graph.input("v", "float32", [4])]);
    expect(() => differentiate(graph, count, [x])).toThrow("but is int64[1]");
  });
});

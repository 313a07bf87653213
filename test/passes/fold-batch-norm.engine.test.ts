import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Graph, TensorData } from "../../src/graph/index.ts";
import { BatchNorm2d, Conv2d, cat, Module, ModuleBuffer, Parameter, type Tensor, trace } from "../../src/nn/index.ts";
import { foldBatchNorm } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";

const engine = nodeEngine({ threads: 1 });
const TOLERANCE = 1e-5;

/** Numbers that are not those of a new layer, so that a mistake shows. */
function drawn(model: Module, seed: number): Map<string, TensorData> {
  const draw = new Draw(seed);
  for (const [key, stored] of [...model.parameters(), ...model.buffers()]) {
    if (stored instanceof ModuleBuffer && stored.dtype !== "float32") continue;
    const positive = key.endsWith("running_var");
    if (stored instanceof Parameter || stored instanceof ModuleBuffer)
      stored.data = draw.uniform(stored.shape, positive ? 0.3 : -1, positive ? 2 : 1);
  }
  return model.stateDict();
}

async function run(graph: Graph, weights: ReadonlyMap<string, TensorData>, input: TensorData) {
  const executable = await engine.compile(graph, { weights });
  const results = await executable.run({ input });
  const outputs = await Promise.all(Object.values(results).map((value) => value.read()));
  await executable.dispose();
  return outputs.flatMap(({ data }) => Array.from(data as Float32Array));
}

const count = (graph: Graph, op: string) => graph.nodes.filter((node) => node.op === op).length;

describe("folding batch normalization", () => {
  it("changes no number, whatever the convolution", async () => {
    const geometry = fc.record({
      groups: fc.constantFrom(1, 2, 4),
      out: fc.integer({ min: 1, max: 3 }),
      kernel: fc.integer({ min: 1, max: 3 }),
      bias: fc.boolean(),
      affine: fc.boolean(),
      eps: fc.constantFrom(1e-5, 1e-3, 0.5),
      seed: fc.nat(),
    });
    await fc.assert(
      fc.asyncProperty(geometry, async ({ groups, out, kernel, bias, affine, eps, seed }) => {
        class Net extends Module<Tensor> {
          conv = new Conv2d(4, out * groups, kernel, { groups, bias, padding: 1 });
          bn = new BatchNorm2d(out * groups, { affine, eps });
          forward(x: Tensor) {
            return this.bn.call(this.conv.call(x)).relu();
          }
        }
        const model = new Net();
        const weights = drawn(model, seed);
        const { graph } = trace(model, ["N", 4, 5, 5]);
        const folded = foldBatchNorm(graph, weights);
        expect([count(folded.graph, "Conv"), count(folded.graph, "BatchNormalization")]).toEqual([1, 0]);
        expect([...folded.weights.keys()].sort()).toEqual(["conv.bias", "conv.weight"]);
        const x = new Draw(seed + 1).uniform([2, 4, 5, 5]);
        const [before, after] = [await run(graph, weights, x), await run(folded.graph, folded.weights, x)];
        const largest = Math.max(...before.map(Math.abs), 0.1);
        before.forEach((value, i) => {
          expect(Math.abs(value - after[i]!) / largest).toBeLessThan(TOLERANCE);
        });
        expect(weights.get("conv.weight")).toBe(model.conv.weight.data);
      }),
      { numRuns: 25, seed: 1 },
    );
  });

  it("leaves normalizations whose convolution has other readers, shared weights, and those of other operators", async () => {
    class Net extends Module<Tensor> {
      first = new BatchNorm2d(3);
      conv = new Conv2d(3, 4, 1);
      bn = new BatchNorm2d(4);
      shared = new Conv2d(4, 4, 1);
      one = new BatchNorm2d(4);
      other = new BatchNorm2d(4);
      forward(x: Tensor) {
        const a = this.conv.call(this.first.call(x));
        const b = this.bn.call(a);
        return cat([a, this.one.call(this.shared.call(b)), this.other.call(this.shared.call(b.relu()))], 1);
      }
    }
    const model = new Net();
    const weights = drawn(model, 3);
    const { graph } = trace(model, ["N", 3, 2, 2]);
    const folded = foldBatchNorm(graph, weights);
    expect(count(folded.graph, "BatchNormalization")).toBe(4);
    const x = new Draw(4).uniform([2, 3, 2, 2]);
    expect(await run(folded.graph, folded.weights, x)).toEqual(await run(graph, weights, x));
  });

  it("gives the new bias a name that is free", () => {
    class Net extends Module<Tensor> {
      conv = new Conv2d(3, 4, 1, { bias: false });
      bn = new BatchNorm2d(4);
      forward(x: Tensor) {
        const y = this.bn.call(this.conv.call(x));
        return y.mul(y.wrap(y.tracer.graph.parameter("conv.bias", "float32", [1])));
      }
    }
    const model = new Net();
    const weights = drawn(model, 1).set("conv.bias", new Draw(2).uniform([1]));
    const folded = foldBatchNorm(trace(model, ["N", 3, 2, 2]).graph, weights);
    expect([...folded.weights.keys()]).toEqual(["conv.weight", "conv.bias", "conv.bias_1"]);
  });

  it("leaves the training form", () => {
    class Net extends Module<Tensor> {
      conv = new Conv2d(3, 4, 1);
      bn = new BatchNorm2d(4);
      forward(x: Tensor) {
        return this.bn.call(this.conv.call(x));
      }
    }
    const { graph } = trace(new Net(), ["N", 3, 4, 4], { training: true });
    expect(count(foldBatchNorm(graph, new Net().stateDict()).graph, "BatchNormalization")).toBe(1);
  });
});

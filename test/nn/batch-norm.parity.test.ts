import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { TensorData } from "../../src/graph/index.ts";
import { BatchNorm2d, Module, type Tensor, trace } from "../../src/nn/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose, RUNS, SEED } from "../support/family.ts";
import { pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { torch } from "../support/torch.ts";

const TOLERANCE = 1e-5;
const engine = nodeEngine({ threads: 1 });

/** Output of a module in training or evaluation form, and the next value of each buffer that a step changes. */
async function run(module: Module<Tensor>, x: TensorData, training: boolean): Promise<Record<string, TensorData>> {
  const { graph, tracer } = trace(module, ["N", ...x.shape.slice(1)], { training });
  for (const [key, value] of tracer.updates) graph.output(`next:${key}`, value.value);
  const executable = await engine.compile(graph, { weights: module.stateDict() });
  const results = await executable.run({ input: x });
  const read = Object.entries(results).map(async ([name, value]) => [name, await value.read()] as const);
  const named = Object.fromEntries(await Promise.all(read));
  await executable.dispose();
  return named;
}

/** Takes the new running statistics over, as a training loop does. */
function take(module: Module<Tensor>, results: Record<string, TensorData>): void {
  const { output: _, ...updates } = results;
  const buffers = Object.entries(updates).map(([name, value]) => [name.slice("next:".length), value] as const);
  module.loadStateDict(new Map([...module.stateDict(), ...buffers]));
}

const options = fc.record({
  eps: fc.constantFrom(1e-5, 1e-3),
  momentum: fc.constantFrom(0.1, 0.4),
  affine: fc.boolean(),
  trackRunningStats: fc.boolean(),
});
const py = (value: boolean) => (value ? "True" : "False");

describe("BatchNorm2d against PyTorch", unless(pythonSkipReason("torch")), () => {
  it("normalizes, updates the running statistics over three batches, then uses them", () =>
    fc.assert(
      fc.asyncProperty(
        fc.record({
          options,
          N: fc.integer({ min: 1, max: 4 }),
          C: fc.integer({ min: 1, max: 4 }),
          H: fc.integer({ min: 2, max: 5 }),
          seed: fc.nat(),
        }),
        async ({ options, N, C, H, seed }) => {
          const draw = new Draw(seed);
          const module = new BatchNorm2d(C, options);
          const affine = new Map([
            ["weight", draw.uniform([C])],
            ["bias", draw.uniform([C])],
          ]);
          if (options.affine) module.loadStateDict(affine, { strict: false });
          const batches = [0, 1, 2].map((i) => draw.uniform([N, C, H, 3], -1 - i, 2 + i));
          const arguments_ = `${C}, ${options.eps}, ${options.momentum}, ${py(options.affine)}, ${py(options.trackRunningStats)}`;
          const load = `m.load_state_dict({"weight": x[3], "bias": x[4]}, strict=False) if ${py(options.affine)} else None`;
          const statistics = options.trackRunningStats ? "m.running_mean, m.running_var" : "";
          const expression = `(lambda m: [${load}, *[m(b) for b in x[:3]], m.eval()(x[0]), ${statistics}][1:])(torch.nn.BatchNorm2d(${arguments_}).double())`;
          const inputs = [...batches, ...affine.values()];
          const { outputs } = await torch.ask({ expression, inputs, wrt: [], weights: [] });

          for (const [i, batch] of batches.entries()) {
            const results = await run(module, batch, true);
            expectClose(results.output!, outputs[i]!, TOLERANCE, `output ${i}`);
            take(module, results);
          }
          const { output } = await run(module, batches[0]!, false);
          expectClose(output!, outputs[3]!, TOLERANCE, "output in evaluation");
          if (!options.trackRunningStats) return;
          expectClose(module.running_mean!.data!, outputs[4]!, TOLERANCE, "running mean");
          expectClose(module.running_var!.data!, outputs[5]!, TOLERANCE, "running variance");
        },
      ),
      { numRuns: RUNS, seed: SEED },
    ));
});

describe("BatchNorm2d", () => {
  it("keeps its statistics when it is in evaluation form itself", () => {
    class Tail extends Module<Tensor> {
      first = new BatchNorm2d(2);
      second = new BatchNorm2d(2);
      forward(x: Tensor) {
        return this.second.call(this.first.call(x));
      }
    }
    const tail = new Tail();
    tail.first.eval();
    const { tracer } = trace(tail, ["N", 2, 4, 4], { training: true });
    expect([...tracer.updates.keys()]).toEqual(["second.running_mean", "second.running_var"]);
    expect(tracer.counters).toEqual(["second.num_batches_tracked"]);
  });

  it("applied twice, includes both batches in its statistics", async () => {
    class Twice extends Module<Tensor> {
      norm = new BatchNorm2d(2);
      forward(x: Tensor) {
        return this.norm.call(this.norm.call(x));
      }
    }
    const x = new Draw(1).uniform([3, 2, 4, 4], 3, 5);
    const results = await run(new Twice(), x, true);
    // the second batch has the mean 0
    const mean = [0, 1].map((c) => {
      const values = [...x.data].filter((_, i) => Math.floor(i / 16) % 2 === c);
      return values.reduce((sum, value) => sum + value, 0) / values.length;
    });
    const [first, second] = results["next:norm.running_mean"]!.data as Float32Array;
    expect(first).toBeCloseTo(0.9 * 0.1 * mean[0]!, 5);
    expect(second).toBeCloseTo(0.9 * 0.1 * mean[1]!, 5);
  });

  it("refuses a batch with one value per channel, which has no variance", () => {
    expect(() => trace(new BatchNorm2d(2), [1, 2, 1, 1], { training: true })).toThrow(
      "BatchNorm2d: a training batch of [1, 2, 1, 1] has one value per channel",
    );
    expect(() => trace(new BatchNorm2d(2), [1, 2, 1, 1])).not.toThrow();
  });
});

/** Large batches, which engines compute in parts. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { TensorData } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { trace } from "../../src/nn/index.ts";
import { Ops } from "../../src/operators/index.ts";
import type { Executable } from "../../src/runtime/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { partsOf } from "../../src/runtime/parts.ts";

const SIDE = 224;
const EACH = 3 * SIDE * SIDE;
const SIZE = 23;
const model = createModel("vgg_small").eval().initialize(1);
const { graph } = trace(model, ["N", 3, SIDE, SIDE]);
// an output for each image besides that of the network
const g = new Ops(graph);
const [scores] = graph.outputs.values();
graph.output("best", g.one("ArgMax", [scores!], { axis: 1, keepdims: 0 }));

const data = Float32Array.from({ length: SIZE * EACH }, (_, i) => Math.sin(i * 12.9898));
const batch = (start: number, end: number): TensorData => ({
  dtype: "float32",
  shape: [end - start, 3, SIDE, SIDE],
  data: data.subarray(start * EACH, end * EACH),
});

async function run(executable: Executable, input: TensorData) {
  const results = await executable.run({ input });
  const read = Object.entries(results).map(async ([name, result]) => [name, await result.read()] as const);
  return Object.fromEntries(await Promise.all(read));
}

it("are divided such that tensors take as much memory as the weights, or 128 MiB", () => {
  /** Bytes of the first convolution's output and its ReLU's. */
  const bytes = (channels: number) => 2 * channels * SIDE * SIDE * 4;
  expect(partsOf(graph, model.stateDict())).toEqual({ batch: "N", images: Math.floor(2 ** 27 / bytes(32)) });
  const vgg16 = createModel("vgg16").eval();
  const weights = vgg16.stateDict();
  const total = [...weights.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
  const { graph: large } = trace(vgg16, ["N", 3, SIDE, SIDE]);
  expect(partsOf(large, weights)?.images).toBe(Math.floor(total / bytes(64)));
});

describe.each(["native", "wasm"] as const)("on the engine %s", (build) => {
  const engine = nodeEngine({ threads: 1, build });
  let executable: Executable;
  beforeAll(async () => {
    executable = await engine.compile(graph, { weights: model.stateDict() });
  });
  afterAll(() => executable.dispose());

  it("give what their parts give, joined", async () => {
    const whole = await run(executable, batch(0, SIZE));
    const starts = [0, 7, 15, SIZE];
    for (const [i, start] of starts.slice(0, -1).entries()) {
      const part = await run(executable, batch(start, starts[i + 1]!));
      for (const [name, { dtype, shape, data }] of Object.entries(part)) {
        const { shape: all, data: joined } = whole[name]!;
        const each = data.length / shape[0]!;
        expect([whole[name]!.dtype, all]).toEqual([dtype, [SIZE, ...shape.slice(1)]]);
        expect(joined.slice(start * each, start * each + data.length)).toEqual(data);
      }
    }
    expect(Object.keys(whole)).toEqual(executable.outputs);
  });

  it("give only the outputs that are asked for, and take weights that are fed", async () => {
    const fed = await engine.compile(graph);
    const { best, ...others } = await fed.run(
      { input: batch(0, SIZE), ...Object.fromEntries(model.stateDict()) },
      { outputs: ["best"] },
    );
    expect(others).toEqual({});
    expect((await best!.read()).data).toEqual((await run(executable, batch(0, SIZE))).best!.data);
    await fed.dispose();
  });

  it("are refused as a whole if their shape is wrong", async () => {
    const input = { ...batch(0, SIZE), shape: [SIZE, 3, SIDE * 2, SIDE / 2] };
    await expect(executable.run({ input })).rejects.toThrow(`float32[${SIZE}, 3, 448, 112], but has to be`);
  });
});

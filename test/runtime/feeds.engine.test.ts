/** What an engine takes for the numbers of an input, and what it says about the rest. */
import vm from "node:vm";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { Conv2d, trace } from "../../src/nn/index.ts";
import type { Executable } from "../../src/runtime/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";

const engine = nodeEngine({ threads: 1 });
const model = new Conv2d(2, 1, 1);
const { graph } = trace(model, ["N", 2, 3, 4]);
const values = Float32Array.from({ length: 24 }, (_, i) => i / 8);
const shape = [1, 2, 3, 4];
let executable: Executable;
let expected: number[];

const run = async (input: unknown) => {
  const [y] = Object.values(await executable.run({ input } as { input: TensorData }));
  return Array.from((await y!.read()).data, Number);
};

beforeAll(async () => {
  executable = await engine.compile(graph, { weights: model.stateDict() });
  expected = await run(tensor("float32", shape, values));
});
afterAll(() => executable.dispose());

describe("numbers of an input", () => {
  const foreign: Float32Array = vm.runInNewContext("Float32Array.from({ length: 24 }, (_, i) => i / 8)");
  const shared = new Float32Array(new SharedArrayBuffer(96));
  shared.set(values);

  it.each([
    ["an array of another realm", foreign],
    ["a view on shared memory", shared],
    ["the bytes in a Buffer", Buffer.from(values.buffer)],
    ["bytes that are not aligned", Buffer.concat([Buffer.alloc(1), Buffer.from(values.buffer)]).subarray(1)],
    ["a plain array", Array.from(values)],
  ])("may be %s", async (_, data) => {
    expect(await run({ dtype: "float32", shape, data })).toEqual(expected);
  });

  it("come back in arrays of this realm", async () => {
    const [y] = Object.values(await executable.run({ input: tensor("float32", shape, values) }));
    expect((await y!.read()).data).toBeInstanceOf(Float32Array);
  });
});

describe("an error says", () => {
  it.each([
    [
      "that a raw array lacks its shape",
      values,
      'such as tensor("float32", [1, 2, 3, 4], data), but got Float32Array of 24',
    ],
    [
      "that the channels are in the wrong place",
      tensor("float32", [1, 3, 4, 2], values),
      "images are [N, 2, 3, 4], not",
    ],
    ["that the batch is missing", tensor("float32", [2, 3, 4], values), "a batch of one: [1, 2, 3, 4]"],
    ["how many numbers were given", { dtype: "float32", shape, data: [1, 2] }, "24"],
    ["that there are none", { dtype: "float32", shape }, 'the input "input"'],
  ])("%s", async (_, input, message) => {
    await expect(run(input)).rejects.toThrow(message);
  });

  it("how forgotten weights are given, and which input there is", async () => {
    const bare = await engine.compile(graph);
    const feeds = { image: tensor("float32", shape, values) };
    await expect(bare.run(feeds)).rejects.toThrow(
      'the input "input" is missing; there is no input "image", only "input"; the weights "weight", "bias" are missing; give them when compiling: engine.compile(graph, { weights: model.stateDict() })',
    );
    await bare.dispose();
  });
});

it("threads that do not spin compute the same", async () => {
  const patient = await nodeEngine({ threads: 2, spin: false }).compile(graph, { weights: model.stateDict() });
  const [y] = Object.values(await patient.run({ input: tensor("float32", shape, values) }));
  expect(Array.from((await y!.read()).data, Number)).toEqual(expected);
  await patient.dispose();
});

/**
 * Layers and their gradients on WebAssembly and WebGPU against the native CPU build. WebGPU wants a GPU with a Vulkan driver, or one
 * in software, such as that in Debian's chromium package:
 *
 *     LD_LIBRARY_PATH=/usr/lib/chromium VK_ICD_FILENAMES=/usr/lib/chromium/vk_swiftshader_icd.json npx vitest run test/nn/engines
 */
import { describe, expect, it } from "vitest";
import { Graph, type TensorData } from "../../src/graph/index.ts";
import { trace } from "../../src/nn/index.ts";
import { differentiate } from "../../src/passes/index.ts";
import type { Engine } from "../../src/runtime/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose } from "../support/family.ts";
import { unless } from "../support/skip.ts";
import { LAYERS, type LayerCase } from "./layers.ts";

const TOLERANCE = 1e-4;
const native = nodeEngine({ threads: 1 });

const nothing = new Graph("nothing");
nothing.output("y", nothing.input("x", "float32", [1]));
const noGpu = await nodeEngine({ device: "webgpu" })
  .compile(nothing)
  .then((executable) => executable.dispose())
  .then(
    () => undefined,
    (error: Error) => `no WebGPU: ${error.message}`,
  );

/** The output of a layer in training form, and the gradients of Σ w·output² with respect to input and weights. */
async function results(engine: Engine, { make, input }: LayerCase): Promise<TensorData[]> {
  const model = make().initialize(2);
  const x = new Draw(1).spaced([2, ...input]);
  const { target } = engine;
  const traced = trace(model, x.shape, { training: true, dropout: false, target });
  const y = traced.outputs.output!;
  const weights = y.wrap(traced.tracer.ops.constant(new Draw(2).uniform(y.shape as number[])));
  const loss = y.mul(y).mul(weights).sum().value;
  const wrt = [traced.inputs[0]!.value, ...traced.graph.parameters.filter(({ name }) => !name.startsWith("running"))];
  const { graph, gradients } = differentiate(traced.graph, loss, wrt, { target });
  wrt.forEach((value, i) => {
    graph.output(`d${i}`, gradients.get(value)!);
  });
  const executable = await engine.compile(graph, { weights: model.stateDict() });
  const outputs = await executable.run({ input: x });
  const read = await Promise.all(["output", ...wrt.map((_, i) => `d${i}`)].map((name) => outputs[name]!.read()));
  await executable.dispose();
  return read;
}

const ENGINES: readonly [string, () => Engine, string | undefined][] = [
  ["WebAssembly", () => nodeEngine({ build: "wasm", threads: 1 }), undefined],
  ["WebGPU", () => nodeEngine({ device: "webgpu" }), noGpu],
];

describe.each(ENGINES)("on %s", (_, create, reason) => {
  it.each(LAYERS.map((one) => [one.python, one] as const))("%s", unless(reason), async (_, layer) => {
    const [given, wanted] = [await results(create(), layer), await results(native, layer)];
    expect(given.length).toBe(wanted.length);
    for (const [i, tensor] of wanted.entries())
      expectClose(given[i]!, tensor, TOLERANCE, i === 0 ? "the output" : `gradient ${i}`);
  });
});

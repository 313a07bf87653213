/*
 * Needs a GPU with a Vulkan driver, or one in software, such as that in Debian's chromium package, which node-webgpu.system.test.ts takes.
 */
import { expect, it } from "vitest";
import { Graph } from "../../src/graph/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { conform } from "./conform.ts";
import { nodeSetting } from "./node.ts";
import { attempt } from "./suite.ts";

const graph = new Graph("nothing");
graph.output("y", graph.input("x", "float32", [1]));
const error = await nodeEngine({ device: "webgpu" })
  .compile(graph)
  .then(
    (executable) => executable.dispose(),
    (error: Error) => error,
  );

const setting = nodeSetting("webgpu");

conform("onnxruntime-node on WebGPU", (conformance) => attempt(conformance, setting), { reason: error?.message });

it.skipIf(!error)("says that there is no adapter, and what to do", () => {
  expect(String(error)).toMatch(/^EngineError: onnxruntime-node webgpu.*adapter.*driver.*use device "cpu"/s);
});

import { expect, test, vi } from "vitest";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { operators } from "./cases/operators.ts";
import { basics, errors } from "./cases/running.ts";
import { conform } from "./conform.ts";
import { attempt, type Setting } from "./suite.ts";

/** What replaces the native build where there is none. Its numbers and its memory are those of web.browser.test.ts, which runs all cases. */
const setting: Setting = {
  engine: async ({ threads = 1 } = {}) => nodeEngine({ build: "wasm", threads }),
  threadCounts: "one process has one number of threads",
  countThreads: () => "one process has one number of threads",
  memory: () => "measured in browsers",
  readBack: () => "measured in browsers",
};

conform("onnxruntime-web in Node", (conformance) => attempt(conformance, setting), {
  cases: [...basics, ...errors, operators],
});

test("the engine's name tells the build", () => {
  expect(nodeEngine({ build: "wasm", threads: 1 }).name).toBe("onnxruntime-web wasm, 1 thread");
  expect(nodeEngine({ build: "native", threads: 1 }).name).toBe("onnxruntime-node cpu, 1 thread");
});

test("CONVNETS_ENGINE chooses the build, and has to name one", () => {
  try {
    vi.stubEnv("CONVNETS_ENGINE", "wasm");
    expect(nodeEngine().name).toBe("onnxruntime-web wasm, 1 thread");
    vi.stubEnv("CONVNETS_ENGINE", "cuda");
    expect(() => nodeEngine()).toThrow('CONVNETS_ENGINE is "cuda", but has to be "native" or "wasm"');
  } finally {
    vi.unstubAllEnvs();
  }
});

test("what WebAssembly cannot do is an error", () => {
  expect(() => nodeEngine({ build: "wasm", threads: 2 })).toThrow("1 thread in this process, which cannot change");
  expect(() => nodeEngine({ build: "wasm", device: "webgpu" })).toThrow("has no WebGPU");
});

test("an onnxruntime-node of the user's is used, with its execution providers", async () => {
  const runtime = await import("onnxruntime-node");
  expect(nodeEngine({ runtime, executionProviders: ["cpu"], threads: 1 }).name).toBe("onnxruntime-node cpu, 1 thread");
  expect(() => nodeEngine({ executionProviders: ["cuda"] })).toThrow("pass it as runtime");
});

import { existsSync, readdirSync } from "node:fs";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { InferenceSession } from "onnxruntime-node";
import type { TypedArray } from "../../src/graph/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import type { Setting } from "./suite.ts";

const TASKS = "/proc/self/task";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that runs returned in JavaScript's memory. */
let returned = 0;
const sessions = InferenceSession as unknown as {
  prototype: { run(...args: unknown[]): Promise<Record<string, { location: string; data: TypedArray }>> };
};
const { run } = sessions.prototype;
sessions.prototype.run = async function (...args) {
  const results = await run.apply(this, args);
  for (const tensor of Object.values(results)) if (tensor.location === "cpu") returned += tensor.data.byteLength;
  return results;
};

/** How onnxruntime-node is made and measured, on a processor or through WebGPU. */
export function nodeSetting(device: "cpu" | "webgpu"): Setting {
  return {
    engine: async (options = {}) => nodeEngine({ device, threads: 1, ...options }),
    threadCounts: device === "cpu" ? [1, 2, 3] : "a GPU computes",
    countThreads() {
      if (!existsSync(TASKS)) return "this system does not tell its threads";
      const threads = () => readdirSync(TASKS).length;
      const before = threads();
      // the thread that calls computes too
      return () => threads() - before + 1;
    },
    async memory() {
      // finalizers run between two collections
      for (let i = 0; i < 3; i++) {
        collectGarbage();
        await new Promise((resolve) => setImmediate(resolve));
      }
      return process.memoryUsage().rss;
    },
    readBack: () => returned,
  };
}

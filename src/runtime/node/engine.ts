import * as ort from "onnxruntime-node";
import type { Engine, EngineOptions } from "../engine.ts";
import { type Ort, ortEngine } from "../ort.ts";

export interface NodeEngineOptions extends EngineOptions {
  /** `"webgpu"` needs an adapter, on Linux a Vulkan driver; default `"cpu"`. */
  device?: "cpu" | "webgpu";
}

/**
 * The native engine: ONNX Runtime's kernels for this machine's processor, or for its GPU through WebGPU.
 *
 * With `"webgpu"`, outputs are copied back after each run, whatever `keepOnDevice` says: onnxruntime-node has no tensors on a GPU.
 */
export function nodeEngine({ threads, device = "cpu" }: NodeEngineOptions = {}): Engine {
  const suffix = threads === undefined ? "" : `, ${threads} thread${threads === 1 ? "" : "s"}`;
  return ortEngine(ort as unknown as Ort, {
    name: `onnxruntime-node ${device}${suffix}`,
    target: device,
    session: {
      executionProviders: device === "cpu" ? ["cpu"] : [device, "cpu"],
      ...(threads !== undefined && { intraOpNumThreads: threads }),
    },
    writesInto: true,
    remedy: (message) =>
      message.includes("WebGPU adapter") ? 'install a driver of the GPU, or use device "cpu"' : undefined,
  });
}

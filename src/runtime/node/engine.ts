import { availableParallelism } from "node:os";
import { type Engine, EngineError, type EngineOptions } from "../engine.ts";
import { type Ort, ortEngine } from "../ort.ts";
import { blockSize } from "./block.ts";
import { gpuMemory } from "./gpu.ts";
import { forcedBuild, nativeRuntime, wasmRuntime } from "./load.ts";

/** A module with ONNX Runtime's JavaScript interface, such as onnxruntime-node. */
export interface OrtModule {
  readonly InferenceSession: object;
  readonly Tensor: object;
}

/** Options of `nodeEngine`. */
export interface NodeEngineOptions extends EngineOptions {
  /** `"webgpu"` needs a GPU, and on Linux a Vulkan driver. Default `"cpu"`. */
  device?: "cpu" | "webgpu";
  /**
   * Whether the engine's threads keep a core busy while they wait for each other: fast if the cores have nothing else to do, and in
   * the way if other threads decode images meanwhile. The native build on the processor only. Default true.
   */
  spin?: boolean;
  /**
   * `"native"` is fast, and an error where it cannot be loaded. `"wasm"` runs anywhere, several times slower. Default: the
   * environment variable CONVNETS_ENGINE, otherwise native, or WebAssembly where the native build cannot be loaded.
   */
  build?: "native" | "wasm";
  /** Called once per process when WebAssembly replaces the native build, with the reason. Default: prints it to stderr. */
  onFallback?: (reason: string) => void;
  /**
   * Your own installation of onnxruntime-node, 1.30 or later, instead of the one in this package:
   *
   *     import * as runtime from "onnxruntime-node";
   *     const engine = nodeEngine({ runtime, executionProviders: ["cuda", "cpu"] });
   */
  runtime?: OrtModule;
  /** ONNX Runtime's execution providers, the preferred one first. Only with `runtime`. Default: the provider of `device`, then `"cpu"`. */
  executionProviders?: readonly string[];
}

/** Whether the reason for WebAssembly was already given in this process. */
let told = false;

/**
 * The engine for Node: ONNX Runtime's native kernels for this machine's processor, or for its GPU through WebGPU. Where there is
 * no native build for the platform, ONNX Runtime's WebAssembly build takes over; `engine.name` says which one runs.
 *
 *     const engine = nodeEngine({ threads: 2 });
 *
 * Throws an EngineError if a native build is required (`build: "native"` or `device: "webgpu"`) and cannot be loaded.
 */
export function nodeEngine(options: NodeEngineOptions = {}): Engine {
  const { threads, device = "cpu", runtime, executionProviders } = options;
  if (executionProviders && !runtime) {
    throw new EngineError(
      "nodeEngine: executionProviders needs your own onnxruntime-node; pass it as runtime, or leave executionProviders out",
    );
  }
  if (runtime) return nativeEngine(runtime as unknown as Ort, options);
  const build = options.build ?? forcedBuild();
  if (build === "wasm") return wasmEngine(options);
  const native = nativeRuntime();
  if (!("missing" in native)) return nativeEngine(native, options);
  if (build === "native" || device === "webgpu") {
    const remedy = build === "native" ? "leave the build out to run on WebAssembly" : 'use device "cpu"';
    throw new EngineError(`nodeEngine: ${native.missing}; ${remedy}`);
  }
  if (!told) {
    told = true;
    const { onFallback = (reason) => console.error(`convnets: ${reason}`) } = options;
    onFallback(`${native.missing}, so WebAssembly is used instead, which is several times slower`);
  }
  return wasmEngine({ ...(threads !== undefined && { threads }) });
}

function nativeEngine(
  ort: Ort,
  { threads, device = "cpu", executionProviders, spin = true }: NodeEngineOptions,
): Engine {
  const providers = executionProviders ?? (device === "cpu" ? ["cpu"] : [device, "cpu"]);
  const session = {
    executionProviders: [...providers],
    ...(threads !== undefined && { intraOpNumThreads: threads }),
    ...(!spin && { extra: { session: { intra_op: { allow_spinning: "0" } } } }),
  };
  return ortEngine(ort, {
    name: `onnxruntime-node ${executionProviders ? executionProviders.join("+") : device}${suffix(threads)}`,
    target: device,
    session,
    writesInto: true,
    threads: threads ?? availableParallelism(),
    ...(providers[0] === "webgpu" && { gpu: gpuMemory(ort, session) }),
    ...(providers.every((provider) => provider === "cpu") && { block: () => blockSize(ort), inParts: true }),
    remedy: (message) =>
      message.includes("WebGPU adapter") ? 'install a driver of the GPU, or use device "cpu"' : undefined,
  });
}

function wasmEngine({ threads, device = "cpu" }: NodeEngineOptions): Engine {
  if (device === "webgpu") {
    throw new EngineError('nodeEngine: WebAssembly in Node has no WebGPU; use device "cpu" or the native build');
  }
  const wasm = wasmRuntime(threads);
  return ortEngine(wasm.ort, {
    name: `onnxruntime-web wasm${suffix(wasm.threads)}`,
    target: "wasm",
    session: { executionProviders: ["wasm"] },
    inParts: true,
    schedule: wasm.schedule,
  });
}

const suffix = (threads: number | undefined) =>
  threads === undefined ? "" : `, ${threads} thread${threads === 1 ? "" : "s"}`;

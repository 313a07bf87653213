/** The engine of a worker: onnxruntime-web, whose files are part of the page. Import it in workers only. */
import type { Engine } from "convnets";
import { webEngine } from "convnets/web";
import gpuScript from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import gpuWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";
import script from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import type { Device, EngineInfo } from "./protocol.ts";

/** An engine, and what the foot line says about it. */
export interface Loaded {
  readonly engine: Engine;
  readonly info: EngineInfo;
}

/** ONNX Runtime's files, for each device. */
const FILES = { wasm: { wasm, mjs: script }, webgpu: { wasm: gpuWasm, mjs: gpuScript } } as const;

interface Adapter {
  readonly info?: { readonly vendor?: string; readonly architecture?: string; readonly isFallbackAdapter?: boolean };
  readonly isFallbackAdapter?: boolean;
}

/** Asked once: a browser without a GPU notes every attempt on its console. */
let adapter: Promise<Adapter | null> | undefined;
const findAdapter = () => {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } };
  adapter ??= gpu ? gpu.requestAdapter().catch(() => null) : Promise.resolve(null);
  return adapter;
};

/**
 * Threads: all cores of a small machine, less those that are left to the page; of larger ones half, since every second one is usually
 * not a core of its own.
 */
function threadCount(left: number): number {
  const cores = navigator.hardwareConcurrency || 1;
  return crossOriginIsolated
    ? Math.min(8, Math.max(1, Math.min(cores - left, cores <= 4 ? cores : Math.ceil(cores / 2))))
    : 1;
}

/** Addresses relative to the script have to be whole in ONNX Runtime's own workers. */
const whole = (address: string) => new URL(address, import.meta.url).href;

const loaded = new Map<Device, Promise<Loaded>>();

/**
 * The engine for a device, loaded once. Default: WebGPU where there is a GPU that is not emulated, else WebAssembly, with threads on all
 * cores but as many as are to be left to the page.
 */
export async function loadEngine(device?: Device, { coresLeft = 0 } = {}): Promise<Loaded> {
  const found = device === "wasm" ? null : await findAdapter();
  const emulated = found?.isFallbackAdapter ?? found?.info?.isFallbackAdapter ?? false;
  const chosen = device ?? (found && !emulated ? "webgpu" : "wasm");
  const known = loaded.get(chosen);
  if (known) return known;
  const started = start(chosen, found, coresLeft);
  loaded.set(chosen, started);
  started.catch(() => loaded.delete(chosen));
  return started;
}

async function start(device: Device, found: Adapter | null, coresLeft: number): Promise<Loaded> {
  const threads = device === "wasm" ? threadCount(coresLeft) : 1;
  const files = FILES[device];
  const wasmPaths = { wasm: whole(files.wasm), mjs: whole(files.mjs) };
  const engine = await webEngine({ device, threads, wasmPaths });
  const gpu = [found?.info?.vendor, found?.info?.architecture].filter(Boolean).join(" ");
  const named = device === "webgpu" && gpu !== "" ? { gpu } : {};
  return {
    engine,
    info: { device, threads, isolated: crossOriginIsolated, files: Object.values(wasmPaths), ...named },
  };
}

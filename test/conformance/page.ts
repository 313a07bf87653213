/** The suite in a browser, for web.browser.test.ts and webgpu.system.test.ts: what engines hold is measured at the browser's own interfaces. */
import { type WebEngineOptions, webEngine } from "../../src/web.ts";
import { attempt, type Setting, SUITE } from "./suite.ts";

/** Threads of WebAssembly in these pages, that which calls included. */
const THREADS = 2;

let workers = 0;
globalThis.Worker = class extends Worker {
  constructor(...args: ConstructorParameters<typeof Worker>) {
    super(...args);
    workers++;
  }
};

const heaps: WebAssembly.Memory[] = [];
WebAssembly.Memory = class extends WebAssembly.Memory {
  constructor(descriptor: WebAssembly.MemoryDescriptor) {
    super(descriptor);
    heaps.push(this);
  }
};

/** What is used here of WebGPU's interface. */
interface Buffer {
  readonly size: number;
  destroy(): void;
  mapAsync(mode: number, ...range: number[]): Promise<void>;
}
interface WebGpu {
  GPU?: { readonly prototype: { requestAdapter(): Promise<{ readonly info: object } | null> } };
  GPUDevice?: { readonly prototype: { createBuffer(descriptor: unknown): Buffer } };
  GPUBuffer?: { readonly prototype: Buffer };
}

const READ = 1;
let readBack = 0;
/** Those not destroyed; where one was garbage, the browser took its memory. */
const gpuBuffers = new Set<WeakRef<Buffer>>();
const references = new WeakMap<Buffer, WeakRef<Buffer>>();
const { GPU, GPUDevice, GPUBuffer } = globalThis as WebGpu;
if (GPU) {
  // graphs are those for GPUs, even if a processor computes them here; the studio's tests train with the others
  const { requestAdapter } = GPU.prototype;
  GPU.prototype.requestAdapter = async function () {
    const adapter = await requestAdapter.call(this);
    if (adapter) Object.defineProperty(adapter.info, "isFallbackAdapter", { value: false });
    return adapter;
  };
}
if (GPUDevice && GPUBuffer) {
  const { createBuffer } = GPUDevice.prototype;
  GPUDevice.prototype.createBuffer = function (descriptor) {
    const buffer = createBuffer.call(this, descriptor);
    const reference = new WeakRef(buffer);
    references.set(buffer, reference);
    gpuBuffers.add(reference);
    return buffer;
  };
  const { destroy, mapAsync } = GPUBuffer.prototype;
  GPUBuffer.prototype.destroy = function () {
    gpuBuffers.delete(references.get(this)!);
    destroy.call(this);
  };
  GPUBuffer.prototype.mapAsync = function (mode, ...range) {
    if (mode === READ) readBack += range[1] ?? this.size;
    return mapAsync.call(this, mode, ...range);
  };
}

/** With Chromium's flags --expose-gc and --enable-precise-memory-info. */
const { gc, performance } = globalThis as unknown as {
  gc(): void;
  performance: { memory: { usedJSHeapSize: number } };
};

async function memory(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const wasm = heaps.reduce((sum, { buffer }) => sum + buffer.byteLength, 0);
  const gpu = [...gpuBuffers].reduce((sum, buffer) => sum + (buffer.deref()?.size ?? 0), 0);
  return wasm + gpu + performance.memory.usedJSHeapSize;
}

function settingOf(device: "wasm" | "webgpu", more: WebEngineOptions = {}): Setting {
  const onGpu = device === "webgpu";
  return {
    engine: (options = {}) => webEngine({ device, ...(!onGpu && { threads: THREADS }), ...more, ...options }),
    threadCounts: onGpu ? "a GPU computes" : [THREADS],
    countThreads: () => () => workers + 1,
    memory,
    readBack: () => (onGpu ? readBack : "there is no GPU"),
  };
}

/** What they call. */
const calls = {
  /** Runs a case; returns why it was skipped, if it was. */
  attempt: (name: string, device: "wasm" | "webgpu", more?: WebEngineOptions) =>
    attempt(SUITE.find((conformance) => conformance.name === name)!, settingOf(device, more)),
  /** Runs a case in a worker; returns why it was skipped or failed, if it was. */
  attemptInWorker(name: string): Promise<string | undefined> {
    const worker = new Worker(new URL("worker.ts", import.meta.url), { type: "module" });
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<string | undefined>) => resolve(data);
      worker.onerror = ({ message }) => reject(new Error(message));
      worker.postMessage(name);
    }).finally(() => worker.terminate()) as Promise<string | undefined>;
  },
  /** The error of making an engine, if there is one. */
  error: (options: WebEngineOptions) =>
    webEngine(options).then(
      () => undefined,
      (error: unknown) => String(error),
    ),
};

export type Page = typeof calls;
Object.assign(globalThis, { conformance: calls });

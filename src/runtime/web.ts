import { type Engine, EngineError, type EngineOptions } from "./engine.ts";
import { inTurn, type Ort, ortEngine, type Schedule } from "./ort.ts";

/** Options of `webEngine`. */
export interface WebEngineOptions extends EngineOptions {
  /** `"wasm"` runs on the processor, anywhere. `"webgpu"` needs a browser and a GPU that have it. Default `"wasm"`. */
  device?: "wasm" | "webgpu";
  /**
   * Where ONNX Runtime's files are: a folder, with "/" at the end, or the addresses of the .wasm and .mjs file. Default: where
   * the bundler put them; Vite does so by itself.
   */
  wasmPaths?: string | { readonly wasm?: string; readonly mjs?: string };
}

/** What onnxruntime-web has besides. */
interface OrtWeb extends Ort {
  readonly env: { readonly wasm: { numThreads?: number; wasmPaths?: WebEngineOptions["wasmPaths"] } };
}

/** One of ONNX Runtime's builds, loaded. There is one of each in a page, and the first engine decides over its threads. */
interface Build {
  readonly ort: OrtWeb;
  readonly threads: number | undefined;
  readonly schedule: Schedule;
}

type Device = NonNullable<WebEngineOptions["device"]>;

const LOADERS = {
  wasm: () => import("onnxruntime-web/wasm"),
  webgpu: () => import("onnxruntime-web/webgpu"),
} as const satisfies Record<Device, () => Promise<unknown>>;

const builds = new Map<Device, Promise<Build>>();

/**
 * The engine for browsers, over onnxruntime-web, which has to be installed besides this package.
 *
 *     const engine = await webEngine({ device: "webgpu" });
 *
 * Only the build that is asked for is downloaded. On WebAssembly a run occupies the thread that it is called from: in pages
 * with something to click on, make the engine in a worker. More than one thread (`threads`) needs a page that is
 * cross-origin isolated, that is, served with the headers `Cross-Origin-Opener-Policy: same-origin` and
 * `Cross-Origin-Embedder-Policy: require-corp`; how many there are by default is ONNX Runtime's choice.
 *
 * On WebGPU, ONNX Runtime gives the weights of executables back when the last of them is disposed, not each with its own.
 *
 * Throws an EngineError where there is no WebGPU, or no isolation for several threads.
 */
export async function webEngine(options: WebEngineOptions = {}): Promise<Engine> {
  const { device = "wasm", threads } = options;
  const suffix = threads === undefined ? "" : `, ${threads} thread${threads === 1 ? "" : "s"}`;
  const name = `onnxruntime-web ${device}${suffix}`;
  const target = device === "webgpu" && isEmulated(await findAdapter(name)) ? "webgpu-emulated" : device;
  if (threads !== undefined && threads > 1 && !globalThis.crossOriginIsolated) {
    throw new EngineError(
      `${name}: several threads need a page that is cross-origin isolated; serve it with the headers Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or ask for 1 thread`,
    );
  }
  const build = await load(device, options);
  if (threads !== undefined && threads !== build.threads) {
    throw new EngineError(
      `${name}: ONNX Runtime runs in this page with ${build.threads ?? "its own choice of"} threads already, which cannot change; ask for the same number, or make the engine in a worker`,
    );
  }
  return ortEngine(build.ort, {
    name,
    target,
    session: { executionProviders: [device] },
    ...(device === "webgpu" && { gpu: { writesInto: true } }),
    inParts: device === "wasm",
    schedule: build.schedule,
  });
}

function load(device: Device, { threads, wasmPaths }: WebEngineOptions): Promise<Build> {
  const known = builds.get(device);
  if (known) return known;
  const build = LOADERS[device]().then((module): Build => {
    const ort = module as unknown as OrtWeb;
    if (threads !== undefined) ort.env.wasm.numThreads = threads;
    if (wasmPaths !== undefined) ort.env.wasm.wasmPaths = wasmPaths;
    // its module keeps what a run needs on one stack, so that two at once would overwrite each other's
    return { ort, threads, schedule: inTurn() };
  });
  const explained = build.catch((error: Error) => {
    builds.delete(device);
    const missing = /Cannot find (package|module)|Failed to resolve module/.test(error.message);
    throw missing
      ? new EngineError(
          `webEngine: it needs onnxruntime-web: npm install onnxruntime-web; in Node, use nodeEngine instead`,
          {
            cause: error,
          },
        )
      : error;
  });
  builds.set(device, explained);
  return explained;
}

/** The part of WebGPU's interface that is needed to ask for it. */
interface Gpu {
  requestAdapter(): Promise<Adapter | null>;
}

interface Adapter {
  readonly info?: { readonly isFallbackAdapter?: boolean };
  /** As browsers had it before it was part of `info`. */
  readonly isFallbackAdapter?: boolean;
}

/** Whether it is the processor that computes. */
const isEmulated = ({ info, isFallbackAdapter }: Adapter) => info?.isFallbackAdapter ?? isFallbackAdapter ?? false;

async function findAdapter(name: string): Promise<Adapter> {
  const { gpu } = navigator as { gpu?: Gpu };
  if (!gpu) {
    throw new EngineError(
      `${name}: this browser has no WebGPU, or the page is served from elsewhere than https or localhost; use another browser, or device "wasm"`,
    );
  }
  const adapter = await gpu.requestAdapter();
  if (!adapter) {
    throw new EngineError(
      `${name}: the browser has WebGPU, but no adapter: there is no GPU, or its driver is blocked (Chromium tells on chrome://gpu); use device "wasm"`,
    );
  }
  return adapter;
}

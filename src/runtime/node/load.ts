import { existsSync, readdirSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { PACKAGE } from "../../package.ts";
import { EngineError } from "../engine.ts";
import { inTurn, type Ort, type Schedule } from "../ort.ts";

/** ONNX Runtime compiled to WebAssembly, which has settings for the whole process. */
interface OrtWasm extends Ort {
  readonly env: { readonly wasm: { numThreads?: number; wasmBinary?: Uint8Array } };
}

// as node:module is a test runner's own within its sandboxes (vitest's vmThreads), which cannot load native code
const require = process.getBuiltinModule("node:module").createRequire(import.meta.url);

/** ONNX Runtime's files ship in the package's own folder; a clone of the repository has them in node_modules. */
const shippedAt = (name: string) => fileURLToPath(`${PACKAGE}vendor/${name}`);

function load(name: "onnxruntime-node" | "onnxruntime-web"): Ort {
  const shipped = shippedAt(name);
  return require(existsSync(shipped) ? shipped : name) as Ort;
}

/** The package ships WebAssembly once, as a file of the studio's page. Undefined in a clone. */
function sharedWasm(): Uint8Array | undefined {
  if (!existsSync(shippedAt("onnxruntime-web"))) return undefined;
  const assets = fileURLToPath(`${PACKAGE}dist/studio/web/assets/`);
  const name = readdirSync(assets).find((file) => /^ort-wasm-simd-threaded-[\w-]+\.wasm$/.test(file));
  if (name === undefined)
    throw new EngineError(`onnxruntime-web: its .wasm file is missing in ${assets}; install the package again`);
  return readFileSync(join(assets, name));
}

let native: Ort | { readonly missing: string } | undefined;

/** The native build, or why it cannot be loaded here. */
export function nativeRuntime(): Ort | { readonly missing: string } {
  if (native) return native;
  try {
    native = load("onnxruntime-node");
  } catch (error) {
    const { code, message } = error as Error & { code?: string };
    const missing = code?.includes("MODULE_NOT_FOUND")
      ? `ONNX Runtime has no native build for ${process.platform} ${process.arch}`
      : `ONNX Runtime's native build cannot be loaded (${message.split("\n")[0]})`;
    native = { missing };
  }
  return native;
}

let wasm: { readonly ort: OrtWasm; readonly threads: number; readonly schedule: Schedule } | undefined;

/** The WebAssembly build. The first call decides how many threads it has. */
export function wasmRuntime(threads: number | undefined): NonNullable<typeof wasm> {
  if (!wasm) {
    // both builds register as "cpu", and sessions go to the one that came first
    nativeRuntime();
    const ort = load("onnxruntime-web") as OrtWasm;
    const count = threads ?? availableParallelism();
    ort.env.wasm.numThreads = count;
    const binary = sharedWasm();
    if (binary) ort.env.wasm.wasmBinary = binary;
    // its module keeps what a run needs on one stack, so that two at once would overwrite each other's
    wasm = { ort, threads: count, schedule: inTurn() };
  }
  if (threads !== undefined && threads !== wasm.threads) {
    throw new EngineError(
      `onnxruntime-web: WebAssembly already runs with ${wasm.threads} thread${wasm.threads === 1 ? "" : "s"} in this process, which cannot change; ask for the same number`,
    );
  }
  return wasm;
}

/** What the environment variable CONVNETS_ENGINE asks for, if it is set. */
export function forcedBuild(): "native" | "wasm" | undefined {
  const value = process.env.CONVNETS_ENGINE;
  if (value === undefined || value === "" || value === "native" || value === "wasm") return value || undefined;
  throw new EngineError(`CONVNETS_ENGINE is "${value}", but has to be "native" or "wasm"`);
}

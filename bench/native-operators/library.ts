/** Builds the native library, and calls it through koffi. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import koffi from "koffi";

const require = createRequire(import.meta.url);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const SOURCES = here("native");
const LIBRARY = here("../../.cache/native-operators/libconvnets-operators.so");
const FLAGS = ["-std=c++17", "-O3", "-mavx2", "-mfma", "-fPIC", "-shared", "-s", "-Wall", "-Wextra"];

/** The library's path, built if its sources are newer. */
export function build(): string {
  const sources = readdirSync(SOURCES).map((name) => join(SOURCES, name));
  const newest = Math.max(...sources.map((path) => statSync(path).mtimeMs));
  if (existsSync(LIBRARY) && statSync(LIBRARY).mtimeMs >= newest) return LIBRARY;
  const include = process.env.ORT_INCLUDE ?? here("../../.cache/native-operators/include");
  if (!existsSync(join(include, "onnxruntime_c_api.h")))
    throw new Error(
      `there is no onnxruntime_c_api.h in ${include}; bench/native-operators/README.md tells where to get it`,
    );
  mkdirSync(dirname(LIBRARY), { recursive: true });
  const units = sources.filter((path) => path.endsWith(".cpp"));
  const { status } = spawnSync("g++", [...FLAGS, `-I${include}`, "-o", LIBRARY, ...units, "-ldl"], {
    stdio: "inherit",
  });
  if (status !== 0) throw new Error("g++ failed");
  return LIBRARY;
}

/** ONNX Runtime's own shared library, which lies in onnxruntime-node. */
function runtime(): string {
  const bin = join(dirname(require.resolve("onnxruntime-node/package.json")), "bin");
  const napi = readdirSync(bin).find((name) => name.startsWith("napi-"))!;
  const folder = join(bin, napi, process.platform, process.arch);
  return join(folder, readdirSync(folder).find((name) => name.startsWith("libonnxruntime.so"))!);
}

/** ONNX's number of the type of all that is bound. */
const FLOAT32 = 1;

/** Memory outside JavaScript's heap, and its address. */
export interface Memory {
  readonly address: bigint;
  readonly floats: Float32Array;
}

export interface NativeSession {
  bind(name: string, direction: "input" | "output", memory: Memory, shape: readonly number[]): void;
  /** Runs once, on another thread. */
  run(): Promise<void>;
  close(): void;
}

export interface SessionOptions {
  readonly threads: number;
  /** Whether memory is planned ahead as one block. */
  readonly plan: boolean;
  /** Prefix of a profile's file. */
  readonly profile?: string;
}

/** The functions of the library. */
export function load() {
  const path = build();
  const library = koffi.load(path);
  const failure = library.func("const char *convnets_failure()");
  const allocate = library.func("void *convnets_allocate(uint64_t bytes)");
  const open = library.func(
    "void *convnets_open(const char *runtime, const char *operators, void *model, uint64_t bytes, int threads, int plan, const char *profile)",
  );
  const bind = library.func(
    "int convnets_bind(void *session, const char *name, int output, void *data, uint64_t bytes, int64_t *shape, uint64_t rank, int type)",
  );
  const run = library.func("int convnets_run(void *session)");
  const close = library.func("void convnets_close(void *session)");
  const failed = () => new Error(`ONNX Runtime: ${failure()}`);

  return {
    size: statSync(path).size,

    allocate(length: number): Memory {
      const bytes = Math.max(4, length * 4);
      const address = allocate(bytes) as bigint | null;
      if (address === null) throw new Error(`no memory for ${bytes} bytes`);
      return { address, floats: new Float32Array(koffi.view(address, length * 4)) };
    },

    open(model: Uint8Array, { threads, plan, profile = "" }: SessionOptions): NativeSession {
      const session = open(runtime(), path, model, model.byteLength, threads, plan ? 1 : 0, profile) as bigint | null;
      if (session === null) throw failed();
      return {
        bind(name, direction, { address, floats }, shape) {
          const dims = BigInt64Array.from(shape, BigInt);
          const isOutput = direction === "output" ? 1 : 0;
          const { byteLength } = floats;
          if (bind(session, name, isOutput, address, byteLength, dims, shape.length, FLOAT32) !== 0) throw failed();
        },
        run: () =>
          new Promise((resolve, reject) => {
            run.async(session, (error: unknown, status: number) => {
              if (error || status !== 0) reject(error ?? failed());
              else resolve();
            });
          }),
        close: () => close(session),
      };
    },
  };
}

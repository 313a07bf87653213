/** What a worker with an engine says about it. */

export type Device = "webgpu" | "wasm";

/** The engine of a worker. */
export interface EngineInfo {
  readonly device: Device;
  /** Threads that compute on the processor. */
  readonly threads: number;
  /** The GPU, as the browser names it. */
  readonly gpu?: string;
  /** Whether the page may use several threads. */
  readonly isolated: boolean;
  /** Addresses of the files that it was loaded from. */
  readonly files: readonly string[];
}

/** What every worker with an engine answers; its own messages extend this. */
export interface WithEngine {
  /** Loads the engine, if it is not loaded yet. Default device: WebGPU where there is a real GPU, else WebAssembly. */
  engine(device?: Device): Promise<EngineInfo>;
}

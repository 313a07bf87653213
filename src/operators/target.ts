/**
 * Kind of engine that will run the graph: some formulas are written differently for each. `"webgpu-emulated"` is WebGPU without a
 * GPU, which the processor computes.
 */
export type Target = "cpu" | "wasm" | "webgpu" | "webgpu-emulated";

/** Whether graphs for a target run through WebGPU, on a GPU or without one. */
export const isWebGpu = (target: Target): boolean => target.startsWith("webgpu");

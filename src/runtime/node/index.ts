/** The engine for Node: native, or WebAssembly where there is no native build. Includes everything of `runtime`. */
export * from "../index.ts";
export { type NodeEngineOptions, nodeEngine, type OrtModule } from "./engine.ts";

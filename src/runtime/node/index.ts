/** The native engine. Includes everything of `runtime`. */
export * from "../index.ts";
export { type NodeEngineOptions, nodeEngine } from "./engine.ts";

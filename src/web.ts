/** The library for browsers: everything of `convnets`, and the engine over onnxruntime-web. */
export * from "./index.ts";
export { type WebEngineOptions, webEngine } from "./runtime/web.ts";

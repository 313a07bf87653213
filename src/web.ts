/** What needs a browser: the engine over onnxruntime-web. */
export { type WebEngineOptions, webEngine } from "./runtime/web.ts";

import { defineConfig } from "vite";

// onnxruntime-web looks for its .wasm files next to its code, so the development server must not bundle that code
export default defineConfig({ optimizeDeps: { exclude: ["onnxruntime-web"] } });

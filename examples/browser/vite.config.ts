import { defineConfig } from "vite";

// onnxruntime-web finds its .wasm files by their place beside its code, so the development server must not move that code
export default defineConfig({ optimizeDeps: { exclude: ["onnxruntime-web"] } });

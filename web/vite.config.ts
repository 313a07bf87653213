import { fileURLToPath } from "node:url";
import { defaultClientConditions, defineConfig } from "vite";
import { library } from "./build/library.ts";
import { licenses } from "./build/licenses.ts";
import { offline } from "./build/offline.ts";
import { policy } from "./build/policy.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The studio, as files that run from any folder of a web server: `vite build web`, or `vite web` while working on it. */
export default defineConfig({
  root: path("."),
  base: "./",
  resolve: {
    // ONNX Runtime's scripts and .wasm files are assets of their own, which its threads load as well
    conditions: ["onnxruntime-web-use-extern-wasm", ...defaultClientConditions],
    alias: library,
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  optimizeDeps: { exclude: ["onnxruntime-web"] },
  worker: { format: "es" },
  build: {
    outDir: path("../dist/studio/web"),
    emptyOutDir: true,
    target: "es2022",
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1000,
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  plugins: [policy(), licenses(), offline()],
});

import { fileURLToPath } from "node:url";
import { defineConfig } from "vite";
import { library } from "../build/library.ts";
import { licenses } from "../build/licenses.ts";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

/** The script, style sheet and licenses that `drawHtml` puts into its files: `vite build web/page`. */
export default defineConfig({
  root: path("."),
  publicDir: false,
  resolve: { alias: library },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    outDir: path("../../dist/draw/page"),
    emptyOutDir: true,
    target: "es2022",
    minify: true,
    lib: { entry: path("main.tsx"), formats: ["iife"], name: "page", fileName: () => "page.js", cssFileName: "page" },
    rolldownOptions: { checks: { pluginTimings: false } },
  },
  plugins: [licenses()],
});

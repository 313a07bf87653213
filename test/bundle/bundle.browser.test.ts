/** What bundlers and minifiers make of the library: names that survive, and a size that stays. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build as esbuild } from "esbuild";
import { build as vite } from "vite";
import { afterAll, describe, expect, it } from "vitest";
import { noChromium, openBrowser } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { show } from "./program.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "convnets-bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The program as a minified ES module. */
async function minified(contents: string): Promise<string> {
  const { outputFiles } = await esbuild({
    stdin: { contents, resolveDir: HERE, loader: "ts" },
    bundle: true,
    minify: true,
    format: "esm",
    write: false,
  });
  return outputFiles[0]!.text;
}

/** Most that programs may take, in kB of 1024 bytes after gzip -9: with one network, and with all, which `createModel` reaches by name. */
const LIMITS = [
  ["googlenet", 'export { googlenet } from "../../src/models/index.ts";', 25],
  ["createModel", 'export { createModel } from "../../src/index.ts";', 34.5],
] as const;

it.each(LIMITS)("%s, summarize and renderText stay small", async (name, network, limit) => {
  const code = await minified(`${network} export { renderText, summarize } from "../../src/index.ts";`);
  const size = gzipSync(code, { level: 9 }).length / 1024;
  console.info(`bundle of ${name}, summarize and renderText: ${size.toFixed(1)} kB`);
  expect(size).toBeLessThanOrEqual(limit);
});

describe("table, summary, drawing and text from a minified bundle are those of the sources", () => {
  const expected = show();

  it("from esbuild, in Node", async () => {
    const code = await minified('export { show } from "./program.ts";');
    expect(code).not.toMatch(/class (Conv2d|Linear|Inception)\b/);
    const file = join(folder, "program.mjs");
    writeFileSync(file, code);
    expect((await import(pathToFileURL(file).href)).show()).toEqual(expected);
  });

  if (noChromium) console.error(`skipped: Vite's bundle in Chromium (${noChromium})`);
  it("from Vite, in Chromium", unless(noChromium), async () => {
    const entry = join(folder, "entry.js");
    writeFileSync(entry, `import { show } from ${JSON.stringify(join(HERE, "program.ts"))}; globalThis.show = show;`);
    await vite({
      root: HERE,
      configFile: false,
      logLevel: "error",
      publicDir: false,
      build: { outDir: join(folder, "vite"), rolldownOptions: { input: entry, output: { entryFileNames: "page.js" } } },
    });
    const browser = await openBrowser();
    try {
      const page = await browser.newPage();
      await page.addScriptTag({ path: join(folder, "vite", "page.js"), type: "module" });
      await page.waitForFunction("globalThis.show");
      expect(await page.evaluate("show()")).toEqual(expected);
    } finally {
      await browser.close();
    }
  });
});

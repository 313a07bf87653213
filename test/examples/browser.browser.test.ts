/** The example for browsers, served by Vite's development server as its first lines say, in Chromium. */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { createServer } from "vite";
import { expect, it } from "vitest";
import "../cli/run.ts";
import { noChromium } from "../conformance/chromium.ts";
import { ROOT } from "../docs/documents.ts";
import { unless } from "../support/skip.ts";

it("browser", { ...unless(noChromium), timeout: 120_000 }, async () => {
  // the dependencies may be linked in from elsewhere
  const allow = [ROOT, realpathSync(join(ROOT, "node_modules"))];
  const root = join(ROOT, "examples/browser");
  const server = await createServer({ root, logLevel: "error", server: { fs: { allow } } });
  const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium" });
  try {
    await server.listen();
    const page = await browser.newPage();
    const failure = new Promise((_, reject) => page.on("pageerror", reject));
    await page.goto(`${server.resolvedUrls!.local[0]}?images=640&epochs=1`);
    const done = page.waitForFunction('document.querySelector("#status").textContent.startsWith("Done")');
    await Promise.race([done, failure]);
    expect(await page.textContent("#status")).toMatch(/^Done: \d+ of 20 images right$/);
    expect(await page.locator("canvas").count()).toBe(20);
    expect(await page.locator("figcaption").first().textContent()).toMatch(/^[a-z]+$/);
  } finally {
    await browser.close();
    await server.close();
  }
});

/** The example for browsers, served by Vite's development server as its first lines say, in Chromium. */
import { join } from "node:path";
import { expect, it } from "vitest";
import "../cli/run.ts";
import { ROOT } from "../docs/documents.ts";
import { withPage } from "../docs/vite.ts";
import { noChromium } from "../support/browser.ts";

it("browser", async ({ skip }) => {
  if (noChromium !== undefined) skip(noChromium);
  await withPage(join(ROOT, "examples/browser"), "?images=640&epochs=1", async (page) => {
    await page.waitForFunction('document.querySelector("#status").textContent.startsWith("Done")', undefined, {
      timeout: 100_000,
    });
    expect(await page.textContent("#status")).toMatch(/^Done: \d+ of 20 images right$/);
    expect(await page.locator("canvas").count()).toBe(20);
    expect(await page.locator("figcaption").first().textContent()).toMatch(/^[a-z]+$/);
  });
}, 120_000);

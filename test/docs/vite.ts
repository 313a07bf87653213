/** Pages served by Vite's development server, in Chromium. */
import { realpathSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { createServer } from "vite";
import { openBrowser } from "../support/browser.ts";
import { ROOT } from "./documents.ts";

/** Opens a page of the folder; fails if the page throws. */
export async function withPage(folder: string, path: string, use: (page: Page) => Promise<void>): Promise<void> {
  // dependencies may be linked in from elsewhere
  const allow = [folder, ROOT, realpathSync(join(ROOT, "node_modules"))];
  const server = await createServer({ root: folder, logLevel: "error", server: { fs: { allow } } });
  const browser = await openBrowser();
  try {
    await server.listen();
    const page = await browser.newPage();
    // the server bundles dependencies when they are first asked for
    page.setDefaultTimeout(100_000);
    const failure = new Promise<never>((_, reject) => page.on("pageerror", reject));
    await page.goto(new URL(path, server.resolvedUrls!.local[0]).href);
    await Promise.race([use(page), failure]);
  } finally {
    await browser.close();
    await server.close();
  }
}

/** The studio in Chromium, for tests: every page that is opened is watched for errors and for requests to other hosts. */
import { createRequire } from "node:module";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { expect } from "vitest";
import { type StudioServer, serveStudio, type TrainingOptions } from "../../src/studio/node/index.ts";
import { openBrowser, openWebgpuBrowser } from "../support/browser.ts";
import { buildPage } from "./page.ts";

const AXE = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** A page of the studio, and what went wrong on it. */
export interface OpenStudio {
  readonly page: Page;
  readonly problems: readonly string[];
}

/**
 * Without motion, as every frame of it is painted by the processor, and without the service worker, which would read and store all of
 * the studio's files for each context.
 */
const CONTEXT: BrowserContextOptions = {
  viewport: { width: 1280, height: 800 },
  reducedMotion: "reduce",
  serviceWorkers: "block",
};
const BLOCKED = "Service Worker registration blocked by Playwright";

export class Studios {
  readonly server: StudioServer;
  readonly #browser: Browser;

  private constructor(server: StudioServer, browser: Browser) {
    this.server = server;
    this.#browser = browser;
  }

  static async create(
    folder: string,
    { train, webgpu = false }: { train?: TrainingOptions; webgpu?: boolean } = {},
  ): Promise<Studios> {
    await buildPage();
    const server = await serveStudio({ folder, ...(train && { train }) });
    return new Studios(server, await (webgpu ? openWebgpuBrowser() : openBrowser()));
  }

  /** Opens the studio; `query` is the part of the address after "#/explore?". Waits until the map is drawn. */
  async open(query: string, options: BrowserContextOptions = {}): Promise<OpenStudio> {
    const context = await this.#browser.newContext({ ...CONTEXT, ...options });
    const page = await context.newPage();
    // another process may have the processor; below the time of a test, so that it says what it waited for
    page.setDefaultTimeout(50_000);
    const problems: string[] = [];
    const origin = `http://127.0.0.1:${this.server.port}`;
    page.on("console", (message) => {
      if (!/^(error|warning)$/.test(message.type()) || message.text() === BLOCKED) return;
      problems.push(message.text());
    });
    page.on("pageerror", (error) => problems.push(error.message));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith(`${origin}/`) && !/^(blob|data|file):/.test(url)) problems.push(`request to ${url}`);
    });
    await page.goto(`${origin}/#/explore?${query}`);
    await drawn(page);
    return { page, problems };
  }

  async close(): Promise<void> {
    await this.#browser?.close();
    await this.server?.close();
  }
}

/** Goes to another address of the open page, the part after "#", and waits until the page shows it. */
export const go = (page: Page, hash: string) =>
  page.evaluate(
    (to) =>
      new Promise<void>((done) => {
        if (location.hash === to) return done();
        // the page's own listener comes first, and draws in the next frame
        addEventListener("popstate", () => requestAnimationFrame(() => requestAnimationFrame(() => done())), {
          once: true,
        });
        location.hash = to;
      }),
    hash,
  );

/** Waits until the map shows boxes. */
export const drawn = (page: Page) => page.waitForSelector(".map .node");

/** Fails if axe-core finds anything in the page; by all of its rules, unless some are named. */
export async function expectAccessible(page: Page, ...rules: string[]): Promise<void> {
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(await source());
  const options = { resultTypes: ["violations"], ...(rules.length > 0 && { runOnly: rules }) };
  const found = (await page.evaluate(`axe.run(document, ${JSON.stringify(options)})`)) as {
    violations: { id: string; help: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  const told = found.violations.map(
    ({ id, help, nodes }) =>
      `${id}: ${help}\n${nodes.map(({ html, failureSummary }) => `${html}\n${failureSummary}`).join("\n")}`,
  );
  expect(told).toEqual([]);
}

let axe: Promise<string> | undefined;
function source(): Promise<string> {
  axe ??= import("node:fs/promises").then(({ readFile }) => readFile(AXE, "utf8"));
  return axe;
}

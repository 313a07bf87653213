/** Look inside: a picture goes through the network in a worker, and every layer shows what it makes of it. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, exportOnnx } from "../../src/index.ts";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { expectAccessible, type OpenStudio, Studios } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-look-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Milliseconds in which a busy machine does what was asked for. */
const SOON = { timeout: 40_000 };

/** Longest time in milliseconds that the page's own thread was busy since `watchTasks`. */
const watchTasks = `
  globalThis.longest = 0;
  new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) globalThis.longest = Math.max(globalThis.longest, duration);
  }).observe({ type: "longtask" });
`;

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  beforeAll(async () => {
    const model = createModel("inception_small").initialize(1);
    writeFileSync(join(folder, "small.onnx"), exportOnnx(model, { input: [1, 3, 32, 32] }).bytes);
    studios = await Studios.create(folder);
  });
  afterAll(() => studios?.close());

  async function look(query: string, options?: Parameters<Studios["open"]>[1]): Promise<OpenStudio> {
    // the first of a name counts
    const opened = await studios.open(`${query}&lang=en`, options);
    await opened.page.locator(".rail button", { hasText: /Look inside|看内部/ }).click();
    await opened.page.waitForSelector(".channel canvas");
    await opened.page.waitForSelector(".working progress", { state: "detached" });
    return opened;
  }

  it.each([
    ["light", "en", { width: 1440, height: 900 }],
    ["dark", "zh", { width: 380, height: 760 }],
  ] as const)("is accessible and quiet: %s, %s", async (theme, language, viewport) => {
    const { page, problems } = await look(`net=vgg_small&theme=${theme}&lang=${language}&overlay=cam`, { viewport });
    await page.waitForSelector(".overlay:not([hidden])");
    expect(await page.locator("html").getAttribute("lang")).toMatch(language);
    await expectAccessible(page);
    const [scroll, client] = (await page.evaluate(
      "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
    )) as [number, number];
    expect(scroll).toBe(client);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("shows the maps of what is selected, scores, and what counts for a class", async () => {
    const { page, problems } = await look("net=vgg_small");
    const head = () => page.locator(".maps-head").textContent();
    expect(await head()).toContain("32 maps of 32 × 32");
    await expect.poll(() => page.locator(".scores li").count()).toBe(5);
    await expect.poll(() => page.locator(".weights-note").textContent()).toBe("Initial weights, random");
    await page.locator(".channel").nth(3).hover();
    await expect.poll(() => page.locator(".under").textContent()).toMatch(/^channel 3, row \d+, column \d+: −?\d/);
    // the table and the map select the same layer
    await page.locator(".look-tabs button", { hasText: "Table" }).click();
    // only the rows in sight are in the page
    await page.evaluate("document.querySelector('.table-box').scrollTop = 1e4");
    await page.locator("tbody tr", { hasText: "Linear" }).last().click();
    await expect.poll(head).toContain("10 numbers");
    await page.locator(".look-tabs button", { hasText: "Map" }).click();
    await page.waitForSelector(".map .is-selected");
    for (const [name, kind] of [
      ["Grad-CAM", "cam"],
      ["Gradient", "gradient"],
      ["Occlusion", "occlusion"],
    ] as const) {
      await page.locator(".look-picture .segments button", { hasText: name }).click();
      await page.waitForSelector(`.overlay.is-${kind}:not([hidden])`);
      expect(page.url()).toContain(`overlay=${kind}`);
    }
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("finds what a channel of a network from a file responds to, while the page answers, and can be stopped", async () => {
    const { page, problems } = await look(`net=file%3Asmall.onnx&token=${studios.server.token}`);
    await expect.poll(() => page.locator(".weights-note").textContent()).toBe("Weights of the file");
    await page.evaluate(watchTasks);
    await page.locator(".channel").nth(1).click();
    await expect.poll(() => page.locator(".response-facts").textContent(), SOON).toContain("step 48 of 48");
    const longest = (await page.evaluate("globalThis.longest")) as number;
    console.log(`longest task of the page during gradient ascent: ${longest} ms`);
    // in the page itself, since it takes only a second
    await page.evaluate(`new Promise((done) => {
      document.querySelectorAll(".channel")[2].click();
      const stop = () => {
        const button = document.querySelector(".working .button");
        if (!button) return requestAnimationFrame(stop);
        button.click();
        done();
      };
      stop();
    })`);
    await page.waitForSelector(".working progress", { state: "detached" });
    // the next one starts again, whether the worker went on or was ended
    await page.locator(".channel").nth(3).click();
    await expect.poll(() => page.locator(".response-facts").textContent(), SOON).toContain("step 48 of 48");
    expect(problems).toEqual([]);
    await page.context().close();
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { report } from "../../src/report/index.ts";
import { noChromium, openBrowser } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { dataOf, type MadeUp } from "./report-data.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-report-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("in Chromium", unless(noChromium), () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test.each([360, 800, 1400])(
    "fits a page of %i pixels in both themes, asks for nothing, and text can be read",
    async (width) => {
      for (const [name, options] of Object.entries({
        usual: { epochs: 20 },
        many: { classes: 100, text: " with a name that is longer than any column of any table could ever be" },
        middle: { classes: 20, text: " longer" },
        stopped: { stopAfter: 3 },
      } satisfies Record<string, MadeUp>)) {
        const file = join(folder, `${name}.html`);
        writeFileSync(file, report(dataOf(options)));
        const page = await browser.newPage({ viewport: { width, height: 800 } });
        const heard: string[] = [];
        page.on("console", (message) => heard.push(message.text()));
        page.on("pageerror", (error) => heard.push(error.message));
        page.on("request", (request) => heard.push(request.url()));
        await page.goto(pathToFileURL(file).href);
        const paper: string[] = [];
        for (const colorScheme of ["light", "dark"] as const) {
          await page.emulateMedia({ colorScheme });
          const seen = await page.evaluate(() => {
            const { scrollWidth, clientWidth } = document.documentElement;
            const { backgroundColor } = getComputedStyle(document.body);
            const small = [...document.querySelectorAll("main *:not(.drawing *)")]
              .filter((element) =>
                [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent?.trim()),
              )
              .filter((element) => Number.parseFloat(getComputedStyle(element).fontSize) < 11.9)
              .map((element) => element.outerHTML.slice(0, 200));
            return { beyond: scrollWidth - clientWidth, backgroundColor, small };
          });
          expect(seen).toMatchObject({ beyond: 0, small: [] });
          paper.push(seen.backgroundColor);
        }
        expect(heard.filter((url) => !url.startsWith("data:"))).toEqual([pathToFileURL(file).href]);
        await page.close();
        expect(paper).toEqual(["rgb(245, 247, 250)", "rgb(10, 14, 19)"]);
      }
    },
  );

  test("values are shown where the pointer is", async () => {
    const data = dataOf();
    const file = join(folder, "pointer.html");
    writeFileSync(file, report(data));
    const page = await browser.newPage({ viewport: { width: 1200, height: 800 } });
    await page.goto(pathToFileURL(file).href);
    const column = page.locator(".chart").first().locator(".column").nth(1);
    expect(await column.locator(".values").isVisible()).toBe(false);
    await column.hover();
    const { train, validation } = data.epochs[1]!;
    const values = [train.loss, validation!.loss].map((value) => String(Number(value.toPrecision(4))));
    expect(await column.locator(".values").textContent()).toBe(`epoch 2training ${values[0]}validation ${values[1]}`);
    await page.close();
  });
});

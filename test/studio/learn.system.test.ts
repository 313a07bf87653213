/** Learn: every page in both languages, with the numbers that the library computes, and controls that change them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { expectAccessible, go, type OpenStudio, Studios } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-learn-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Expected {
  readonly id: string;
  /** What the page shows as it opens, once something was predicted. */
  readonly numbers: readonly string[];
  /** Other settings, and what the page shows with them. */
  readonly set: string;
  readonly changed: readonly string[];
}

const PAGES: readonly Expected[] = [
  {
    id: "small-filters",
    numbers: ["18 C²", "25 C²", "5×5", "73,728", "102,400"],
    set: "n3_c128",
    changed: ["27 C²", "49 C²", "7×7"],
  },
  {
    id: "vgg-weights",
    numbers: [
      ...["138,357,544", "102,764,544", "16,781,312", "4,097,000", "14,714,688"],
      ...["89.4 %", "10.6 %", "99.2 %"],
    ],
    set: "w512",
    changed: ["512 · 7² · 512 + 512", "14,714,688"],
  },
  {
    id: "pointwise",
    numbers: ["1×1", "1,024", "y = Σ w · x", "0.30 · ", "0.60 · ", "0.10 · "],
    set: "a1_b0_c-1_s1",
    changed: ["1.00 · ", "(−1.00) · ", "1,024"],
  },
  {
    id: "average",
    numbers: ["1,930", "94,090", "192 · 7² · 10 + 10"],
    set: "s2",
    changed: ["192 · 2² · 10 + 10"],
  },
  {
    id: "wide",
    numbers: ["64 + 128 + 32 + 32 = 256", "164,064", "128.0 M", "1×1, 3×3, 5×5, 3×3"],
    set: "b0",
    changed: ["64 + 32 + 32 = 128"],
  },
  {
    id: "reduce-first",
    numbers: ["387,520", "164,064", "303.5 M", "128.0 M", "416", "256", "153,600", "15,872", "10.3 %"],
    set: "f192",
    changed: ["190,464"],
  },
  {
    id: "padding-stride-ceil",
    numbers: ["112 → 56", "55", "⌈(112 + 2 · 0 − 3) / 2⌉ + 1 = ⌈54.5⌉ + 1 = 56"],
    set: "n224_k7_d3_o0",
    changed: ["⌊(224 + 2 · 3 − 7) / 2⌋ + 1 = ⌊111.5⌋ + 1 = 112"],
  },
];

/** Pages whose experiments train or measure, small enough for a test; and a part of what they say at the end. */
const LIVE = [
  { id: "sparse-dense", set: "k2", told: /small dense .* ns.*36\.0 %/ },
  { id: "auxiliary", set: "b3_w0.5_t10", told: /L = Lmain \+ 0\.5 · Laux1/ },
  { id: "normalize", set: "l3_t10", told: /The loss of guessing is 1\.39/ },
] as const;
const IDS = [...PAGES, ...LIVE].map(({ id }) => id);

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  let studio: OpenStudio;
  beforeAll(async () => {
    studios = await Studios.create(folder);
    studio = await studios.open("net=nin");
  });
  afterAll(() => studios?.close());

  async function visit(page: Page, query: string): Promise<void> {
    await go(page, `#/learn?net=nin&${query}`);
    await page.waitForSelector(".lesson");
  }
  const text = (page: Page) =>
    page.evaluate(`document.querySelector(".lesson").textContent.replaceAll("\\u00a0", " ")`);
  const shows = async (page: Page, parts: readonly string[]) => {
    for (const part of parts) await expect.poll(() => text(page)).toContain(part);
  };

  it("lists the pages that there are", async () => {
    const { page } = studio;
    await visit(page, "lang=en");
    expect(await page.locator(".ideas a").count()).toBe(IDS.length);
    expect(await page.locator("#claim").textContent()).toContain("3×3");
  });

  it.each(PAGES)(
    "$id: shows the numbers, and follows its controls, in both languages",
    async ({ id, numbers, set, changed }) => {
      const { page, problems } = studio;
      for (const language of ["en", "zh"]) {
        await visit(page, `idea=${id}&lang=${language}&theme=light`);
        expect(await page.locator(".outcome section").count()).toBe(0);
        await page.locator(".choices button").first().click();
        await shows(page, numbers);
        await visit(page, `idea=${id}&set=p1_${set}&lang=${language}&theme=light`);
        await shows(page, changed);
        await expectAccessible(page);
      }
      const before = await text(page);
      await page.locator(".controls button:enabled, .controls input").first().focus();
      await page.keyboard.press((await page.locator(".controls input:focus").count()) ? "ArrowLeft" : "Enter");
      await expect.poll(() => text(page)).not.toBe(before);
      const after = await text(page);
      await page.reload();
      await expect.poll(() => text(page)).toBe(after);
      expect(problems).toEqual([]);
    },
  );

  it("keeps the answer until something was predicted", async () => {
    const { page } = studio;
    await visit(page, "idea=small-filters&lang=en");
    await expect.poll(() => page.locator(".answer").count()).toBe(4);
    expect(await text(page)).not.toContain("73,728");
  });

  it.each(LIVE)(
    "$id: measures, can be stopped, and says what happened",
    async (live) => {
      const { page, problems } = studio;
      await visit(page, `idea=${live.id}&set=${live.set}&lang=en&theme=light`);
      await page.locator(".choices button").first().click();
      await page.locator(".play button", { hasText: "Stop" }).click();
      await page.locator(".play button", { hasText: /^Run/ }).click();
      await page.waitForSelector(".into-explore", { timeout: 110_000 });
      expect(await text(page)).toMatch(live.told);
      expect(await page.locator(".choices .is-right").count()).toBe(1);
      await expectAccessible(page);
      // what was measured stays in the other language
      await page.getByRole("button", { name: "Switch to Chinese" }).click();
      await page.waitForSelector(":lang(zh) .into-explore");
      await expectAccessible(page);
      expect(problems).toEqual([]);
    },
    120_000,
  );

  it.each([
    ["dark", { width: 380, height: 760 }],
    ["light", { width: 2560, height: 1440 }],
  ] as const)(
    "is accessible and fits: %s, %o",
    async (theme, size) => {
      const { page, problems } = studio;
      await page.setViewportSize(size);
      for (const id of IDS) {
        await visit(page, `idea=${id}&set=p1&lang=en&theme=${theme}`);
        // the other theme has other colors, and nothing else
        if (theme === "dark") await expectAccessible(page, "color-contrast");
        const [scroll, client] = (await page.evaluate(
          "(({ scrollWidth, clientWidth }) => [scrollWidth, clientWidth])(document.querySelector('.learn'))",
        )) as [number, number];
        expect(scroll, id).toBeLessThanOrEqual(client);
      }
      expect(problems).toEqual([]);
    },
    120_000,
  );

  it("leads into Explore, and back", async () => {
    const { page, problems } = studio;
    await visit(page, "idea=vgg-weights&set=p2_s128&lang=en");
    await page.locator(".into-explore").click();
    await expect.poll(() => page.url()).toContain("#/explore?net=vgg16&side=128");
    await expect.poll(() => page.locator(".picker b").textContent()).toBe("vgg16");
    await page.goBack();
    await expect.poll(() => page.locator(".controls output").first().textContent()).toBe("128 px");
    expect(problems).toEqual([]);
  });
});

/** Explore: the map, the table, costs and the card, in step with each other, for pointer, keyboard and screen reader. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, encodeSafetensors, exportOnnx } from "../../src/index.ts";
import { drawHtml } from "../../src/node.ts";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { drawn, expectAccessible, go, Studios } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-explore-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const SIZES = { phone: { width: 380, height: 760 }, desktop: { width: 1440, height: 900 } } as const;

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  beforeAll(async () => {
    const model = createModel("inception_small").initialize(1);
    writeFileSync(join(folder, "small.onnx"), exportOnnx(model, { input: [1, 3, 32, 32] }).bytes);
    studios = await Studios.create(folder);
  });
  afterAll(() => studios?.close());

  it.each([
    ["light", "en", "desktop", "net=googlenet&open=inception4a&at=inception4a.branch2"],
    ["dark", "zh", "desktop", "net=vgg_small&dock=costs&color=macs&at=features.0"],
    ["light", "zh", "phone", "net=nin"],
    ["dark", "en", "phone", "net=googlenet&at=conv1.conv.0&dock=table"],
  ] as const)("is accessible and quiet: %s, %s, %s", async (theme, language, size, query) => {
    const { page, problems } = await studios.open(`${query}&theme=${theme}&lang=${language}`, {
      viewport: SIZES[size],
    });
    await expectAccessible(page);
    const { scrollWidth, clientWidth } = (await page.evaluate(
      "({ scrollWidth: document.documentElement.scrollWidth, clientWidth: document.documentElement.clientWidth })",
    )) as Record<string, number>;
    expect(scrollWidth).toBe(clientWidth);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("one selection rules the map, the table, the card and the address, which a reload restores", async () => {
    // with what moves from one place to another
    const { page, problems } = await studios.open("net=googlenet", { reducedMotion: "no-preference" });
    const selected = () =>
      page.evaluate(
        `[document.querySelector(".map .is-selected")?.dataset.id, document.querySelector("tr.is-selected th b")?.textContent, document.querySelector(".inspector .path")?.firstChild.textContent, new URLSearchParams(location.hash.split("?")[1]).get("at")]`,
      );
    await page.locator('.map [data-id="inception3b"]').click();
    await expect.poll(selected).toEqual(["inception3b", "inception3b", "inception3b", "inception3b"]);
    // only the rows in sight are in the page
    await page.evaluate("document.querySelector('.table-box').scrollTop = 0");
    await page.locator("tbody tr", { hasText: "maxpool1" }).click();
    await expect.poll(selected).toEqual(["maxpool1", "maxpool1", "maxpool1", "maxpool1"]);
    await page.locator('.map [data-id="inception3b"]').dblclick();
    await page.waitForSelector('.map [data-id="inception3b.branch3"]');
    await page.locator('.map [data-id="inception3b.branch3"] .handle').click();
    await page.locator('.map [data-id="inception3b.branch3.1.conv.0"]').click();
    await expect.poll(() => page.locator(".shapes b").allTextContents()).toEqual(["32 × 28 × 28", "96 × 28 × 28"]);
    await expect.poll(() => page.locator(".code code").textContent()).toContain("new Conv2d(32, 96, 5, { padding: 2");
    await expect
      .poll(() => page.locator(".breadcrumb li").allTextContents())
      .toEqual(["googlenet", "inception3b", "branch3", "conv 5×5"]);
    await page.reload();
    await drawn(page);
    await expect
      .poll(selected)
      .toEqual(["inception3b.branch3.1.conv.0", "0", "inception3b.branch3.1.conv.0", "inception3b.branch3.1.conv.0"]);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("can be used with the keyboard only", async () => {
    const { page, problems } = await studios.open("net=googlenet");
    const at = () => page.evaluate(`new URLSearchParams(location.hash.split("?")[1]).get("at")`);
    await page.locator("#map").focus();
    const press = async (key: string, expected: string | null) => {
      await page.keyboard.press(key);
      await expect.poll(at).toBe(expected);
    };
    await press("ArrowRight", "input:input");
    await press("ArrowRight", "conv1.conv.0");
    await press("ArrowRight", "maxpool1");
    await press("ArrowLeft", "conv1.conv.0");
    await page.keyboard.press("/");
    await page.waitForSelector("dialog[open] input:focus");
    await page.keyboard.type("inception4a");
    await page.keyboard.press("Enter");
    await expect.poll(at).toBe("inception4a");
    await expect.poll(() => page.locator("dialog").count()).toBe(0);
    await page.locator("#map").focus();
    await page.keyboard.press("Enter");
    await page.waitForSelector('.map [data-id="inception4a"].is-frame');
    await press("ArrowRight", "inception4a.branch1.conv.0");
    await press("ArrowDown", "inception4a.branch2");
    await press("Escape", "inception4a");
    await press("Escape", null);
    await page.keyboard.press("?");
    expect(await page.locator("dialog[open]").getAttribute("aria-label")).toBe("Keyboard shortcuts");
    await page.keyboard.press("Escape");
    await expect.poll(() => page.locator("dialog").count()).toBe(0);
    await page.keyboard.press("e");
    await page.waitForSelector('.map [data-id="inception5b.branch2"].is-frame');
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("opens files: from the folder, dropped, and none that are no networks", async () => {
    const { page, problems } = await studios.open("net=nin");
    await page.goto(studios.server.address({ net: "file:small.onnx" }));
    await page.reload();
    await expect.poll(() => page.locator(".picker b").textContent()).toBe("small.onnx");
    await drawn(page);
    expect(page.url()).not.toContain(studios.server.token);
    const weights = join(folder, "weights.safetensors");
    writeFileSync(
      weights,
      Buffer.concat([...encodeSafetensors({ tensors: createModel("nin").initialize(2).stateDict() })]),
    );
    copyFileSync(weights, join(folder, "broken.onnx"));
    await page.locator(".picker").click();
    const choosing = page.waitForEvent("filechooser");
    await page.getByRole("button", { name: "Open a file…" }).click();
    await (await choosing).setFiles(weights);
    await expect
      .poll(() => page.locator(".inspector .note").allTextContents())
      .toEqual(["recognized as nin, variant note"]);
    await page.goto(`http://127.0.0.1:${studios.server.port}/#/explore?net=file:broken.onnx`);
    await page.reload();
    await expect.poll(() => page.locator(".state p").textContent()).toMatch(/ONNX/);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("shows two networks side by side, in step", async () => {
    const { page, problems } = await studios.open("net=vgg16&with=vgg19");
    const [a, b] = [page.locator(".pane").nth(0), page.locator(".pane").nth(1)];
    await b.locator(".badge-only").first().waitFor();
    await expect.poll(() => b.locator(".badge-only").count()).toBe(3);
    expect(await a.locator(".badge").count()).toBe(0);
    // a pool has its counterpart at another place
    await a.locator('[data-id="feature_part.16"]').click();
    await expect.poll(() => b.locator(".is-selected").getAttribute("data-id")).toBe("feature_part.18");
    await expect.poll(() => page.locator("tr.is-selected b").allTextContents()).toEqual(["16", "18"]);
    const moved = () =>
      page.evaluate(`[...document.querySelectorAll(".pane .map-canvas > g")].map((g) => g.getAttribute("transform"))`);
    const before = (await moved()) as string[];
    await a.locator(".map-canvas").hover();
    await page.mouse.wheel(0, -240);
    await expect.poll(async () => ((await moved()) as string[]).filter((one, i) => one === before[i])).toEqual([]);
    await page.locator("#tab-costs").click();
    await expect.poll(() => page.locator(".compare-totals").textContent()).toContain("143,667,240");
    await expectAccessible(page);
    await page.evaluate('location.hash = "#/explore?net=googlenet&with=googlenet&with-variant=torchvision&theme=dark"');
    await a.locator('[data-id="inception3a"]').dblclick();
    await b.locator('[data-id="inception3a"].is-frame').waitFor();
    await page.setViewportSize(SIZES.phone);
    await expectAccessible(page);
    await page.getByRole("button", { name: "End the comparison" }).click();
    await page.waitForSelector(".explore .map .node");
    expect(problems).toEqual([]);
    await page.context().close();
  }, 120_000);

  it("draws a network into a file that needs no server, whose names are text", async () => {
    const title = "</script><script>document.body.remove()</script>";
    const file = join(folder, "googlenet.html");
    writeFileSync(file, drawHtml(createModel("googlenet"), { input: [1, 3, 224, 224], title }));
    const { page, problems } = await studios.open("net=nin", { colorScheme: "dark" });
    await page.goto(`file://${file}`);
    await drawn(page);
    expect(await page.locator("h1").textContent()).toBe(title);
    await page.locator('.map [data-id="inception4a"] .handle').click();
    await page.locator('.map [data-id="inception4a.branch2"]').dblclick();
    await page.locator('.map [data-id="inception4a.branch2.1.conv.0"]').click();
    const shapes = () => page.locator(".page-card .shapes b").allTextContents();
    await expect.poll(shapes).toEqual(["96 × 14 × 14", "208 × 14 × 14"]);
    expect(await page.locator(".page-card .facts").textContent()).toMatch(/180,128.*MACs35.2 M/);
    await page.locator("#map").focus();
    await page.keyboard.press("ArrowLeft");
    await expect.poll(shapes).toEqual(["480 × 14 × 14", "96 × 14 × 14"]);
    await page.reload();
    await drawn(page);
    await expect.poll(shapes).toEqual(["480 × 14 × 14", "96 × 14 × 14"]);
    expect(await page.locator("html").getAttribute("data-theme")).toBe("dark");
    await page.keyboard.press("e");
    await page.waitForSelector('.map [data-id="inception5b.branch2"].is-frame');
    await page.setViewportSize(SIZES.phone);
    await expectAccessible(page);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("lists the registered networks, and shows one of each publication", async () => {
    const { page, problems } = await studios.open("net=nin");
    await page.locator(".picker").first().click();
    await page.locator(".networks .network").first().waitFor();
    const names = await page.locator(".networks section li:first-child .network b").allTextContents();
    expect(names).toContain("googlenet");
    await expectAccessible(page);
    const shown = () =>
      page.evaluate(
        `document.querySelector(".map .node") && !document.querySelector(".progress, .state") && document.querySelector(".picker b").textContent`,
      );
    for (const name of names) {
      await go(page, `#/explore?net=${name}`);
      await expect.poll(shown).toBe(name);
      await expect.poll(() => page.locator("tbody tr").count()).toBeGreaterThan(5);
    }
    expect(problems).toEqual([]);
    await page.context().close();
  });
});

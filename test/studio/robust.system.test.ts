/** What happens to the studio: killed tabs, full storage, no network, other servers, broken and huge files, cameras. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { BrowserContext, Page } from "playwright-core";
import sharp from "sharp";
import sirv from "sirv";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { drawn, Studios } from "./studio.ts";

const PAGE = fileURLToPath(new URL("../../dist/studio/web", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "convnets-robust-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** Milliseconds in which a busy machine does what was asked for. */
const SOON = { timeout: 60_000 };

/** Whether there is time for many kills. */
const LONG = process.env.CONVNETS_LONG_TESTS === "1";
/** Epochs of 4 steps. */
const EPOCHS = LONG ? 30 : 4;
const CHOSEN = {
  ...{ data: { kind: "shapes", images: 64 }, device: "wasm" },
  asked: { "vgg_small  shapes": { epochs: EPOCHS, batchSize: 16, lr: 0.02 } },
};
const KILLS = LONG ? 30 : 3;
/** Milliseconds that the test may take. */
const LIMIT = LONG ? 1_800_000 : 240_000;

/** Losses of the runs in the browser's storage, the oldest first. */
const losses = (page: Page) =>
  page.evaluate(`(async () => {
    const runs = await (await navigator.storage.getDirectory()).getDirectoryHandle("runs");
    const ids = [];
    for await (const id of runs.keys()) ids.push(id);
    return Promise.all(ids.sort().map(async (id) => {
      const run = await runs.getDirectoryHandle(id);
      const text = await (await (await run.getFileHandle("measured.json")).getFile()).text();
      return JSON.parse(text).steps.map(({ loss }) => loss);
    }));
  })()`) as Promise<number[][]>;

const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();
const finished = (page: Page) => page.waitForSelector(".run-title .dot.is-finished", { timeout: LIMIT / 2 });

async function training(context: BrowserContext, base: string): Promise<Page> {
  const page = await context.newPage();
  page.setDefaultTimeout(SOON.timeout);
  await page.goto(`${base}#/explore?net=vgg_small`);
  await page.evaluate(`localStorage.setItem("convnets-training", ${JSON.stringify(JSON.stringify(CHOSEN))})`);
  await page.goto(`${base}#/train?net=vgg_small`);
  await page.reload();
  await page.waitForSelector(".preview canvas", SOON);
  return page;
}

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  beforeAll(async () => {
    studios = await Studios.create(folder);
  });
  afterAll(() => studios?.close());

  it(
    "a run whose tab is killed at any moment, whose storage is full, or whose page is frozen has the losses of one that is not",
    async () => {
      const { page: first } = await studios.open("net=vgg_small");
      const context = first.context();
      const base = first.url().replace(/#.*/, "");
      await first.close();
      let page = await training(context, base);
      await press(page, "Start training");
      let kills = 0;
      if (LONG) await page.getByText("Saved in this browser at step").waitFor(SOON);
      for (let kill = 0; kill < KILLS; kill++) {
        await page.waitForTimeout(200 + 900 * Math.random());
        const { hash } = new URL(page.url());
        const session = await context.newCDPSession(page);
        session.send("Page.crash").catch(() => undefined);
        await page.waitForEvent("crash", SOON);
        kills++;
        await page.close();
        page = await context.newPage();
        await page.goto(`${base}${hash}`);
        await page.waitForSelector(".run-title", SOON);
        const resume = page.getByRole("button", { name: "Resume", exact: true });
        const ended = page.locator(".run-title .dot.is-finished");
        await resume.or(ended).first().waitFor(SOON);
        if ((await ended.count()) > 0) break;
        await resume.click(SOON);
      }
      await finished(page);
      console.info(`studio: the tab was killed ${kills} times`);
      await press(page, "New training");

      const session = await context.newCDPSession(page);
      const quota = (quotaSize?: number) =>
        session.send("Storage.overrideQuotaForOrigin", {
          origin: new URL(base).origin,
          ...(quotaSize !== undefined && { quotaSize }),
        });
      await press(page, "Start training");
      // once the run is there: without room for it, none begins
      const saved = () =>
        losses(page).then(
          ({ length }) => length,
          () => 0,
        );
      await expect.poll(saved, { ...SOON, interval: 20 }).toBe(2);
      await quota(1000);
      await page.getByText(/the browser's storage is full/).waitFor(SOON);
      await quota();
      await press(page, "Resume");
      // the lid closes, and opens again
      await page.evaluate(
        `Object.defineProperty(document, "hidden", { configurable: true, get: () => true }); document.dispatchEvent(new Event("visibilitychange"))`,
      );
      await session.send("Page.setWebLifecycleState", { state: "frozen" });
      await new Promise((done) => setTimeout(done, 500));
      await session.send("Page.setWebLifecycleState", { state: "active" });
      await page.evaluate(`delete document.hidden; document.dispatchEvent(new Event("visibilitychange"))`);
      await finished(page);
      const [killed, full] = await losses(page);
      expect(killed).toHaveLength(4 * EPOCHS);
      expect(full).toEqual(killed);
      await context.close();
    },
    LIMIT,
  );

  it("works offline after the first visit, and says what another server's headers cost", async () => {
    const site = sirv(PAGE, { dev: true });
    const server = createServer((request, response) => {
      request.url = (request.url ?? "").replace(/^\/some\/path/, "");
      site(request, response);
    });
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const { page } = await studios.open("net=nin", { serviceWorkers: "allow" });
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/some/path/`;
    await page.goto(`${base}#/look?net=vgg_small`);
    await page.waitForSelector(".channel canvas");
    expect(await page.locator(".foot").textContent()).toContain("WebAssembly, 1 thread: this page is not cross-origin");
    await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)");
    const kept = "caches.keys().then(([name]) => caches.open(name)).then((one) => one.keys())";
    const isKept = `${kept}.then((all) => all.some(({ url }) => /ort-wasm.*[.]wasm$/.test(url)))`;
    await expect.poll(() => page.evaluate(isKept), SOON).toBe(true);
    const closed = new Promise((done) => server.close(done));
    server.closeAllConnections();
    await closed;
    await page.reload();
    await page.waitForSelector(".channel canvas");
    await page.goto(`${base}#/learn`);
    await page.waitForSelector("main.learn, .lessons, h2", SOON);
    await page.evaluate('location.hash = "#/explore?net=googlenet"');
    await drawn(page);
    expect(await page.locator(".picker b").textContent()).toBe("googlenet");
    await page.context().close();
  }, 120_000);

  it("says what is wrong with files, reads folders of images by class, and takes a picture", async () => {
    const { page, problems } = await studios.open("net=vgg_small&theme=light", { permissions: ["camera"] });
    const drop = (make: string) =>
      page.evaluate(`(() => {
        const transfer = new DataTransfer();
        transfer.items.add(${make});
        window.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
      })()`);
    await drop('new File(["no network"], "broken.onnx")');
    await page.getByText("broken.onnx cannot be shown").waitFor(SOON);
    await drop('new File(["text"], "notes.txt")');
    await page.getByText(/notes.txt is not a network/).waitFor(SOON);
    // 4 GB, of which the browser holds a part only
    await drop('new File(Array(64).fill(new Blob([new Uint8Array(2 ** 26)])), "huge.onnx")');
    await page.getByText(/huge.onnx \(4.29 GB\) cannot be read/).waitFor(SOON);

    for (const [name, color] of [
      ["red", "#f00"],
      ["blue", "#00f"],
    ] as const) {
      mkdirSync(join(folder, "photos", name), { recursive: true });
      for (const number of [1, 2, 3]) {
        const image = sharp({ create: { width: 40, height: 30, channels: 3, background: color } });
        await image.png().toFile(join(folder, "photos", name, `${number}.png`));
      }
    }
    writeFileSync(join(folder, "photos", "red", "broken.jpg"), "no image");
    await page.evaluate('location.hash = "#/train?net=vgg_small"');
    const [chooser] = await Promise.all([page.waitForEvent("filechooser"), press(page, "Choose a folder…")]);
    await chooser.setFiles(join(folder, "photos"));
    await press(page, "Use 7 images of 2 classes");
    await page.getByText("6 images · 2 classes · 224 px").waitFor(SOON);
    await page.getByText(/broken.jpg is not an image/).waitFor(SOON);

    await page.evaluate('location.hash = "#/look?net=vgg_small"');
    await press(page, "Camera");
    await expect.poll(() => page.evaluate("document.querySelector('video')?.videoWidth ?? 0"), SOON).toBeGreaterThan(0);
    await press(page, "Take the picture");
    await page.waitForSelector("dialog", { state: "detached" });
    expect(problems).toEqual([]);
    await page.context().close();
  }, 120_000);
});

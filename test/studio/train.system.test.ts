/** Training in the tab: it learns, survives the end of its tab without a different number, and gives what others can use. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, dataLoader, evaluate, fit, readWeights, shapes } from "../../src/index.ts";
import { nodeEngine } from "../../src/node.ts";
import { onnxModule } from "../../src/onnx/index.ts";
import { fitOptions, parseConfig, type TrainConfig } from "../../src/runs/index.ts";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { expectAccessible, type OpenStudio, Studios } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-train-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Whether there is time to learn what the shapes are. */
const LONG = process.env.CONVNETS_LONG_TESTS === "1";
/** Else few images, which are soon known by heart: 4 epochs of 4 steps. */
const IMAGES = LONG ? 5000 : 64;
const TEST_IMAGES = LONG ? 1000 : 20;
const EPOCHS = LONG ? 6 : 4;
const BATCH = LONG ? 32 : 16;
const STEPS = EPOCHS * Math.ceil(IMAGES / BATCH);
/**
 * Steps in which sums in another order are no more than that: then a ReLU or a pool decides otherwise, and losses part. At the higher
 * learning rate they are 2e-7 apart for 8 steps, and 1e-3 at the 17th.
 */
const COMPARED = LONG ? 8 : 16;
const CHOSEN = {
  data: { kind: "shapes", images: IMAGES },
  device: "wasm",
  asked: { "vgg_small  shapes": { epochs: EPOCHS, batchSize: BATCH, lr: LONG ? 0.05 : 0.02 } },
};
/** Settings on WebGPU, where a processor computes it: smaller images, which are also sooner learned. */
const ON_WEBGPU = {
  images: LONG ? 7000 : 64,
  inputSize: 16,
  epochs: LONG ? 3 : 2,
  batchSize: 16,
  lr: LONG ? 0.03 : 0.02,
};
/** Milliseconds that a run may take. */
const RUN = LONG ? 3_600_000 : 120_000;

interface Measured {
  readonly steps: readonly { readonly step: number; readonly loss: number; readonly seconds: number }[];
  readonly epochs: readonly { readonly validation: { readonly loss: number; readonly top1: number } }[];
}

/** A file of the only, or the newest, run in the browser's storage. */
const stored = <T>(page: Page, name: string) =>
  page.evaluate(`(async () => {
    const runs = await (await navigator.storage.getDirectory()).getDirectoryHandle("runs");
    const ids = [];
    for await (const id of runs.keys()) ids.push(id);
    const run = await runs.getDirectoryHandle(ids.sort().at(-1));
    return JSON.parse(await (await (await run.getFileHandle(${JSON.stringify(name)})).getFile()).text());
  })()`) as Promise<T>;

const state = (page: Page) => page.locator(".run-state").textContent();

const press = (page: Page, name: string) => page.getByRole("button", { name, exact: true }).click();

async function download(page: Page, name: string): Promise<Buffer> {
  const [file] = await Promise.all([page.waitForEvent("download"), press(page, name)]);
  // the browser may have been started by another process
  const path = join(folder, "download");
  await file.saveAs(path);
  return readFileSync(path);
}

/** The same training in Node, from its config. */
async function inNode(config: TrainConfig, images = IMAGES, tests = TEST_IMAGES) {
  const { batchSize, seed, transforms } = config;
  const train = dataLoader(shapes({ length: images }), {
    ...{ batchSize, seed, transforms: transforms.train, shuffle: true },
  });
  const validation = dataLoader(shapes({ split: "test", length: tests }), {
    ...{ batchSize, seed, transforms: transforms.validation },
  });
  const engine = nodeEngine({ threads: 1 });
  const model = createModel("vgg_small", { numClasses: 10 }).initialize(seed);
  const losses: number[] = [];
  for await (const event of fit(model, fitOptions(config, { engine, model, train, validation })))
    if (event.type === "step") losses.push(event.loss);
  return { losses, validation, engine };
}

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  beforeAll(async () => {
    studios = await Studios.create(folder);
  });
  afterAll(() => studios?.close());

  /** The panel, with settings as somebody chose them before. */
  async function opened(query: string, options: Parameters<Studios["open"]>[1] = {}): Promise<OpenStudio> {
    const found = await studios.open(`net=vgg_small&${query}`, { acceptDownloads: true, ...options });
    await found.page.evaluate(`localStorage.setItem("convnets-training", ${JSON.stringify(JSON.stringify(CHOSEN))})`);
    await found.page
      .getByRole("button", { name: "Train", exact: true })
      .or(found.page.getByText("训练"))
      .first()
      .click();
    await found.page.waitForSelector(".preview canvas");
    return found;
  }

  const untilRests = (page: Page) => page.waitForSelector(".run-title .dot:not(.is-running)", { timeout: 60_000 });

  it(
    "learns, and goes on after pauses and the end of its tab with the same losses as without, and as in Node",
    async () => {
      const { page, problems } = await opened("theme=light");
      await press(page, "Start training");
      await press(page, "Pause");
      await untilRests(page);
      await expect.poll(() => state(page)).toBe("Paused");
      const before = (await stored<Measured>(page, "measured.json")).steps.length;
      await press(page, "One step");
      await expect.poll(async () => (await stored<Measured>(page, "measured.json")).steps.length).toBe(before + 1);
      await untilRests(page);
      await press(page, "Resume");
      // the tab ends in the middle of an epoch; what was saved is there
      await page.getByText(/Saved in this browser at step ([89]|\d\d)/).waitFor({ timeout: 60_000 });
      await page.reload();
      await page.waitForSelector(".run-title");
      await expect.poll(() => state(page)).toBe("Paused");
      expect((await stored<Measured>(page, "measured.json")).steps.length).toBeGreaterThanOrEqual(
        LONG ? 8 : Math.floor(IMAGES / 16),
      );
      await press(page, "Resume");
      await page.waitForSelector(".run-title .dot.is-finished", { timeout: RUN });
      const broken = await stored<Measured>(page, "measured.json");
      const losses = broken.steps.map(({ loss }) => loss);

      await page.locator(".matrix button", { hasText: /./ }).first().click();
      await page.waitForSelector(".thumbs canvas");
      await expectAccessible(page);

      await press(page, "New training");
      await press(page, "Start training");
      await page.waitForSelector(".run-title .dot.is-finished", { timeout: RUN });
      const whole = await stored<Measured>(page, "measured.json");
      // gradients of both runs, which are the same
      await expect.poll(() => page.locator(".norms rect").count()).toBe(2 * 5);
      const told = await page.locator(".norms rect title").allTextContents();
      expect(told[0]).toMatch(/^features\.0: [\d.]+/);
      expect(told.slice(0, 5)).toEqual(told.slice(5));
      await expect.poll(() => page.locator(".moments canvas").count()).toBe(4);
      expect(losses).toEqual(whole.steps.map(({ loss }) => loss));
      expect(losses).toHaveLength(STEPS);
      const mean = (part: number[]) => part.reduce((sum, loss) => sum + loss, 0) / part.length;
      expect(mean(losses.slice(-4))).toBeLessThan(mean(losses.slice(0, 4)) - 0.3);

      const config = parseConfig((await stored<{ config: unknown }>(page, "plan.json")).config);
      const node = await inNode(config);
      const apart = Math.max(...losses.slice(0, COMPARED).map((loss, i) => Math.abs(loss - node.losses[i]!)));
      console.info(`studio: losses in the tab and in Node are at most ${apart.toExponential(1)} apart`);
      expect(apart).toBeLessThan(1e-4);

      const onnx = onnxModule(await download(page, ".onnx"));
      const scores = await evaluate(onnx, node.validation, { engine: node.engine });
      const best = whole.epochs.reduce((a, b) => (b.validation.top1 > a.validation.top1 ? b : a)).validation;
      expect(scores.top1).toBe(best.top1);
      if (LONG) expect(best.top1).toBeGreaterThan(0.8);
      expect(Math.abs(scores.loss - best.loss)).toBeLessThan(1e-5);
      const weights = await readWeights(await download(page, ".pth"));
      expect([...weights.tensors.keys()]).toEqual([...createModel("vgg_small").stateDict().keys()]);
      expect((await download(page, "Report")).toString()).toContain("vgg_small on shapes");
      expect((await download(page, "TypeScript")).toString()).toContain('createModel("vgg_small", { numClasses: 10');
      expect((await download(page, "PyTorch")).toString()).toContain(
        'self.features["0"] = nn.Conv2d(3, 32, 3, padding=1)',
      );
      await press(page, "Show on the stage");
      await expect.poll(() => page.locator(".picker b").textContent()).toBe("vgg_small-shapes.safetensors");
      expect(problems).toEqual([]);
      await page.context().close();
    },
    4 * RUN,
  );

  it(
    "learns on WebGPU without a GPU, and goes on after a pause and the end of its tab with the same losses",
    async () => {
      const own = await Studios.create(folder, { webgpu: true });
      try {
        const { page, problems } = await own.open("net=vgg_small&theme=light", { acceptDownloads: true });
        const { images, ...asked } = ON_WEBGPU;
        const chosen = { data: { kind: "shapes", images }, device: "webgpu", asked: { "vgg_small  shapes": asked } };
        await page.evaluate(`localStorage.setItem("convnets-training", ${JSON.stringify(JSON.stringify(chosen))})`);
        await press(page, "Train");
        await page.waitForSelector(".preview canvas");
        const began = performance.now();
        await press(page, "Start training");
        await page.getByText(/step 1 of/).waitFor({ timeout: RUN });
        const first = performance.now() - began;
        if (LONG) await page.getByText(/Saved in this browser at step 1\d\d/).waitFor({ timeout: RUN });
        await press(page, "Pause");
        await untilRests(page);
        await page.reload();
        await page.waitForSelector(".run-title");
        await expect.poll(() => state(page)).toBe("Paused");
        await press(page, "Resume");
        await page.waitForSelector(".run-title .dot.is-finished", { timeout: RUN });
        const broken = await stored<Measured>(page, "measured.json");
        const losses = broken.steps.map(({ loss }) => loss);
        expect(losses).toHaveLength(asked.epochs * Math.ceil(images / asked.batchSize));

        const config = parseConfig((await stored<{ config: unknown }>(page, "plan.json")).config);
        const node = await inNode(config, images, Math.max(20, images / 5));
        const apart = Math.max(...losses.slice(0, 8).map((loss, i) => Math.abs(loss - node.losses[i]!)));
        const onnx = onnxModule(await download(page, ".onnx"));
        const scores = await evaluate(onnx, node.validation, { engine: node.engine });
        const best = broken.epochs.reduce((a, b) => (b.validation.top1 > a.validation.top1 ? b : a)).validation;
        const seconds = broken.steps.map(({ seconds }) => seconds).sort((a, b) => a - b);
        const minutes = seconds.reduce((sum, seconds) => sum + seconds) / 60;
        console.info(
          `studio: on WebGPU, the first step after ${(first / 1000).toFixed(0)} s, the others in ${seconds[seconds.length >> 1]!.toFixed(2)} s; losses ${apart.toExponential(1)} from Node's; ${(100 * best.top1).toFixed(1)} % after ${minutes.toFixed(1)} minutes of steps`,
        );
        expect(apart).toBeLessThan(1e-4);
        expect(scores.top1).toBe(best.top1);
        expect(Math.abs(scores.loss - best.loss)).toBeLessThan(1e-4);
        if (LONG) {
          expect(best.top1).toBeGreaterThan(0.8);
          // a run without a break, until far behind the steps at which the other one had its breaks
          await press(page, "New training");
          await press(page, "Start training");
          await page.getByText(/step [3-9]\d\d of/).waitFor({ timeout: RUN });
          await press(page, "Pause");
          await untilRests(page);
          const whole = (await stored<Measured>(page, "measured.json")).steps.map(({ loss }) => loss);
          expect(whole.length).toBeGreaterThanOrEqual(300);
          expect(losses.slice(0, whole.length)).toEqual(whole);
        }
        expect(problems).toEqual([]);
      } finally {
        await own.close();
      }
    },
    3 * RUN,
  );

  it("trains a network with changed layers, and one written in the page after a click", async () => {
    const changes = "features.0:outChannels=16 features.1:numFeatures=16 features.4:inChannels=16";
    const { page, problems } = await opened(`edit=${encodeURIComponent(changes)}`);
    const oneStep = async () => {
      await press(page, "Start training");
      await press(page, "Pause");
      await untilRests(page);
      await page.getByRole("region", { name: "Take it home" }).waitFor();
      return page.locator(".run-title h2").textContent();
    };
    expect(await oneStep()).toBe("vgg_small, changed on shapes");
    expect((await download(page, "PyTorch")).toString()).toContain("nn.Conv2d(16, 64, 3, padding=1)");
    expect((await download(page, "TypeScript")).toString()).toContain(
      'replace("features.0", (layer) => layerWith(layer, { outChannels: 16 }));',
    );
    await page.evaluate('location.hash = "#/train?net=code"');
    await page.getByText("which has not run since this page was opened").waitFor();
    await expect.poll(() => page.getByRole("button", { name: "Start training" }).isDisabled()).toBe(true);
    await press(page, "Run the code");
    await expect.poll(() => page.locator(".net-choice b").textContent()).toBe("MyNet");
    await expect.poll(() => page.getByRole("button", { name: "Start training" }).isEnabled()).toBe(true);
    expect(await oneStep()).toBe("MyNet on shapes");
    expect((await download(page, "TypeScript")).toString()).toContain("class MyNet");
    expect((await download(page, "PyTorch")).toString()).toContain("self.block1.conv1 = nn.Conv2d(");
    expect(problems).toEqual([]);
    await page.context().close();
  }, 120_000);

  it.each([
    ["light", "zh", 380],
    ["dark", "en", 1280],
  ] as const)("is accessible and quiet: %s, %s, %i pixels", async (theme, language, width) => {
    const { page, problems } = await opened(`theme=${theme}&lang=${language}`, { viewport: { width, height: 760 } });
    await page.locator(".more-settings summary").click();
    await expectAccessible(page);
    const { scrollWidth } = (await page.evaluate("({ scrollWidth: document.documentElement.scrollWidth })")) as {
      scrollWidth: number;
    };
    expect(scrollWidth).toBe(width);
    expect(problems).toEqual([]);
    await page.context().close();
  });
});

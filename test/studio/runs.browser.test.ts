/** The panel Runs: a run of the folder as it grows, compared with another, opened, and a new one started and stopped. */
import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeSafetensors } from "../../src/checkpoint/index.ts";
import { createModel } from "../../src/index.ts";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { expectAccessible, Studios } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-runs-page-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
/** Milliseconds in which a busy machine shows what was asked for. */
const SOON = { timeout: 40_000 };

/** Stands for `convnets`: makes a run that does nothing until it is stopped. */
const TRAINER = `
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
const args = process.argv.slice(2);
const dir = args[args.indexOf("--out") + 1];
mkdirSync(dir, { recursive: true });
writeFileSync(dir + "/config.json", JSON.stringify({ model: args[1], data: "shapes", epochs: Number(args[args.indexOf("--epochs") + 1]) }));
writeFileSync(dir + "/lock", process.pid + " " + ${JSON.stringify(hostname())} + "\\n");
process.on("SIGTERM", () => { rmSync(dir + "/lock"); process.exit(0); });
setInterval(() => undefined, 1000);
`;

const path = (name: string, file: string) => join(folder, "run", name, file);
const step = (number: number) =>
  `${JSON.stringify({ type: "step", epoch: 0, batch: number - 1, step: number, loss: 4 / (number + 1), accuracy: 0.1 * number, lr: 0.05, gradientNorm: 1 / number, images: 8, seconds: 0.01 })}\n`;
const epoch = (number: number, top1: number) =>
  `${JSON.stringify({ type: "epoch", epoch: number - 1, step: 4 * number, lr: 0.1, train: {}, validation: { loss: 1, top1 }, time: `2026-01-0${number}T00:00:00.000Z` })}\n`;

function makeRun(name: string, model: string): void {
  mkdirSync(join(folder, "run", name), { recursive: true });
  writeFileSync(
    path(name, "config.json"),
    JSON.stringify({ model, data: "shapes", epochs: 2, batchSize: 8, lr: 0.05 }),
  );
  writeFileSync(path(name, "metrics.jsonl"), [1, 2, 3, 4].map(step).join("") + epoch(1, 0.5));
}

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  beforeAll(async () => {
    makeRun("first", "vgg_small");
    makeRun("second", "resnet20");
    writeFileSync(path("first", "report.html"), "<h1>vgg_small on shapes</h1><script>document.title = 'ran'</script>");
    const metadata = { architecture: "vgg_small", classes: JSON.stringify(Array.from("abcdefghij")) };
    const tensors = createModel("vgg_small", { numClasses: 10 }).initialize(0).stateDict();
    writeFileSync(path("first", "best.safetensors"), writeSafetensors({ tensors, metadata }));
    writeFileSync(join(folder, "trainer.mjs"), TRAINER);
    studios = await Studios.create(folder, {
      train: { command: [process.execPath, join(folder, "trainer.mjs")], networks: ["vgg_small"], data: ["shapes"] },
    });
  });
  afterAll(() => studios?.close());

  it("shows runs live, compares and opens them, starts and stops one, and needs the token", async () => {
    const { page, problems } = await studios.open("net=vgg_small&theme=light");
    const press = (name: string) => page.getByRole("button", { name, exact: true }).click();
    await press("Runs");
    await page.getByText("Start the studio where your runs are").waitFor();
    await page.goto(studios.server.address({ net: "vgg_small", panel: "runs" }));
    await page.locator(".runs .set", { hasText: "run/first" }).click();
    const loss = page.getByRole("img", { name: /^Loss: / });
    await expect.poll(() => loss.getAttribute("aria-label"), SOON).toContain("validation 1");
    const state = page.locator(".run-state");
    await expect.poll(() => state.textContent(), SOON).toBe("Interrupted");
    writeFileSync(path("first", "lock"), `${process.pid} ${hostname()}\n`);
    appendFileSync(path("first", "metrics.jsonl"), [5, 6, 7, 8].map(step).join("") + epoch(2, 0.75).slice(0, 30));
    await page.getByText("step 8", { exact: true }).waitFor(SOON);
    await expect.poll(() => state.textContent(), SOON).toBe("Training");
    appendFileSync(path("first", "metrics.jsonl"), epoch(2, 0.75).slice(30));
    rmSync(path("first", "lock"));
    await page.getByText("best top-1 75 %", { exact: true }).waitFor(SOON);
    await expect.poll(() => state.textContent(), SOON).toBe("Finished");

    await press("Report");
    // nothing in a report runs
    expect(await page.frameLocator(".dialog-report iframe").locator("h1").textContent(SOON)).toBe(
      "vgg_small on shapes",
    );
    await expectAccessible(page);
    await press("Close");
    await page.getByRole("checkbox", { name: /resnet20/ }).check();
    await page.getByRole("row", { name: /resnet20 on shapes.*50 %/ }).waitFor(SOON);
    await page.locator(".chart-settings select").selectOption("epochs");
    await page.getByRole("slider", { name: "Smoothing" }).fill("0");
    await expect.poll(() => loss.getAttribute("aria-label"), SOON).toContain("vgg_small on shapes, training 0.444");
    await expectAccessible(page);
    await page.reload();
    await page.getByRole("row", { name: /vgg_small on shapes.*75 %/ }).waitFor(SOON);

    await page.locator(".start-native > summary").click();
    await page.getByLabel("Epochs", { exact: true }).fill("3");
    await press("Start in Node");
    await expect.poll(() => state.textContent(), SOON).toBe("Training");
    await page.getByText("0 of 3 epochs", { exact: true }).waitFor();
    await press("Stop");
    await expect.poll(() => state.textContent(), SOON).toBe("Interrupted");

    await page.locator(".runs .set", { hasText: "run/first" }).click();
    await page.locator(".run-buttons").getByRole("button", { name: "Explore" }).click();
    await expect.poll(() => page.locator(".picker b").textContent(), SOON).toBe("run/first/best.safetensors");
    await page.waitForSelector(".map .node");
    // a script in a report would have said so
    expect(problems.filter((text) => !/Blocked script execution/.test(text))).toEqual([]);
    expect(await page.title()).not.toBe("ran");
    await page.context().close();
  }, 120_000);

  it.each([
    ["light", "zh", 380],
    ["dark", "en", 1280],
  ] as const)("is accessible and quiet: %s, %s, %i pixels", async (theme, language, width) => {
    const { page, problems } = await studios.open(`net=vgg_small&theme=${theme}&lang=${language}`, {
      viewport: { width, height: 760 },
    });
    const { hash } = new URL(studios.server.address({ net: "vgg_small", panel: "runs", runs: ["run/first"] }));
    await page.evaluate(`location.hash = ${JSON.stringify(`${hash}&theme=${theme}&lang=${language}`)}`);
    await page.waitForSelector(".chart canvas");
    await expectAccessible(page);
    const { scrollWidth } = (await page.evaluate("({ scrollWidth: document.documentElement.scrollWidth })")) as {
      scrollWidth: number;
    };
    expect(scrollWidth).toBe(width);
    expect(problems).toEqual([]);
    await page.context().close();
  });
});

/** Changing the settings of a layer, and networks written in the page. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { noChromium } from "../support/browser.ts";
import { unless } from "../support/skip.ts";
import { drawn, expectAccessible, Studios } from "./studio.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-write-"));
/** Milliseconds in which a busy machine shows what was asked for. */
const SOON = { timeout: 40_000 };
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NET = (channels: number) => `import { Conv2d, Module, Tensor } from "convnets";
export default class Net extends Module<Tensor> {
  override readonly spec = { inputSize: 32 };
  first = new Conv2d(3, 8, 3);
  second = new Conv2d(${channels}, 8, 3);
  forward(x: Tensor) {
    x = this.first.call(x);
    return this.second.call(x);
  }
}
`;

describe("in Chromium", unless(noChromium), () => {
  let studios: Studios;
  beforeAll(async () => {
    studios = await Studios.create(folder);
  });
  afterAll(() => studios?.close());

  it("a changed number changes costs at once, or says where the network stops fitting and what would fit", async () => {
    const { page, problems } = await studios.open("net=googlenet&at=conv3.conv.0");
    const facts = () => page.locator(".inspector .shapes b").allTextContents();
    await page.getByLabel("out channels").fill("100");
    await expect
      .poll(() => page.locator(".misfit p").textContent(), SOON)
      .toMatch(/^conv3\.conv\.1 \(BatchNorm2d\): .*100/);
    await expectAccessible(page);
    await page.getByRole("button", { name: "Adapt 5 layers" }).click();
    await expect.poll(facts, SOON).toEqual(["64 × 56 × 56", "100 × 56 × 56"]);
    await page.reload();
    await drawn(page);
    await expect.poll(facts, SOON).toEqual(["64 × 56 × 56", "100 × 56 × 56"]);
    await page.getByRole("button", { name: "Discard changes" }).click();
    await expect.poll(facts, SOON).toEqual(["64 × 56 × 56", "192 × 56 × 56"]);
    await page.keyboard.press("Control+z");
    await expect.poll(facts, SOON).toEqual(["64 × 56 × 56", "100 × 56 × 56"]);
    await page.evaluate('location.hash = "#/explore?net=resnet18&at=conv1"');
    await expect.poll(facts, SOON).toEqual(["3 × 224 × 224", "64 × 112 × 112"]);
    await page.getByLabel("stride").fill("1");
    await expect.poll(facts, SOON).toEqual(["3 × 224 × 224", "64 × 224 × 224"]);
    expect(problems).toEqual([]);
    await page.context().close();
  });

  it("code runs after a click only, shows errors at their line, and reaches no network", async () => {
    const { page, problems } = await studios.open("net=nin");
    await page.getByRole("button", { name: "Write" }).click();
    await page.waitForSelector(".cm-content");
    // the stage keeps its network until code runs
    expect(await page.locator(".picker b").first().textContent()).toBe("nin");
    await expectAccessible(page);
    const error = page.locator(".code-error");
    const run = async (code: string) => {
      await page.locator(".cm-content").focus();
      await page.keyboard.press("Control+a");
      await page.keyboard.insertText(code);
      await page.keyboard.press("Control+Enter");
    };
    await page.locator(".write-code .button").click();
    await drawn(page);
    await expect.poll(() => page.locator(".inspector h2").textContent(), SOON).toBe("MyNet");
    await run(NET(8));
    await expect.poll(() => page.locator(".inspector h2").textContent(), SOON).toBe("Net");
    await run(NET(9));
    await expect.poll(() => error.textContent(), SOON).toMatch(/^Line 8: second \(Conv2d\): .* 8 channels/);
    await run("export default 1 +;");
    await expect.poll(() => error.textContent(), SOON).toMatch(/^Line 1: /);
    await run(
      `export default () => {\n  const asked = new XMLHttpRequest();\n  asked.open("GET", "${studios.server.address()}", false);\n  asked.send();\n};`,
    );
    await expect.poll(() => error.textContent(), SOON).toMatch(/^Line 4: .*send/);
    // the browser tells of the request that its policy stopped
    expect(problems.filter((text) => !/Content Security Policy/.test(text))).toEqual([]);
    await page.reload();
    await page.waitForSelector(".cm-content");
    expect(await page.locator(".state h2").textContent()).toBe("Your code has not run yet");
    await page.context().close();
  });
});

/** The tutorial's page, in Chromium. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { expect, it } from "vitest";
import "../cli/run.ts";
import { createModel } from "../../src/models/index.ts";
import { exportOnnx } from "../../src/onnx/index.ts";
import { noChromium } from "../support/browser.ts";
import { tutorialFolder } from "./tutorial.ts";
import { withPage } from "./vite.ts";

const folder = tutorialFolder();

it("docs/tutorial.md in the browser", async ({ skip }) => {
  if (noChromium !== undefined) skip(noChromium);
  const { bytes } = exportOnnx(createModel("vgg_small", { numClasses: 2 }).initialize(1), {
    input: ["N", 3, 40, 40],
    softmax: true,
    metadata: { classes: '["circle", "star"]', preprocessing: '[{ "resize": { "size": [40, 40] } }]' },
  });
  mkdirSync(join(folder, "public"));
  writeFileSync(join(folder, "public/shapes.onnx"), bytes);
  const image = join(folder, "image.png");
  await sharp({ create: { width: 60, height: 50, channels: 3, background: "red" } })
    .png()
    .toFile(image);
  await withPage(folder, "/", async (page) => {
    await page.waitForFunction('document.querySelector("#answer").textContent.startsWith("Choose")');
    await page.setInputFiles("input", image);
    await page.waitForFunction('document.querySelector("#answer").textContent.endsWith("%")');
    expect(await page.textContent("#answer")).toMatch(/^(circle|star), \d+ %$/);
  });
}, 120_000);

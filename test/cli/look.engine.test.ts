/** `convnets look`: what a network makes of an image, as images. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createModel, exportOnnx } from "../../src/index.ts";
import { convnets } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-look-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  const model = createModel("vgg_small").initialize(1);
  writeFileSync(at("net.onnx"), exportOnnx(model, { input: [1, 3, 32, 32] }).bytes);
  const pixels = Buffer.from(Array.from({ length: 48 * 40 * 3 }, (_, i) => (i * 37) % 256));
  await sharp(pixels, { raw: { width: 48, height: 40, channels: 3 } })
    .png()
    .toFile(at("photo.png"));
});

const look = (...args: string[]) => convnets(["look", at("net.onnx"), ...args]);
const size = async (name: string) => {
  const { width, height, format } = await sharp(readFileSync(at(name))).metadata();
  return [format, width, height];
};

describe("convnets look", () => {
  it("writes the feature maps of a layer, and says so as JSON", async () => {
    const { stdout, status } = look(at("photo.png"), "--layer", "features.0", "-o", at("maps.png"), "--json");
    expect(status).toBe(0);
    // 32 maps of 32 × 32, three times as large, 16 in a row
    const facts = {
      file: at("maps.png"),
      view: "maps",
      width: 1596,
      height: 196,
      layer: "features.0",
      shape: [32, 32, 32],
    };
    expect(JSON.parse(stdout)).toEqual(facts);
    expect(await size("maps.png")).toEqual(["png", 1596, 196]);
  });

  it.each([
    [["--grad-cam"], "grad-cam of features"],
    [["--saliency", "--class", "3"], "saliency, class 3"],
    [["--layer", "features.0", "--channel", "5"], "response of features.0"],
  ])("writes %s", async (flags, says) => {
    const { stdout, stderr, status } = look(at("photo.png"), ...flags, "-o", at("out.png"));
    expect([status, stderr.replace(/.*preprocessing.*\n/, "")]).toEqual([0, ""]);
    expect(stdout).toContain(`Wrote ${at("out.png")}: ${says}`);
    expect((await size("out.png"))[0]).toBe("png");
    rmSync(at("out.png"));
  });

  it("lists the layers", () => {
    const { stdout } = look("--layers");
    expect(stdout).toContain("features.0  [32, 32, 32]\n");
  });

  it.each([
    [["--grad-cam", "--saliency"], "an image shows one thing"],
    [[], "--layer says which layer to look at; --layers lists them"],
    [["--layer", "features.x"], 'there is no layer "features.x"; did you mean "features.'],
    [["--grad-cam", "--class", "10"], "--class 10: the network has 10 classes, 0 to 9"],
    [["--grad-cam", "-o", "out.jpg"], "look writes .png files, not out.jpg"],
  ])("refuses %j", (flags, message) => {
    const { stderr, status } = look(at("photo.png"), ...flags);
    expect(status).not.toBe(0);
    expect(stderr).toContain(message);
    expect(existsSync("look.png")).toBe(false);
  });
});

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { command } from "../../src/cli/draw.ts";
import { draw, type Theme } from "../../src/draw/index.ts";
import { renderPng } from "../../src/draw/node/index.ts";
import { createModel, INCEPTION_WIDTHS, Inception, MODELS } from "../../src/models/index.ts";
import { Conv2d, Module, ReLU, Sequential, type Tensor, trace } from "../../src/nn/index.ts";
import { imagesOf } from "../support/images.ts";
import { ResNet } from "./networks.ts";

/** Pixels of a drawing as librsvg renders it, which refuses what is no well-formed XML. */
async function render(svg: string) {
  const { data, info } = await sharp(Buffer.from(svg)).ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  const pixel = (x: number, y: number) => [...data.subarray(4 * (y * info.width + x), 4 * (y * info.width + x) + 3)];
  const colours = new Set<number>();
  for (let i = 0; i < data.length; i += 4) colours.add(data.readUInt32BE(i));
  return { ...info, pixel, colours: colours.size };
}

/** Mean of red, green and blue, 0 … 255. */
const brightness = (pixel: readonly number[]) => pixel.reduce((sum, part) => sum + part, 0) / pixel.length;

const LEVELS = ["block", "layer"] as const;
const inception = () => new Inception(192, INCEPTION_WIDTHS["3a"]);
const INCEPTION_INPUT = [1, 192, 28, 28];

describe.each(LEVELS)("draw, level %s", (level) => {
  it.each(Object.keys(MODELS))("renders %s", async (name) => {
    const model = createModel(name);
    const svg = draw(model, { input: imagesOf(model), level });
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!;
    const image = await render(svg);
    expect([image.width, image.height]).toEqual([Number(width), Number(height)]);
    expect(image.colours).toBeGreaterThan(20);
  });
});

describe("themes", () => {
  const at = async (theme: Theme) => {
    const { pixel } = await render(draw(new ResNet(), { input: [1, 3, 32, 32], theme }));
    return brightness(pixel(2, 2));
  };

  it("light is light, dark is dark", async () => {
    expect(await at("light")).toBeGreaterThan(230);
    expect(await at("dark")).toBeLessThan(50);
  });

  it("auto follows the reader's setting, and is light where there is none", async () => {
    expect(await at("auto")).toBeGreaterThan(230);
    expect(draw(inception(), { input: INCEPTION_INPUT })).toContain("@media (prefers-color-scheme:dark)");
    expect(draw(inception(), { input: INCEPTION_INPUT, theme: "light" })).not.toContain("prefers-color-scheme");
  });
});

describe("the document", () => {
  it("tells readers of the screen what it shows", () => {
    const svg = draw(inception(), { input: INCEPTION_INPUT, title: "Inception 3a" });
    expect(svg).toMatch(/^<svg [^>]*role="img"/);
    expect(svg).toContain("<title>Inception 3a</title>");
    // 163,696 parameters, as torchinfo counts them
    expect(/<desc>(.*)<\/desc>/.exec(svg)![1]).toMatch(/192×28×28.*164 k parameters.*256×28×28/);
  });

  it("is well-formed whatever names are in it", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: "binary", maxLength: 40 }),
        fc.string({ maxLength: 12 }),
        async (title, name) => {
          class Odd extends Module<Tensor> {
            constructor() {
              super();
              Object.assign(this, {
                [`p${name}`]: new Sequential(new Conv2d(3, 4, 3), new ReLU(), new Conv2d(4, 4, 3), new Conv2d(4, 4, 1)),
              });
            }
            forward(x: Tensor): Tensor {
              const [[, first]] = [...this.children()] as [[string, Module<Tensor>]];
              return first.call(x).add(x.mean([1, 2, 3], true));
            }
          }
          const svg = draw(new Odd(), { input: [1, 3, 8, 8], title });
          expect((await render(svg)).width).toBeGreaterThan(100);
        },
      ),
      { numRuns: 40 },
    );
  });

  it("does not let names become markup", () => {
    const svg = draw(inception(), { input: INCEPTION_INPUT, title: `<script>alert("&")</script>` });
    expect(svg).not.toContain("<script");
    expect(svg).toContain("&lt;script&gt;alert(&quot;&amp;&quot;)&lt;/script&gt;");
  });

  it("draws modules, traces and graphs alike", () => {
    const traced = trace(inception(), INCEPTION_INPUT);
    const whole = draw(traced);
    expect(draw(inception(), { input: INCEPTION_INPUT })).toBe(whole);
    expect(draw(traced.graph)).toContain("concat");
  });

  it("takes batches of any size", () => {
    const one = draw(trace(inception(), INCEPTION_INPUT));
    expect(draw(trace(inception(), [8, ...INCEPTION_INPUT.slice(1)]))).toBe(one);
    expect(draw(trace(inception(), ["N", ...INCEPTION_INPUT.slice(1)]))).toBe(one);
  });

  it("asks for the input's shape where it is not known", () => {
    expect(() => draw(inception())).toThrow(/input/);
  });
});

describe("convnets draw", () => {
  const folder = mkdtempSync(join(tmpdir(), "convnets-draw-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  const run = (...args: string[]) => command.parseAsync(args, { from: "user" });

  it("writes a file, whole, over the one before", async () => {
    const file = join(folder, "nin.svg");
    writeFileSync(file, "before");
    await run("nin", "-o", file, "--level", "block", "--theme", "dark", "--num-classes", "37", "--title", "A & B");
    const svg = readFileSync(file, "utf8");
    expect(svg).toContain("<title>A &amp; B</title>");
    expect(svg).toContain(">37<");
    expect(brightness((await render(svg)).pixel(2, 2))).toBeLessThan(50);
    expect(readdirSync(folder)).toEqual(["nin.svg"]);
  });

  it("writes a PNG file for a name that ends in .png, at the scale asked for", async () => {
    const file = join(folder, "nin.PNG");
    await run("nin", "-o", file, "--theme", "light");
    const { format, width } = await sharp(file).metadata();
    const [, drawn] = /width="(\d+)"/.exec(draw(createModel("nin"), { input: [1, 3, 32, 32] }))!;
    expect({ format, width }).toEqual({ format: "png", width: 2 * Number(drawn) });
    const [corner] = await sharp(file).raw().toBuffer();
    expect(corner).toBe(255);
    await run("nin", "-o", file, "--scale", "0.5");
    expect((await sharp(file).metadata()).width).toBe(Math.ceil(Number(drawn) / 2));
  });

  it("refuses other endings, a scale for SVG, and images too large to render", async () => {
    await expect(run("nin", "-o", "nin.gif")).rejects.toThrow(
      'draw writes .svg, .png, .pdf, .tex, .mmd, .dot and .html files, but "nin.gif" ends in .gif',
    );
    await expect(run("nin", "-o", "nin.pdf", "--depth", "-1")).rejects.toThrow("--depth has to be a whole number");
    await expect(run("nin", "-o", join(folder, "a.svg"), "--scale", "2")).rejects.toThrow("--scale is for PNG");
    await expect(run("nin", "-o", join(folder, "a.png"), "--scale", "99")).rejects.toThrow(/use a scale of at most \d/);
    await expect(renderPng("<svg/>")).rejects.toThrow("not a drawing made by draw");
    expect(readdirSync(folder)).not.toContain("a.png");
  });

  it("writes the format that the ending names", async () => {
    const starts = { pdf: "%PDF-1.7", tex: "% NiN", mmd: "---\ntitle: ", dot: 'digraph "NiN"', svg: "<svg " };
    for (const [ending, start] of Object.entries(starts)) {
      await run("nin", "-o", join(folder, `all.${ending}`), "--depth", "1", "--direction", "down");
      expect(readFileSync(join(folder, `all.${ending}`), "latin1").slice(0, start.length)).toBe(start);
    }
  });

  it("compares two networks", async () => {
    const file = join(folder, "diff.svg");
    await run("inception", "--diff", "naive_inception", "-o", file);
    expect(readFileSync(file, "utf8")).toContain("<title>inception and naive_inception</title>");
    await expect(run("nin", "--diff", "vgg16", "-o", "a.mmd")).rejects.toThrow(
      "--diff has no .mmd file; write an .svg",
    );
  });

  it("names the missing folder", async () => {
    const file = join(folder, "none", "nin.svg");
    await expect(run("nin", "-o", file)).rejects.toThrow(/the folder .*none does not exist/);
  });
});

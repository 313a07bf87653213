import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { createModel } from "../../src/models/index.ts";
import { exportOnnx } from "../../src/onnx/index.ts";
import { convnets, output } from "./run.ts";

const CLASSES = ["cat", "dog, big", 'the "other"'];
const PREPROCESSING = [{ resize: { size: [32, 32] } }, { normalize: { mean: [0.5], std: [0.25] } }];

let folder: string;
let weights: string;
let pictures: string;
const at = (...path: string[]) => join(folder, ...path);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "convnets-classify-"));
  weights = at("best.safetensors");
  pictures = at("pictures");
  const model = createModel("vgg_small", { numClasses: 3 }).initialize(1);
  const metadata = {
    architecture: "vgg_small",
    classes: JSON.stringify(CLASSES),
    preprocessing: JSON.stringify(PREPROCESSING),
  };
  await writeCheckpoint(weights, { tensors: model.stateDict(), metadata });
  await writeCheckpoint(at("plain.pth"), { tensors: model.stateDict(), metadata: {} });
  const { bytes } = exportOnnx(model, { input: ["N", 3, 32, 32], metadata });
  writeFileSync(at("model.onnx"), bytes);
  const pixels = { input: ["N", 3, 32, 32], preprocess: { mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] } } as const;
  writeFileSync(at("pixels.onnx"), exportOnnx(model, pixels).bytes);
  mkdirSync(at("pictures", "below"), { recursive: true });
  for (const [i, name] of ["a.png", "b.jpg", "below/c.webp"].entries()) {
    const background = { r: 80 * i, g: 200 - 60 * i, b: 100 };
    await sharp({ create: { width: 40, height: 50, channels: 3, background } }).toFile(at("pictures", name));
  }
  writeFileSync(at("notes.txt"), "no picture");
});

afterAll(() => rmSync(folder, { recursive: true }));

interface Result {
  readonly file: string;
  readonly predictions?: { label: number; name: string; probability: number }[];
  readonly error?: string;
}

const json = (...args: string[]) => JSON.parse(output("classify", ...args, "--json")) as Result[];

describe("convnets classify", () => {
  it("goes through files and folders in order, and gives the same in every form", () => {
    const results = json(pictures, "--weights", weights);
    expect(results.map(({ file }) => file)).toEqual(["a.png", "b.jpg", "below/c.webp"].map((f) => at("pictures", f)));
    for (const { predictions } of results) {
      expect(predictions!.map(({ name }) => name).sort()).toEqual([...CLASSES].sort());
      for (const { label, name } of predictions!) expect(name).toBe(CLASSES[label]);
    }
    const lines = output("classify", pictures, "--weights", weights, "--jsonl", "--batch-size", "2").trim().split("\n");
    const found = lines.map((line) => JSON.parse(line) as Result);
    expect(found.map(({ predictions }) => predictions![0]!.label)).toEqual(
      results.map(({ predictions }) => predictions![0]!.label),
    );
    const csv = output("classify", at("pictures", "a.png"), "--weights", weights, "--csv", "--topk", "3");
    expect(csv.split("\n")[0]).toBe("file,rank,label,name,probability");
    expect(csv).toContain(',"dog, big",');
    expect(csv).toContain(',"the ""other""",');
    const text = output("classify", at("pictures", "a.png"), "--weights", weights, "--topk", "1");
    expect(text).toMatch(/a\.png\n {2}\S.* {2}[█▏▎▍▌▋▊▉]+ +\d+\.\d %\n$/);
  });

  it("brings photographs to the size that a network was trained at, in grey where it saw grey", async () => {
    const photo = at("photo.png");
    const noise = Buffer.from(Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * i) % 251));
    await sharp(noise, { raw: { width: 90, height: 60, channels: 3 } }).toFile(photo);
    const other = at("other.png");
    await sharp(photo).resize(50, 120, { fit: "fill" }).toFile(other);
    for (const channels of [3, 1]) {
      const model = createModel("vgg_small", { numClasses: 3, inChannels: channels }).initialize(1);
      const normalize = { mean: new Array(channels).fill(0.5), std: new Array(channels).fill(0.25) };
      const classes = JSON.stringify(CLASSES);
      const named = { architecture: "vgg_small", inputSize: "32", inChannels: String(channels), classes };
      const steps = (...before: unknown[]) => ({ ...named, preprocessing: JSON.stringify([...before, { normalize }]) });
      // as train writes it for images that have the right size already
      const plain = at(`plain-${channels}.safetensors`);
      await writeCheckpoint(plain, { tensors: model.stateDict(), metadata: steps() });
      const sized = at(`sized-${channels}.safetensors`);
      const metadata = steps({ resize: { size: 32 } }, { centerCrop: { size: 32 } });
      await writeCheckpoint(sized, { tensors: model.stateDict(), metadata });
      const found = json(photo, other, "--weights", plain);
      expect(found.map(({ error }) => error)).toEqual([undefined, undefined]);
      expect(found).toEqual(json(photo, other, "--weights", sized));
      const { stdout } = convnets(["classify", "-", "--weights", plain, "--json"], { input: readFileSync(photo) });
      expect(JSON.parse(stdout)[0].predictions).toEqual(found[0]!.predictions);
    }
    const grey = createModel("vgg_small", { numClasses: 3, inChannels: 1 }).initialize(1);
    writeFileSync(at("grey.onnx"), exportOnnx(grey, { input: ["N", 1, 32, 32] }).bytes);
    expect(json(photo, "--weights", at("grey.onnx"))[0]!.predictions).toHaveLength(3);
  });

  it("takes a run, a .pth file with its network, and an .onnx file for the same", async () => {
    const file = at("pictures", "b.jpg");
    const [wanted] = json(file, "--weights", weights);
    mkdirSync(at("run"), { recursive: true });
    writeFileSync(at("run", "best.safetensors"), readFileSync(weights));
    writeFileSync(at("names.txt"), `${CLASSES.join("\n")}\n`);
    for (const args of [
      ["--weights", at("run")],
      ["--weights", at("model.onnx")],
      ["--model", "vgg_small", "--weights", weights],
    ]) {
      const [found] = json(file, ...args);
      expect(found!.predictions!.map(({ name }) => name)).toEqual(wanted!.predictions!.map(({ name }) => name));
      for (const [i, { probability }] of found!.predictions!.entries())
        expect(probability).toBeCloseTo(wanted!.predictions![i]!.probability, 4);
    }
    const small = at("small.png");
    // of one colour, so that resizing and cropping change nothing
    await sharp({ create: { width: 37, height: 37, channels: 3, background: "#a04020" } }).toFile(small);
    const [normalized, pixels] = [at("best.safetensors"), at("pixels.onnx")].map(
      (weights) => json(small, "--weights", weights)[0]!.predictions!,
    );
    for (const { label, probability } of pixels!)
      expect(probability).toBeCloseTo(normalized!.find((other) => other.label === label)!.probability, 4);

    const { stderr, stdout } = convnets([
      ...["classify", file, "--model", "vgg_small", "--weights", at("plain.pth"), "--classes", at("names.txt")],
      "--json",
    ]);
    expect(stderr).toContain("does not record the preprocessing; assuming torchvision's for ImageNet");
    const [named] = JSON.parse(stdout) as Result[];
    for (const { label, name } of named!.predictions!) expect(name).toBe(CLASSES[label]);
  });

  it("reads a picture from a pipe", () => {
    const file = at("pictures", "a.png");
    const [wanted] = json(file, "--weights", weights);
    const [found] = JSON.parse(
      convnets(["classify", "-", "--weights", weights, "--json"], { input: readFileSync(file) }).stdout,
    ) as Result[];
    expect(found).toEqual({ ...wanted, file: "-" });
  });

  it("reports pictures that cannot be read, and goes on", () => {
    const [good, bad, gone] = [at("pictures", "a.png"), at("notes.txt"), at("gone.jpg")];
    const { stdout, stderr, status } = convnets(["classify", bad, good, gone, "--weights", weights, "--json"]);
    expect(status).toBe(1);
    const results = JSON.parse(stdout) as Result[];
    expect(results.map(({ file, error }) => [file, error !== undefined])).toEqual([
      [bad, true],
      [good, false],
      [gone, true],
    ]);
    expect(stderr).toContain(`error: ${bad}: cannot decode`);
    expect(stderr).toContain(`error: ${gone}: there is no such file`);
    // before the network is opened, or downloaded
    const nothing = convnets(["classify", gone, "--weights", "torchvision"]);
    expect(nothing).toMatchObject({ stderr: `error: ${gone}: there is no such file\n`, status: 1 });
  });

  it.each([
    [["https://example.org/cat.jpg"], "curl -LO 'https://example.org/cat.jpg'"],
    [["-", "a.png"], '"-" stands for one image'],
    [["a.png", "--topk", "0"], "It has to be above 0"],
    [["a.png", "--csv", "--json"], "cannot be used with"],
  ])("%j is a mistake of usage", (args, message) => {
    const { stderr, status } = convnets(["classify", ...args, "--weights", weights]);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });

  it("says what is wrong with weights", () => {
    const file = at("pictures", "a.png");
    const error = (...args: string[]) => convnets(["classify", file, ...args]).stderr;
    expect(error("--weights", at("plain.pth"))).toContain(
      "does not record which network it belongs to; name it: --model vgg16, or --model net.js for your own",
    );
    expect(error("--weights", at("gone.pth"))).toContain(`there is no run, weight file or network ${at("gone.pth")}`);
    expect(error("--weights", pictures)).toContain("it is not a run, or its first epoch is not finished");
    expect(error("--model", "nin", "--weights", weights)).toContain("has weights of vgg_small, not of nin");
    expect(error("--model", "nin", "--weights", at("plain.pth"))).toContain("missing: block1.0.weight");
  });
});

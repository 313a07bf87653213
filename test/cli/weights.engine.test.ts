/** `--weights torchvision`. */
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { downloadBar } from "../../src/cli/download.ts";
import { command as exportCommand } from "../../src/cli/export.ts";
import { resolveWeights } from "../../src/cli/model.ts";
import { UsageError } from "../../src/cli/support.ts";
import type { TensorData } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { readOnnx } from "../../src/onnx/node/index.ts";
import { PRETRAINED } from "../../src/pretrained/index.ts";
import type { TrainConfig } from "../../src/runs/config.ts";
import { prepareWeights } from "../../src/runs/node/prepare.ts";
import { convnets } from "./run.ts";

const root = mkdtempSync(join(tmpdir(), "convnets-weights-"));
const model = createModel("googlenet", { variant: "torchvision" }).initialize(2);
const published = { ...PRETRAINED.googlenet };
let asked: string[] = [];
const server = createServer(({ url = "" }, response) => {
  asked.push(url);
  response.end(readFileSync(join(root, basename(url))));
});
let base: string;
/** Where nobody listens. */
let nobody: string;

/** The registry with weights of our own in the place of GoogLeNet's. */
beforeAll(async () => {
  await writeCheckpoint(join(root, "weights.pth"), { tensors: model.stateDict(), metadata: {} });
  const digest = createHash("sha256")
    .update(readFileSync(join(root, "weights.pth")))
    .digest("hex");
  Object.assign(PRETRAINED.googlenet, { url: "https://weights.invalid/weights.pth", sha256: digest.slice(0, 8) });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const gone = createServer();
  await new Promise<void>((resolve) => gone.listen(0, "127.0.0.1", resolve));
  nobody = `http://127.0.0.1:${(gone.address() as AddressInfo).port}`;
  await new Promise((resolve) => gone.close(resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  Object.assign(PRETRAINED.googlenet, published);
  server.close();
  rmSync(root, { recursive: true });
});
afterEach(() => {
  vi.unstubAllEnvs();
  asked = [];
});

const bits = ({ data }: TensorData) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);

function environment(url: string): Record<string, string> {
  return { CONVNETS_WEIGHTS_URL: url, XDG_CACHE_HOME: join(root, "cache"), TORCH_HOME: join(root, "torch") };
}
const stub = (url: string) => Object.entries(environment(url)).forEach(([name, value]) => void vi.stubEnv(name, value));

describe("weights", () => {
  it("of torchvision are got once, and exported with what is known of them", async () => {
    stub(base);
    const written: string[] = [];
    vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(String(text)) > 0);
    const output = join(root, "googlenet.onnx");
    const args = ["googlenet", "--weights", "torchvision", "-o", output, "--preprocess"];
    await exportCommand.parseAsync(args, { from: "user" });
    vi.restoreAllMocks();
    expect(asked).toEqual(["/weights.pth"]);
    expect(written.join("")).toContain("googlenet.onnx  ");
    const { weights, metadata } = await readOnnx(output);
    const state = model.stateDict();
    for (const [name, value] of weights) expect(bits(value).equals(bits(state.get(name)!)), name).toBe(true);
    expect(metadata).toMatchObject({ architecture: "googlenet", variant: "torchvision" });
    expect(JSON.parse(metadata.classes!)).toEqual(published.classes);
    expect(JSON.parse(metadata.preprocessing!)).toEqual(published.transforms.slice(0, 2));

    const { file, published: known } = await resolveWeights("googlenet", "torchvision");
    expect(file).toBe(join(root, "cache", "convnets", "weights", "weights.pth"));
    expect(known).toBe(PRETRAINED.googlenet);
    expect(asked).toHaveLength(1);
  });

  it("in a file are left to the file", async () => {
    const file = join(root, "weights.pth");
    expect(await resolveWeights("nin", file)).toEqual({ file });
    await expect(resolveWeights("nin", "gone.pth")).rejects.toThrow("there is no weight file gone.pth");
    await expect(resolveWeights("nin", root)).rejects.toThrow(`${root} is a directory without best.safetensors`);
  });

  it("are refused for other networks and variants", async () => {
    await expect(resolveWeights("nin", "torchvision")).rejects.toThrow(UsageError);
    await expect(resolveWeights("nin", "torchvision")).rejects.toThrow(
      'nobody published weights for "nin"; there are some for alexnet, vgg11 … vgg19_bn, googlenet',
    );
    await expect(resolveWeights("vgg16", "torchvision", { variant: "note" })).rejects.toThrow(
      "--weights torchvision are for --variant torchvision, not for note",
    );
  });
});

describe("the command", () => {
  it.each([
    [["export", "vgg11", "--weights", "torchvision", "--variant", "paper", "-o", "x.onnx"], "not for paper"],
    [["export", "nin", "--weights", "torchvision", "-o", "x.onnx"], 'nobody published weights for "nin"'],
    [["train", "vgg11", "--weights", "torchvision", "--variant", "note"], "not for note"],
  ])("%j: exit code 2", (args, message) => {
    const { stderr, status } = convnets(args, { cwd: root });
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });

  it("says offline which file to put where", () => {
    const args = ["export", "vgg11", "--weights", "torchvision", "-o", "x.onnx"];
    const { stderr, status } = convnets(args, { cwd: root, env: environment(nobody) });
    expect(status).toBe(1);
    const file = "vgg11-8a719046.pth";
    expect(stderr).toContain(join(root, "cache", "convnets", "weights", file));
    expect(stderr).toContain(
      `\nGet the file on another machine or later from\n  https://download.pytorch.org/models/${file}\nand put it as it is into ${join(root, "cache", "convnets", "weights")}\n`,
    );
  });

  it("trains with the variant and the normalization of the weights", () => {
    const config = (...flags: string[]) =>
      JSON.parse(convnets(["train", "googlenet", "--print-config", ...flags], { cwd: root }).stdout);
    const { variant, transforms, weights } = config("--weights", "torchvision");
    expect({ variant, weights }).toEqual({ variant: "torchvision", weights: "torchvision" });
    const half = { normalize: { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } };
    expect([transforms.train.at(-1), transforms.validation.at(-1)]).toEqual([half, half]);
    const own = config();
    expect(own.transforms.train.at(-1)).not.toEqual(half);
    expect(transforms.train.slice(0, -1)).toEqual(own.transforms.train.slice(0, -1));
  });
});

it("training starts from files that do not count batches, with a last layer for its classes", async () => {
  const state = createModel("vgg_small", { numClasses: 10 }).initialize(5).stateDict();
  const old = new Map([...state].filter(([key]) => !key.endsWith("num_batches_tracked")));
  const weights = join(root, "old.pth");
  await writeCheckpoint(weights, { tensors: old, metadata: {} });
  const tuned = createModel("vgg_small", { numClasses: 3 });
  const config = { seed: 0, weights, freeze: [] as string[] } as TrainConfig;
  expect(await prepareWeights(tuned, config, { input: ["N", 3, 32, 32] })).toEqual([
    "classifier.weight",
    "classifier.bias",
  ]);
  const started = tuned.stateDict();
  for (const [key, value] of old) if (!key.startsWith("classifier")) expect(started.get(key)!.data).toEqual(value.data);
  expect(started.get("features.1.num_batches_tracked")!.data).toEqual(BigInt64Array.of(0n));
});

it("training starts from the part and the keys that --key and --rename mean", async () => {
  const state = createModel("vgg_small", { numClasses: 3 }).initialize(6).stateDict();
  const weights = join(root, "renamed.safetensors");
  const tensors = new Map([...state].map(([key, data]) => [key.replace("features.", "encoder."), data]));
  await writeCheckpoint(weights, { tensors, metadata: {} });
  const tuned = createModel("vgg_small", { numClasses: 3 });
  const config = {
    seed: 0,
    weights,
    rename: [["encoder.", "features."]],
    freeze: [] as string[],
  } as unknown as TrainConfig;
  await prepareWeights(tuned, config, { input: ["N", 3, 32, 32] });
  expect(tuned.stateDict().get("features.0.weight")!.data).toEqual(state.get("features.0.weight")!.data);
});

describe("eval", () => {
  it("measures a network that knows more classes than the data have", async () => {
    for (const [part, name] of [
      ["train", "dog"],
      ["val", "dog"],
      ["val", "Cat"],
      ["train", "Cat"],
    ] as const) {
      const folder = join(root, "pictures", part, name);
      mkdirSync(folder, { recursive: true });
      const background = name === "dog" ? "#804020" : "#2040f0";
      await sharp({ create: { width: 32, height: 32, channels: 3, background } }).toFile(join(folder, "a.png"));
    }
    const small = createModel("inception_small", { numClasses: 4 }).initialize(1);
    const file = join(root, "small.safetensors");
    const classes = ["bird", "cat", "dog", "fish"];
    const metadata = { classes: JSON.stringify(classes), preprocessing: "[]" };
    await writeCheckpoint(file, { tensors: small.stateDict(), metadata });
    const data = join(root, "pictures");
    const flags = ["--data", data, "--split", "val", "--json"];
    const { stdout, stderr } = convnets(["eval", "inception_small", "--weights", file, ...flags]);
    expect(stderr).toBe("train: 2 classes, 2 images in train/; val: 2 images in val/\n");
    const { images, confusion, classes: named } = JSON.parse(stdout);
    expect(images).toBe(2);
    expect(named).toEqual(classes);
    const sums = confusion.map((row: number[]) => row.reduce((sum, count) => sum + count));
    expect(sums).toEqual([0, 1, 1, 0]);
  });

  it.each([
    [["eval", "nun", "--weights", "torchvision", "--data", "shapes"], "there is no run, weight file or network nun"],
    [["eval", "nin", "--weights", "torchvision"], "--data is missing"],
    [["eval", "gone.onnx"], "there is no run, weight file or network gone.onnx"],
    [["eval", "gone.mjs#Net"], "there is no run, weight file or network gone.mjs#Net"],
    [["eval", "nin", "--weights", "gone.pth"], "there is no weight file gone.pth"],
    [["look", "gone.onnx"], "there is no run, weight file or network gone.onnx"],
    [["eval", "nin", "--weights", "torchvision", "--data", "shapes"], 'nobody published weights for "nin"'],
    [["eval", "vgg11", "--weights", "torchvision", "--variant", "paper", "--data", "shapes"], "not for paper"],
  ])("%j: exit code 2", (args, message) => {
    const { stderr, status } = convnets(args, { cwd: root });
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });
});

it("a bar tells how far a download is, on a terminal alone", () => {
  const lines: string[] = [];
  const out = { write: (text: string) => lines.push(text) > 0, columns: 30 };
  const file = { file: "/cache/vgg16.pth", url: "http://localhost/a/vgg16.pth" };
  const bar = downloadBar({ ...out, isTTY: true });
  bar.show({ ...file, received: 0, total: undefined });
  bar.show({ ...file, received: 276_700_000, total: 553_400_000 });
  bar.close();
  bar.close();
  expect(lines).toEqual(["\rvgg16.pth  0.0 MB\x1b[K", "\rvgg16.pth  276.7 of 553.4 MB \x1b[K", "\r\x1b[K"]);
  lines.length = 0;
  const silent = downloadBar(out);
  silent.show({ ...file, received: 1, total: 2 });
  silent.close();
  expect(lines).toEqual([]);
});

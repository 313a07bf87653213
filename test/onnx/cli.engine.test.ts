/** `convnets export`: what it writes runs, says what it is, and is written whole or not at all. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCheckpoint, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { readOnnx } from "../../src/onnx/node/index.ts";
import { convnets, output } from "../cli/run.ts";
import { difference, normal, runFile } from "./support.ts";

const MEAN = [0.5, 0.4, 0.3];
const STD = [0.2, 0.3, 0.25];

let folder: string;
const at = (name: string) => join(folder, name);
const METADATA = {
  architecture: "inception_small",
  classes: JSON.stringify(["a", "b", "c"]),
  preprocessing: JSON.stringify([{ resize: 32 }, "toTensor", { normalize: { mean: MEAN, std: STD } }]),
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "convnets-cli-export-"));
  const model = createModel("inception_small", { numClasses: 3 }).initialize(4);
  await writeCheckpoint(at("best.safetensors"), { tensors: model.stateDict(), metadata: METADATA });
});
afterAll(() => rmSync(folder, { recursive: true }));

const exported = (...flags: string[]) => output("export", "inception_small", ...flags);
const input = normal([3, 3, 32, 32]);
const scoresOf = async (name: string, feeds: Record<string, TensorData> = { input }) =>
  Object.values(await runFile(at(name), feeds))[0]!;

describe("convnets export", () => {
  it("takes the classes from the weights, and says what it wrote", async () => {
    const text = exported("--weights", at("best.safetensors"), "-o", at("plain.onnx"));
    expect(text).toContain(`${at("plain.onnx")}  `);
    expect(text).toContain("from input float32[N, 3, 32, 32]");
    expect(text).toContain("to   output float32[N, 3]");
    expect((await scoresOf("plain.onnx")).shape).toEqual([3, 3]);
    expect((await readOnnx(at("plain.onnx"))).metadata).toEqual(METADATA);
  });

  it("folds, and ends in probabilities", async () => {
    exported("--weights", at("best.safetensors"), "--fold-batch-norm", "-o", at("folded.onnx"));
    expect(difference(await scoresOf("folded.onnx"), await scoresOf("plain.onnx"))).toBeLessThan(1e-5);
    expect(readFileSync(at("folded.onnx")).includes("BatchNormalization")).toBe(false);
    exported("--weights", at("best.safetensors"), "--softmax", "-o", at("softmax.onnx"));
    const { data } = await scoresOf("softmax.onnx");
    expect((data as Float32Array).slice(0, 3).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  });

  it("starts from pixels, normalized as the weights want it", async () => {
    exported("--weights", at("best.safetensors"), "--preprocess", "--layout", "NHWC", "-o", at("pixels.onnx"));
    const pixels = tensor("uint8", [1, 32, 32, 3], new Uint8Array(3072).fill(128));
    const same = tensor(
      "float32",
      [1, 3, 32, 32],
      Float32Array.from({ length: 3072 }, (_, i) => (128 / 255 - MEAN[i >> 10]!) / STD[i >> 10]!),
    );
    expect(
      difference(await scoresOf("pixels.onnx", { input: pixels }), await scoresOf("plain.onnx", { input: same })),
    ).toBeLessThan(1e-4);
    // what is left to do before
    expect(JSON.parse((await readOnnx(at("pixels.onnx"))).metadata.preprocessing!)).toEqual([{ resize: 32 }]);
  });

  it("points into the weights beside it, or writes them there", async () => {
    exported("--weights", at("best.safetensors"), "--external", "-o", at("light.onnx"));
    expect(readFileSync(at("light.onnx")).length).toBeLessThan(50_000);
    expect(existsSync(at("light.safetensors"))).toBe(false);
    expect(difference(await scoresOf("light.onnx"), await scoresOf("plain.onnx"))).toBe(0);
    exported("--weights", at("best.safetensors"), "--external", "--fold-batch-norm", "-o", at("both.onnx"));
    const written = await readCheckpoint(at("both.safetensors"));
    expect(written.metadata).toEqual(METADATA);
    expect([...written.tensors.keys()].some((key) => key.includes("running_mean"))).toBe(false);
    expect(difference(await scoresOf("both.onnx"), await scoresOf("plain.onnx"))).toBeLessThan(1e-5);
    const before = readFileSync(at("best.safetensors"));
    const refused = convnets([
      "export",
      "inception_small",
      "--weights",
      at("best.safetensors"),
      "--external",
      "--fold-batch-norm",
      "-o",
      at("best.onnx"),
    ]);
    expect(refused.status).toBe(2);
    expect(refused.stderr).toContain("would be overwritten with other weights");
    expect(readFileSync(at("best.safetensors")).equals(before)).toBe(true);
  });

  it("overwrites nothing that it was not told to", () => {
    const before = readFileSync(at("best.safetensors"));
    // best.safetensors is what the weights beside best.onnx would be called
    const side = convnets(["export", "inception_small", "--external", "-o", at("best.onnx")]);
    expect(side.status).toBe(2);
    expect(side.stderr).toContain(`${at("best.safetensors")} already exists; --force overwrites it`);
    expect(existsSync(at("best.onnx"))).toBe(false);
    symlinkSync(folder, at("link"));
    const flags = ["--weights", join(at("link"), "best.safetensors"), "--external", "--fold-batch-norm"];
    expect(convnets(["export", "inception_small", ...flags, "-o", at("best.onnx")]).status).toBe(2);
    rmSync(at("link"));
    expect(readFileSync(at("best.safetensors")).equals(before)).toBe(true);
    const again = convnets(["export", "inception_small", "-o", at("plain.onnx")]);
    expect(again.status).toBe(2);
    expect(again.stderr).toContain("plain.onnx already exists");
    expect(convnets(["export", at("plain.onnx"), "-o", at("plain.onnx")]).status).toBe(2);
    exported("--weights", at("best.safetensors"), "-o", at("plain.onnx"), "--force");
  });

  it("keeps what an .onnx file says of itself, and prepares pictures as it says", async () => {
    output("export", at("plain.onnx"), "--fold-batch-norm", "-o", at("again.onnx"));
    expect((await readOnnx(at("again.onnx"))).metadata).toEqual(METADATA);
    output("export", at("plain.onnx"), "--preprocess", "-o", at("again-pixels.onnx"));
    const pixels = tensor(
      "uint8",
      [1, 3, 32, 32],
      Uint8Array.from({ length: 3072 }, (_, i) => i % 251),
    );
    const wanted = exported("--weights", at("best.safetensors"), "--preprocess", "-o", at("pixels-nchw.onnx"));
    expect(wanted).toContain("uint8[N, 3, 32, 32]");
    const [a, b] = [
      await scoresOf("again-pixels.onnx", { input: pixels }),
      await scoresOf("pixels-nchw.onnx", { input: pixels }),
    ];
    expect(difference(a, b)).toBeLessThan(1e-5);
  });

  it("writes weights of half precision anew, beside a model that computes in float32", async () => {
    output("convert", at("best.safetensors"), at("half.safetensors"), "--dtype", "float16");
    exported("--weights", at("half.safetensors"), "--external", "-o", at("from-half.onnx"));
    expect(existsSync(at("from-half.safetensors"))).toBe(true);
    expect(difference(await scoresOf("from-half.onnx"), await scoresOf("plain.onnx"))).toBeLessThan(0.02);
  });

  it("writes a training step that runs", async () => {
    const text = output("export", "inception_small", "--num-classes", "3", "--training", "-o", at("step.onnx"));
    expect(text).toContain("from ");
    const { graph } = await readOnnx(at("step.onnx"), { fold: false });
    const target = tensor("float32", [3, 3], Float32Array.of(1, 0, 0, 0, 1, 0, 0, 0, 1));
    const feeds = Object.fromEntries(
      graph.inputs.map(({ name, shape }): [string, TensorData] => {
        if (name === "input") return [name, input];
        if (name === "target") return [name, target];
        if (name === "lr") return [name, tensor("float32", [], Float32Array.of(0.1))];
        const sizes = shape.map((dim) => (typeof dim === "number" ? dim : 3));
        const count = sizes.reduce((a, b) => a * b, 1);
        return [name, tensor("float32", sizes, new Float32Array(count).fill(name.includes("momentum") ? 0 : 0.1))];
      }),
    );
    const results = await runFile(at("step.onnx"), feeds);
    expect(Number.isFinite(Number(results.loss!.data[0]))).toBe(true);
  });

  it.each([
    [["nin", "-o", "x.txt"], 2, "has to end in .onnx"],
    [["nin", "-o", "/no/such/folder/x.onnx"], 2, "there is no folder"],
    [["nin"], 2, "required option"],
    [["nin", "-o", "x.onnx", "--training", "--softmax"], 2, "cannot be used with"],
    [["none", "-o", "x.onnx"], 2, "none"],
    [["nin", "-o", "x.onnx", "--num-classes", "0"], 2, "It has to be above 0."],
    [["nin", "-o", "x.onnx", "--layout", "NHWC"], 2, "it needs --preprocess"],
    [["nin", "-o", "x.onnx", "--training", "--layout", "NHWC"], 2, "cannot be used with"],
    [["nin", "-o", "x.onnx", "--weights", "nosuch.pth"], 2, "there is no weight file nosuch.pth"],
    [
      ["nin", "-o", "x.onnx", "--input", "1,1,32,32", "--preprocess"],
      2,
      "how to normalize images of 1 channel is not known",
    ],
    [[".", "-o", "x.onnx"], 2, "is a directory"],
  ])("refuses %j", (args, status, message) => {
    const result = convnets(["export", ...args]);
    expect(result.stderr).toContain(message);
    expect(result.status).toBe(status);
    expect(existsSync("x.onnx")).toBe(false);
  });

  it("leaves nothing behind where it fails", () => {
    writeFileSync(at("bad.safetensors"), "no weights");
    const before = readdirSync(folder).sort();
    const result = convnets(["export", "nin", "--weights", at("bad.safetensors"), "-o", at("bad.onnx")]);
    expect(result.status).toBe(1);
    expect(result.stderr).toContain("bad.safetensors");
    const other = convnets(["export", "nin", "--weights", at("best.safetensors"), "-o", at("bad.onnx")]);
    expect(other.stderr).toContain("the state dict does not fit");
    expect(readdirSync(folder).sort()).toEqual(before);
  });
});

/** Every command takes a network in a file, a run's folder as weights, and weights saved under DataParallel; predict. */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeNpy, readNpy, readNumpy, writeCheckpoint, writeNumpy } from "../../src/checkpoint/node/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { Conv2d, Linear, Module, type Tensor } from "../../src/nn/index.ts";
import { Random } from "../../src/random.ts";
import { CLI, convnets, DIST } from "./run.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-own-"));
afterAll(() => rmSync(folder, { recursive: true }));
const run = (...args: string[]) => convnets(args, { cwd: folder });
const at = (...path: string[]) => join(folder, ...path);

/** The network of net.mjs, to have its weights. */
class Net extends Module {
  conv = new Conv2d(3, 4, 3, { padding: 1 });
  head = new Linear(4, 2);
  forward(x: Tensor): Tensor {
    return this.head.call((this.conv.call(x) as Tensor).relu().mean([2, 3])) as Tensor;
  }
}

const state = new Net().initialize(3).stateDict();
const random = new Random(1);
const numbers = (...shape: number[]) =>
  tensor(
    "float32",
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.normal()),
  );
const x = numbers(2, 3, 8, 8);

/** The network in plain numbers. */
function reference(image: number): number[] {
  const get = (key: string) => state.get(key)!.data as Float32Array;
  const [kernel, bias, head, headBias] = [get("conv.weight"), get("conv.bias"), get("head.weight"), get("head.bias")];
  const means = Array.from({ length: 4 }, (_, o) => {
    let total = 0;
    for (let y = 0; y < 8; y++)
      for (let c = 0; c < 8; c++) {
        let sum = bias[o]!;
        for (let i = 0; i < 3; i++)
          for (let ky = 0; ky < 3; ky++)
            for (let kx = 0; kx < 3; kx++) {
              const [row, column] = [y + ky - 1, c + kx - 1];
              if (row < 0 || column < 0 || row > 7 || column > 7) continue;
              sum += kernel[((o * 3 + i) * 3 + ky) * 3 + kx]! * x.data[((image * 3 + i) * 8 + row) * 8 + column]!;
            }
        total += Math.max(0, sum);
      }
    return total / 64;
  });
  return [0, 1].map((k) => means.reduce((sum, mean, o) => sum + mean * head[k * 4 + o]!, headBias[k]!));
}

beforeAll(async () => {
  const library = JSON.stringify(pathToFileURL(join(DIST, "index.js")).href);
  writeFileSync(
    at("net.mjs"),
    `import { cat, Conv2d, Linear, Module } from ${library};
    export default class Net extends Module {
      conv = new Conv2d(3, 4, 3, { padding: 1 });
      head = new Linear(4, 2);
      forward(x) {
        return this.head.call(this.conv.call(x).relu().mean([2, 3]));
      }
    }
    class Two extends Module {
      forward(image, mask) {
        return { both: cat([image, mask], 1), mean: mask.mean([2, 3]) };
      }
    }
    export const two = new Two();`,
  );
  const metadata = {
    architecture: "net.mjs",
    classes: '["blue","red"]',
    inputSize: "8",
    preprocessing: '[{"resize":{"size":[8,8]}}]',
  };
  mkdirSync(at("run"));
  await writeCheckpoint(at("run", "best.safetensors"), { tensors: state, metadata });
  writeFileSync(
    at("run", "config.json"),
    run("train", "--print-config", "--data", "shapes").stdout.replace('"vgg_small"', '"net.mjs"'),
  );
  const wrapped = new Map([...state].map(([key, value]) => [`_orig_mod.module.${key}`, value]));
  await writeCheckpoint(at("wrapped.pth"), { tensors: wrapped, metadata: {} });
  await writeNumpy(at("x.npy"), x);
  for (const part of ["Train", "Test"])
    for (const [name, background] of [
      ["blue", "#0000ff"],
      ["red", "#ff0000"],
    ] as const) {
      mkdirSync(at("photos", part, name), { recursive: true });
      await sharp({ create: { width: 9, height: 8, channels: 3, background } }).toFile(
        at("photos", part, name, "a.png"),
      );
    }
});

const PREFIX = 'wrapped.pth: removed "_orig_mod.module." from the start of every key (saved under torch.compile).\n';

describe("predict", () => {
  const expected = [...reference(0), ...reference(1)];
  const close = ({ shape, data }: TensorData) => {
    expect(shape).toEqual([2, 2]);
    for (const [i, value] of expected.entries()) expect(Number(data[i])).toBeCloseTo(value, 5);
  };

  it.each([
    [["run"], ""],
    [["net.mjs", "--weights", "run"], ""],
    [["run/best.safetensors", "--model", "net.mjs"], ""],
    [["net.mjs", "--weights", "wrapped.pth"], PREFIX],
  ])("of %j computes the network's output", async (args, said) => {
    const [network, ...flags] = args as [string, ...string[]];
    const { stdout, stderr, status } = run("predict", network, "x.npy", "-o", "y.npy", ...flags);
    expect({ stderr, status }).toEqual({ stderr: said, status: 0 });
    expect(stdout).toMatch(/^output {2}float32\[2, 2\] {2}-?\d/);
    close((await readNumpy(at("y.npy"))) as TensorData);
    const { output } = JSON.parse(run("predict", network, "x.npy", "--json", ...flags).stdout);
    expect(output.dtype).toBe("float32");
    close(output);
  });

  it("reads from a pipe and writes into one", () => {
    const { stdout, status } = spawnSync(process.execPath, [CLI, "predict", "run", "-", "-o", "-"], {
      cwd: folder,
      input: encodeNpy(x),
    });
    expect(status).toBe(0);
    close(readNpy(stdout));
  });

  it("takes several inputs and gives several outputs, by name", async () => {
    const mask = numbers(2, 1, 8, 8);
    await writeNumpy(at("mask.npy"), mask);
    await writeNumpy(
      at("in.npz"),
      new Map([
        ["mask", mask],
        ["image", x],
      ]),
    );
    for (const inputs of [["image=x.npy", "mask=mask.npy"], ["in.npz"]]) {
      const { stderr, status } = run("predict", "net.mjs#two", ...inputs, "-o", "out.npz");
      expect({ stderr, status }).toEqual({ stderr: "", status: 0 });
      const out = (await readNumpy(at("out.npz"))) as Map<string, TensorData>;
      expect([...out].map(([name, { shape }]) => [name, shape])).toEqual([
        ["both", [2, 4, 8, 8]],
        ["mean", [2, 1]],
      ]);
      expect(out.get("both")!.data.slice(0, 192)).toEqual(x.data.slice(0, 192));
    }
    expect(run("predict", "net.mjs#two", "img=x.npy", "mask=mask.npy").stderr).toContain(
      'the input "image" is missing, and there is no input "img"; the network takes "image", "mask"',
    );
    const { both } = JSON.parse(run("predict", "net.mjs#two", "in.npz", "--json").stdout);
    expect(both).toMatchObject({ shape: [2, 4, 8, 8], data: expect.any(Array) });
  });

  it.each([
    [["net.mjs", "x.npy"], "net.mjs needs weights: --weights with a weight file or a run's folder"],
    [["nin", "x.npy"], "nin needs weights"],
    [["nim", "x.npy"], "there is no run, weight file or network nim"],
    [["run", "bytes.npy"], "bytes.npy is uint8; a network takes float32"],
    [["run", "x.npy", "x.npy"], "several inputs need names, such as image=x.npy"],
    [["net.mjs#two", "x.npy"], "net.mjs#two takes 2 inputs, but 1 is given; name each"],
    [["run", "x.npy", "-o", "y.txt"], "y.txt has to end in .npy, or in .npz for several outputs"],
    [["run", "x.npy", "-o", "none/y.npy"], "there is no folder none"],
    [["net.mjs#two", "image=x.npy", "mask=x.npy", "-o", "y.npy"], "the outputs both, mean; write them to a .npz file"],
  ])("%j is asked wrongly: exit code 2", async (args, message) => {
    await writeNumpy(at("bytes.npy"), tensor("uint8", [1, 3, 8, 8], new Uint8Array(192)));
    const { stderr, status } = run("predict", ...args);
    expect(stderr).toContain(message);
    expect(status).toBe(2);
  });
});

describe("a network in a file, with weights", () => {
  const photo = join("photos", "Test", "red", "a.png");
  const told = "train: 2 classes, 2 images in Train/; test: 2 images in Test/\n";

  it("a network in a file is not taken for the weights of another; its weights are, once they are taken out", () => {
    expect(run("export", "net.mjs", "--weights", "run", "--input", "1,3,8,8", "-o", "own.onnx").status).toBe(0);
    const evaluated = (weights: string) => run("eval", "net.mjs", "--weights", weights, "--data", "photos", "--json");
    const { status, stderr } = evaluated("own.onnx");
    expect([status, stderr]).toEqual([
      1,
      "error: own.onnx is a network with its weights; leave out the other network, or take the weights out of it: convnets convert own.onnx weights.pth\n",
    ]);
    expect(run("convert", "own.onnx", "weights.pth").status).toBe(0);
    expect(JSON.parse(evaluated("weights.pth").stdout).loss).toBe(JSON.parse(evaluated("run").stdout).loss);
  });

  it.each([
    ["a run", ["net.mjs", "--weights", "run"], ""],
    [
      "a file saved under torch.compile",
      ["net.mjs", "--weights", "wrapped.pth"],
      `${PREFIX}wrapped.pth does not record the preprocessing`,
    ],
  ])("of %s is evaluated", (_, args, said) => {
    const { stdout, stderr, status } = run("eval", ...args, "--data", "photos", "--json");
    expect(stderr.slice(0, said.length)).toBe(said);
    expect(stderr).toContain(told);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ images: 2, classes: ["blue", "red"] });
  });

  it("classifies, is exported, converted, shown and compared", () => {
    const found = run("classify", photo, "--model", "net.mjs", "--weights", "run", "--json");
    expect(found.status).toBe(0);
    expect(JSON.parse(found.stdout)[0].predictions).toHaveLength(2);
    for (const args of [
      ["export", "run", "-o", "a.onnx"],
      ["export", "net.mjs", "--weights", "run", "-o", "b.onnx"],
      ["convert", "run", "c.onnx"],
      ["convert", "run", "c.pth"],
      ["inspect", "run"],
      ["summary", "run"],
      ["compare", "run", "net.mjs", "--input", "1,3,8,8"],
    ]) {
      const { stderr, status } = run(...args);
      expect({ args, stderr, status }).toEqual({ args, stderr: "", status: 0 });
    }
    const wrapped = run("export", "net.mjs", "--weights", "wrapped.pth", "--input", "1,3,8,8", "-o", "d.onnx");
    expect(wrapped).toMatchObject({ stderr: PREFIX, status: 0 });
    const [first] = ["a", "b", "c", "d"].map((name) =>
      JSON.parse(run("predict", `${name}.onnx`, "x.npy", "--json").stdout),
    );
    for (const name of ["b", "c", "d"])
      expect(JSON.parse(run("predict", `${name}.onnx`, "x.npy", "--json").stdout)).toEqual(first);
  });

  it("starts a training from a run or from a wrapped file", () => {
    for (const [weights, said] of [
      ["run", ""],
      ["wrapped.pth", PREFIX],
    ] as const) {
      const flags = ["--epochs", "1", "--workers", "0", "--no-report", "--input-size", "8", "--out", `from-${weights}`];
      const { stderr, status } = run("train", "net.mjs", "--data", "photos", "--weights", weights, ...flags);
      expect({ stderr, status }).toEqual({ stderr: told + said, status: 0 });
    }
  });

  it("is never executed because a weight file names it", () => {
    for (const args of [
      ["eval", "run/best.safetensors", "--data", "photos"],
      ["classify", photo, "--weights", "run/best.safetensors"],
      ["export", "run/best.safetensors", "-o", "e.onnx"],
      ["convert", "run/best.safetensors", "e.onnx"],
      ["predict", "run/best.safetensors", "x.npy"],
    ])
      expect(run(...args).stderr).toContain("The path stored in a weight file is never executed");
  });
});

describe("--data", () => {
  it("takes a folder here rather than the known data set of its name, and says so", () => {
    mkdirSync(at("mnist", "raw"), { recursive: true });
    const { stderr, status } = run("eval", "run", "--data", "mnist");
    expect(stderr).toContain("Data: the folder ./mnist here, not the data set known as mnist.\n");
    expect(stderr).toContain("./mnist: it holds no data set");
    expect(status).toBe(1);
  });

  it("takes a module; a table that names two images by one name is an error", () => {
    const data = JSON.stringify(pathToFileURL(join(DIST, "data/index.js")).href);
    writeFileSync(
      at("data.mjs"),
      `import { memoryDataset } from ${data};
      const labels = Int32Array.of(0, 1, 0, 1);
      export const test = () =>
        memoryDataset({ name: "mine", classes: ["blue", "red"], images: new Uint8Array(4 * 192), labels, shape: [3, 8, 8] });`,
    );
    const { stdout, status } = run("eval", "run", "--data", "data.mjs", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ data: "mine", images: 4 });
    writeFileSync(at("labels.csv"), "a.png,0\n");
    expect(run("eval", "run", "--data", "labels.csv").stderr).toContain('labels.csv, row 1: "a.png" may be photos');
  });
});

it("runs of a folder that does not exist are an error", () => {
  expect(run("runs", "show")).toMatchObject({ status: 2, stderr: expect.stringContaining("there is no folder show") });
  expect(run("runs", "compar").stderr).toContain('did you mean "convnets runs compare"?');
});

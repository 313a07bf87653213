/** Preprocessing that is told, and that is found. */
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { encodeNpz, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { openSource } from "../../src/classify/node/index.ts";
import { findPreprocessing } from "../../src/cli/preprocessing.ts";
import { dataLoader, memoryDataset, type Transform } from "../../src/data/node/index.ts";
import { tensor } from "../../src/graph/index.ts";
import { Conv2d, Flatten, Linear, ReLU, Sequential } from "../../src/nn/index.ts";
import { exportOnnx, readOnnx } from "../../src/onnx/node/index.ts";
import { adamw, cosineRate } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Evaluator, fit } from "../../src/train/index.ts";
import { convnets, DIST } from "./run.ts";

vi.setConfig({ testTimeout: 120_000 }); // other processes may want the cores, too

const folder = mkdtempSync(join(tmpdir(), "convnets-told-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string) => join(folder, name);

const SIDE = 12;
const CLASSES = ["0", "1", "2", "3"];

/** Digits of a kind: a bright stroke on black, in one of four places, so noisy that some cannot be told. */
function strokes(count: number, seed: number) {
  const random = new Random(seed, "strokes");
  const labels = Array.from({ length: count }, (_, i) => i % 4);
  const images = new Uint8Array(count * SIDE * SIDE);
  for (const [n, label] of labels.entries()) {
    const [shift, light] = [random.integer(3) - 1, 90 + random.integer(120)];
    for (let y = 0; y < SIDE; y++)
      for (let x = 0; x < SIDE; x++) {
        const isStroke =
          label < 2 ? Math.abs(x - (label === 0 ? 3 : 8) - shift) < 1 : Math.abs(y - (label === 2 ? 3 : 8) - shift) < 1; // prettier-ignore
        const noise = random.uniform() < 0.25 ? random.integer(160) : 0;
        images[(n * SIDE + y) * SIDE + x] = Math.min(255, (isStroke && random.uniform() < 0.55 ? light : 0) + noise);
      }
  }
  return memoryDataset({ name: "strokes", classes: CLASSES, images, labels, shape: [1, SIDE, SIDE] });
}

const train = strokes(1200, 1);
const held = strokes(400, 2);

/** Five usual preparations, and a rate at which their networks learn. */
const PREPARATIONS: Readonly<Record<string, { transforms: readonly Transform[]; lr: number }>> = {
  "0 to 1": { transforms: [], lr: 0.01 },
  "mean and deviation of mnist": { transforms: [{ normalize: { mean: [0.1307], std: [0.3081] } }], lr: 0.01 },
  "−1 to 1": { transforms: [{ normalize: { mean: [0.5], std: [0.5] } }], lr: 0.01 },
  "0 to 255": { transforms: [{ normalize: { mean: [0], std: [1 / 255] } }], lr: 0.001 },
  "−1 to 1, inverted": { transforms: ["invert", { normalize: { mean: [0.5], std: [0.5] } }], lr: 0.01 },
};

const engine = nodeEngine({ threads: 1 });

/** A network that was trained elsewhere: its file says nothing of preprocessing. */
async function foreign(name: string): Promise<string> {
  const { transforms, lr } = PREPARATIONS[name]!;
  const model = new Sequential(
    new Conv2d(1, 8, 5, { stride: 2 }),
    new ReLU(),
    new Flatten(),
    new Linear(8 * 4 * 4, 4),
  ).initialize(1);
  const loader = dataLoader(train, { batchSize: 50, shuffle: true, seed: 1, transforms });
  await fit(model, {
    engine,
    train: loader,
    epochs: 8,
    optimizer: adamw({ weightDecay: 0.05 }),
    schedule: cosineRate(lr),
  }); // prettier-ignore
  const file = at(`${name.replaceAll(/\W+/g, "_")}.onnx`);
  writeFileSync(file, exportOnnx(model, { input: ["N", 1, SIDE, SIDE] }).bytes);
  return file;
}

describe("--preprocess auto", () => {
  beforeAll(async () => {
    const numbers = new Map([
      ["x_test", tensor("uint8", [400, SIDE, SIDE], held.memory.images)],
      ["y_test", tensor("uint8", [400], Uint8Array.from(held.labels))],
    ]);
    writeFileSync(at("strokes.npz"), Buffer.concat([...encodeNpz(numbers)]));
  });

  test.each(Object.keys(PREPARATIONS))("finds %s", async (name) => {
    const source = await openSource(await foreign(name));
    const lines: string[] = [];
    const write = vi.spyOn(process.stderr, "write").mockImplementation((text) => lines.push(String(text)) > 0);
    const evaluator = await Evaluator.create(source.model, {
      engine,
      input: ["N", 1, SIDE, SIDE],
      weights: source.weights,
    }); // prettier-ignore
    const found = await findPreprocessing(source, held, evaluator, { workers: 0, skipCorrupt: false });
    await evaluator.dispose();
    write.mockRestore();
    expect(lines.join("")).toContain(`Used: ${name}.`);
    expect(found.length).toBeGreaterThan(2);
  });

  test("on the command line: the table on stderr, the numbers of the best; what is told is recorded", async () => {
    const [file, named] = [at("foreign.onnx"), at("named.onnx")];
    writeFileSync(at("classes.json"), JSON.stringify(CLASSES));
    renameSync(at("_1_to_1.onnx"), file);
    const { stdout, stderr } = convnets([
      "eval",
      file,
      "--data",
      at("strokes.npz"),
      "--classes",
      at("classes.json"),
      "--preprocess",
      "auto",
      "--json",
    ]); // prettier-ignore
    expect(stderr).toContain("Used: −1 to 1.");
    expect(JSON.parse(stdout).top1).toBeGreaterThan(0.75);
    // the options that the table names give the same: images of the right size stay as they are
    const typed = convnets(["eval", file, "--data", at("strokes.npz"), "--mean", "0.5", "--std", "0.5", "--json"]);
    expect(typed.stderr).toContain("does not record the size of images; assuming 12×12.");
    expect(JSON.parse(typed.stdout).loss).toBe(JSON.parse(stdout).loss);
    const told = ["--mean", "0.5", "--std", "0.5", "--resize", "12x12"];
    expect(convnets(["export", file, ...told, "-o", named]).status).toBe(0);
    const { metadata } = await readOnnx(named, { fold: false });
    expect(JSON.parse(metadata.preprocessing!)).toEqual([
      { resize: { size: [12, 12] } },
      "toTensor",
      { normalize: { mean: [0.5], std: [0.5] } },
    ]);
    const again = convnets(["eval", named, "--data", at("strokes.npz"), "--json"]);
    expect(again.stderr).toBe("test: 4 classes, 400 images in strokes.npz\n");
    expect(JSON.parse(again.stdout).top1).toBe(JSON.parse(stdout).top1);
    expect(convnets(["eval", file, "--data", at("strokes.npz"), "--mean", "1,2,3"]).stderr).toContain(
      "mean has 3 numbers, but the network takes 1 channel",
    ); // prettier-ignore
  });

  test("a network of one's own for another size than is assumed: what to give", async () => {
    const nn = pathToFileURL(join(DIST, "nn/index.js")).href;
    const code = `import { Conv2d, Flatten, Linear, Sequential } from ${JSON.stringify(nn)};`;
    writeFileSync(
      at("net.mjs"),
      `${code}\nexport default () => new Sequential(new Conv2d(1, 2, 3), new Flatten(), new Linear(200, 4));`,
    );
    const model = new Sequential(new Conv2d(1, 2, 3), new Flatten(), new Linear(200, 4)).initialize(1);
    await writeCheckpoint(at("net.pth"), { tensors: model.stateDict(), metadata: {} });
    const words = ["eval", at("net.mjs"), "--weights", at("net.pth"), "--data", at("strokes.npz")];
    const { status, stderr } = convnets(words);
    expect([status, stderr]).toEqual([
      1,
      expect.stringContaining(
        "Images are made 224×224, as no file records the size; give the right one, such as --resize 32 --crop 32",
      ),
    ]);
    expect(convnets([...words, "--resize", "12", "--crop", "12"]).status).toBe(0);
  });
});

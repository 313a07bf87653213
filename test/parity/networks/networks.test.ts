import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readCheckpoint } from "../../../src/checkpoint/node/index.ts";
import { numel, type TensorData, tensor } from "../../../src/graph/index.ts";
import { createModel, type ModelName, type ModelOptions } from "../../../src/models/index.ts";
import { type Module, trace } from "../../../src/nn/index.ts";
import { sgd } from "../../../src/optim/index.ts";
import { differentiate, logSoftmax } from "../../../src/passes/index.ts";
import type { Executable, Feeds } from "../../../src/runtime/engine.ts";
import { nodeEngine } from "../../../src/runtime/node/index.ts";
import { crossEntropyLoss, oneHot, TrainingStep } from "../../../src/train/index.ts";
import { totalLoss } from "../../../src/train/loss.ts";
import { python, pythonSkipReason } from "../../support/python.ts";

/** Largest difference of outputs, as a share of the largest output. */
const OUTPUT_TOLERANCE = 1e-4;
/** Norm of the difference of a gradient, as a share of the gradient's norm. */
const GRADIENT_TOLERANCE = 1e-3;
/** Difference of losses, as a share of the loss or of 1. */
const LOSS_TOLERANCE = 1e-3;
/** Norm of the difference of running statistics after training, as a share of their norm. */
const STATISTICS_TOLERANCE = 1e-3;

interface Case {
  readonly name: ModelName;
  readonly options: ModelOptions;
  /** The same in Python. */
  readonly model: string;
  readonly classes: number;
  /** Side of the images trained on, and of the one evaluated. */
  readonly side: number;
  readonly evalSide: number;
  readonly batch: number;
  /** Different batches, which the steps go through again and again. */
  readonly batches: number;
  readonly steps: number;
  readonly lr: number;
  /** Whether it ends in Softmax. */
  readonly softmax?: boolean;
}

const training = { batches: 4, steps: 20 } as const;

const CASES: Readonly<Record<string, Case>> = {
  // the classifier of 224×224 images holds nine tenths of the weights: training is compared without it
  "the note's VGG16": {
    ...training,
    lr: 1e-5,
    name: "vgg16",
    options: { inputSize: 64 },
    model: "note_vgg16(64)",
    classes: 1000,
    side: 64,
    evalSide: 64,
    batch: 4,
    softmax: true,
  },
  "the note's VGG16 at 224×224": {
    ...training,
    lr: 3e-5,
    name: "vgg16",
    options: {},
    model: "note_vgg16(224)",
    classes: 1000,
    side: 224,
    evalSide: 224,
    batch: 1,
    batches: 0,
    softmax: true,
  },
  "the note's NiN": {
    ...training,
    lr: 2e-4,
    name: "nin",
    options: {},
    model: 'note("NiN")',
    classes: 10,
    side: 32,
    evalSide: 32,
    batch: 8,
    softmax: true,
  },
  "the note's GoogLeNet": {
    ...training,
    lr: 3e-6,
    name: "googlenet",
    options: {},
    model: 'note("GoogLeNet")',
    classes: 1000,
    side: 224,
    evalSide: 224,
    batch: 2,
  },
  "torchvision's VGG16": {
    ...training,
    lr: 2e-6,
    name: "vgg16",
    options: { variant: "torchvision" },
    model: 'torchvision_model("vgg16")',
    classes: 1000,
    side: 64,
    evalSide: 224,
    batch: 2,
  },
  "torchvision's VGG16-BN": {
    ...training,
    lr: 2e-6,
    name: "vgg16_bn",
    options: { variant: "torchvision" },
    model: 'torchvision_model("vgg16_bn")',
    classes: 1000,
    side: 64,
    evalSide: 224,
    batch: 2,
  },
  "torchvision's GoogLeNet": {
    ...training,
    lr: 3e-6,
    name: "googlenet",
    options: { variant: "torchvision" },
    model: 'torchvision_model("googlenet", init_weights=False)',
    classes: 1000,
    side: 224,
    evalSide: 224,
    batch: 2,
  },
};

const seedFolder = fileURLToPath(new URL("../../../../shared/seed", import.meta.url));
const hasNote = existsSync(`${seedFolder}/note_models.py`);
if (!hasNote) console.warn("skipped: ../shared/seed/note_models.py is not there");
const noTorch = pythonSkipReason("torch", "torchvision") !== undefined;
const reference = readFileSync(new URL("./reference.py", import.meta.url), "utf8");
const engine = nodeEngine();

describe.each(Object.entries(CASES))("%s", (title, example) => {
  const { name, options, side, evalSide, batch, batches, steps, lr } = example;
  describe.skipIf(noTorch || (title.includes("note") && !hasNote))("equals PyTorch's", () => {
    let folder: string;
    let model: Module;
    const read = async (file: string) => (await readCheckpoint(join(folder, file))).tensors;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "convnets-parity-"));
      const settings = { seed: 1, softmax: false, ...example };
      python(reference, { args: [seedFolder, folder, JSON.stringify(settings)] });
      model = createModel(name, options).loadStateDict(await read("weights"));
    }, 1_200_000);

    afterAll(() => rmSync(folder, { recursive: true }));

    it("outputs in evaluation", async () => {
      const { input, ...wanted } = Object.fromEntries(await read("evaluated"));
      const { graph } = trace(model, ["N", 3, evalSide, evalSide]);
      const executable = await engine.compile(graph, { weights: model.stateDict() });
      const outputs = await run(executable, { input: input! });
      expectOutputs(outputs, wanted);
      await executable.dispose();
    }, 1_200_000);

    if (batches === 0) return;

    /** One of the batches. */
    const batchOf = (inputs: TensorData, labels: TensorData, i: number, classes: number) => {
      const size = numel(inputs.shape.slice(1));
      const data = (inputs.data as Float32Array).subarray(i * size, (i + 1) * size);
      const own = Array.from(labels.data.slice(i * batch, (i + 1) * batch), Number);
      return { input: tensor("float32", inputs.shape.slice(1), data), target: oneHot(own, classes) };
    };

    it("outputs, loss and all gradients in training", async () => {
      const files = await read("batches");
      const { input, target } = batchOf(files.get("input")!, files.get("labels")!, 0, example.classes);
      const { tracer, outputs } = trace(model, ["N", 3, side, side], { training: true, dropout: false });
      tracer.graph.output(
        "loss",
        totalLoss(outputs, tracer.input("target", ["N", example.classes]), crossEntropyLoss(), { context: {} as never })
          .value,
      );
      const stable = logSoftmax(tracer.graph);
      const { graph, gradients } = differentiate(
        stable,
        stable.outputs.get("loss")!,
        stable.parameters.filter(isTrained(model)),
      );
      for (const [value, gradient] of gradients) graph.output(`d:${value.name}`, gradient);
      const executable = await engine.compile(graph);
      const results = await run(executable, { ...Object.fromEntries(model.stateDict()), input, target });
      await executable.dispose();

      const { loss, ...wanted } = Object.fromEntries(await read("trained"));
      expectLoss(Number(results.loss!.data[0]), Number(loss!.data[0]), "the loss");
      expectOutputs(Object.fromEntries(Object.keys(wanted).map((key) => [key, results[key]!])), wanted);
      expectGradients(results, await read("gradients"));
    }, 1_200_000);

    it(`losses and running statistics over ${steps} steps of SGD`, async () => {
      const files = await read("batches");
      const step = await TrainingStep.create(model, {
        engine,
        input: ["N", 3, side, side],
        optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
        dropout: false,
      });
      const losses: number[] = [];
      for (let i = 0; i < steps; i++) {
        const data = batchOf(files.get("input")!, files.get("labels")!, i % batches, example.classes);
        losses.push((await step.run(data, lr)).loss);
      }
      const weights = await step.weights();
      await step.dispose();

      const { losses: wanted, ...statistics } = Object.fromEntries(await read("steps"));
      for (const [i, loss] of losses.entries()) expectLoss(loss, Number(wanted!.data[i]), `the loss of step ${i + 1}`);
      const mean = (some: readonly number[]) => some.reduce((sum, loss) => sum + loss, 0) / some.length;
      expect(mean(losses.slice(-batches)), "training gets somewhere").toBeLessThan(mean(losses.slice(0, batches)));
      for (const [key, { data }] of Object.entries(statistics)) {
        const ours = weights.get(key)!;
        if (ours.dtype === "int64") expect(ours.data, key).toEqual(data);
        else
          expect(distance(ours, data as Float32Array), key).toBeLessThan(
            STATISTICS_TOLERANCE * norm(data as Float32Array),
          );
      }
    }, 1_200_000);
  });
});

/** The differences themselves: `PARITY_REPORT=1 npx vitest run test/parity/networks`. */
const report = (line: string) => process.env.PARITY_REPORT && console.log(line);

const isTrained = (model: Module) => {
  const keys = new Set([...model.parameters()].map(([key]) => key));
  return ({ name }: { name: string }) => keys.has(name);
};

async function run(executable: Executable, feeds: Feeds): Promise<Record<string, TensorData>> {
  const results = Object.entries(await executable.run(feeds));
  return Object.fromEntries(
    await Promise.all(results.map(async ([name, value]) => [name, await value.read()] as const)),
  );
}

function expectOutputs(ours: Record<string, TensorData>, theirs: Record<string, TensorData>): void {
  expect(Object.keys(ours).sort()).toEqual(Object.keys(theirs).sort());
  for (const [name, { shape, data }] of Object.entries(theirs)) {
    expect(ours[name]!.shape, name).toEqual(shape);
    const values = data as Float32Array;
    const largest = values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
    const worst = values.reduce((max, value, i) => Math.max(max, Math.abs(value - Number(ours[name]!.data[i]))), 0);
    report(`output ${name}: ${(worst / largest).toExponential(1)}`);
    expect(worst, name).toBeLessThanOrEqual(OUTPUT_TOLERANCE * largest);
  }
}

function expectLoss(ours: number, theirs: number, what: string): void {
  report(`${what}: ${ours}, PyTorch's ${theirs}`);
  expect(Math.abs(ours - theirs), `${what}: ${ours}, PyTorch's ${theirs}`).toBeLessThanOrEqual(
    LOSS_TOLERANCE * Math.max(1, theirs),
  );
}

/**
 * Every parameter has its gradient. One that is zero but for rounding, as that of a bias before batch normalization, is measured
 * by that of the weight beside it.
 */
function expectGradients(ours: Record<string, TensorData>, theirs: ReadonlyMap<string, TensorData>): void {
  const norms = new Map([...theirs].map(([key, { data }]) => [key, norm(data as Float32Array)]));
  const shares = [...theirs].map(([key, { shape, data }]): [number, string] => {
    const gradient = ours[`d:${key}`];
    expect(gradient?.shape, key).toEqual(shape);
    const size = Math.max(norms.get(key)!, GRADIENT_TOLERANCE * (norms.get(key.replace(/bias$/, "weight")) ?? 0));
    return [distance(gradient!, data as Float32Array) / size, key];
  });
  const [share, key] = shares.reduce((a, b) => (a[0] >= b[0] ? a : b));
  report(`gradients: ${share.toExponential(1)} at ${key}`);
  expect(share, `gradient of ${key}`).toBeLessThanOrEqual(GRADIENT_TOLERANCE);
}

function distance({ data }: TensorData, other: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < other.length; i++) sum += (Number(data[i]) - other[i]!) ** 2;
  return Math.sqrt(sum);
}

function norm(data: Float32Array): number {
  let sum = 0;
  for (const value of data) sum += value ** 2;
  return Math.sqrt(sum);
}

/** What is exported: valid for Python's onnx, and the same numbers at every batch in ONNX Runtime. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeSafetensors, readSafetensors, safetensorsLayout } from "../../src/checkpoint/index.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { createModel, MODELS, type ModelName, type ModelOptions } from "../../src/models/index.ts";
import { type Module, trace } from "../../src/nn/index.ts";
import { decode, encode, exportOnnx, inferenceGraph } from "../../src/onnx/index.ts";
import { readOnnx } from "../../src/onnx/node/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { lower, simplify } from "../../src/passes/index.ts";
import { Random } from "../../src/random.ts";
import { trainingGraphs } from "../../src/train/training-graph.ts";
import { imagesOf } from "../support/images.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";
import { difference, normal, runFile, runGraph } from "./support.ts";

const TOLERANCE = 1e-5;

/** Checks every file of a folder, and prints what shape inference makes of the outputs. */
const CHECK = `
import json, os, sys
import onnx
shapes = {}
for name in sorted(os.listdir(sys.argv[1])):
    if not name.endswith(".onnx"):
        continue
    path = os.path.join(sys.argv[1], name)
    onnx.checker.check_model(path, full_check=True)
    model = onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False), strict_mode=True)
    shapes[name] = {o.name: [d.dim_param or d.dim_value for d in o.type.tensor_type.shape.dim] for o in model.graph.output}
print(json.dumps(shapes))
`;

const noOnnx = pythonSkipReason("onnx");
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "convnets-export-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Weights and statistics that no layer leaves as they were. */
function drawn(name: ModelName, options: ModelOptions = {}): Module {
  const model = createModel(name, options).initialize(1).eval();
  for (const [key, buffer] of model.buffers()) {
    if (buffer.dtype !== "float32") continue;
    const random = new Random(7, key);
    const low = key.endsWith("running_var") ? 0.5 : -0.2;
    const data = Float32Array.from({ length: buffer.numel }, () => low + 0.4 * random.uniform());
    buffer.data = tensor("float32", buffer.shape, data);
  }
  return model;
}

/** The images of a batch one by one. */
function single({ shape, data }: TensorData, i: number): TensorData {
  const [N, ...rest] = shape as [number, ...number[]];
  const size = data.length / N;
  return {
    dtype: "float32",
    shape: [1, ...rest],
    data: (data as Float32Array).slice(i * size, (i + 1) * size),
  } as TensorData;
}

describe("onnx's checker takes", unless(noOnnx), () => {
  const all = (Object.keys(MODELS) as ModelName[]).flatMap((name) =>
    MODELS[name].variants.map((variant) => [name, variant] as const),
  );

  it("every network in every variant, and infers our shapes", () => {
    const inside = mkdtempSync(join(folder, "networks-"));
    const wanted: Record<string, Record<string, unknown>> = {};
    for (const [name, variant] of all) {
      const model = createModel(name, { variant, numClasses: 50 });
      // without numbers, the weights are inputs
      const graph = inferenceGraph(model, {
        input: imagesOf(model, "N"),
        softmax: variant === "paper",
      });
      const file = `${name}-${variant}.onnx`;
      writeFileSync(join(inside, file), encode(graph));
      wanted[file] = Object.fromEntries([...graph.outputs].map(([key, { shape }]) => [key, shape]));
      for (const shape of Object.values(wanted[file]!)) expect((shape as unknown[]).slice(0, 2)).toEqual(["N", 50]);
    }
    expect(JSON.parse(python(CHECK, { args: [inside] }))).toEqual(wanted);
    expect(readdirSync(inside)).toHaveLength(all.length);
  }, 120_000);

  it("training steps, as they are and as they are spelled for an engine", () => {
    const inside = mkdtempSync(join(folder, "steps-"));
    for (const name of ["nin", "inception_small", "googlenet", "vgg11_bn"] as const) {
      const size = MODELS[name].inputSize;
      const { step } = trainingGraphs(createModel(name, { numClasses: 10 }), {
        input: ["N", 3, size, size],
        optimizer: sgd({ momentum: 0.9, weightDecay: 1e-4 }),
      });
      writeFileSync(join(inside, `${name}.onnx`), encode(step));
      writeFileSync(join(inside, `${name}-lowered.onnx`), encode(simplify(lower(step, "cpu"))));
    }
    const shapes = JSON.parse(python(CHECK, { args: [inside] })) as Record<string, Record<string, unknown>>;
    expect(Object.keys(shapes)).toHaveLength(8);
    for (const outputs of Object.values(shapes)) expect(outputs).toHaveProperty("loss");
  }, 120_000);
});

describe("exported networks", () => {
  it.each<[ModelName, ModelOptions]>([
    ["nin", {}],
    ["nin", { variant: "paper" }],
    ["inception_small", {}],
    ["googlenet", { numClasses: 10 }],
    ["googlenet", { numClasses: 10, variant: "paper" }],
  ])(
    "%s %j gives the same numbers at batch 1, 3 and 8, folded too",
    async (name, options) => {
      const model = drawn(name, options);
      const size = MODELS[name].inputSize;
      const input = ["N", 3, size, size] as const;
      const images = normal([8, 3, size, size]);
      const traced = trace(model, input).graph;
      const key = traced.outputs.has("logits") ? "logits" : "output";
      const wanted = (await runGraph(traced, model.stateDict(), { input: images }))[key]!;
      for (const foldBatchNorm of [false, true]) {
        const { bytes, graph } = exportOnnx(model, { input, foldBatchNorm });
        expect([...graph.outputs.keys()]).toEqual([key]);
        const norms = graph.nodes.filter(({ op }) => op === "BatchNormalization").length;
        expect(norms > 0).toBe(!foldBatchNorm && traced.nodes.some(({ op }) => op === "BatchNormalization"));
        expect(difference((await runFile(bytes, { input: images }))[key]!, wanted)).toBeLessThan(TOLERANCE);
        for (const count of [1, 3]) {
          const part = tensor("float32", [count, 3, size, size], images.data.slice(0, count * 3 * size * size));
          const result = (await runFile(bytes, { input: part }))[key]!;
          for (let i = 0; i < count; i++) {
            expect(difference(single(result, i), single(wanted, i))).toBeLessThan(TOLERANCE);
          }
        }
        // and it can be read again
        const again = decode(bytes);
        expect(difference((await runGraph(again.graph, again.weights, { input: images }))[key]!, wanted)).toBeLessThan(
          TOLERANCE,
        );
      }
    },
    60_000,
  );

  it("end in probabilities", async () => {
    const images = normal([3, 3, 32, 32]);
    for (const variant of ["note", "paper"] as const) {
      const model = drawn("nin", { variant });
      const scores = Object.values(
        await runFile(exportOnnx(model, { input: ["N", 3, 32, 32] }).bytes, { input: images }),
      )[0]!;
      const { bytes, graph } = exportOnnx(model, { input: ["N", 3, 32, 32], softmax: true });
      expect(graph.nodes.filter(({ op }) => op === "Softmax")).toHaveLength(1);
      const { probabilities } = await runFile(bytes, { input: images });
      expect(probabilities!.shape).toEqual([3, 10]);
      for (let i = 0; i < 3; i++) {
        const row = [...(scores.data as Float32Array).slice(10 * i, 10 * i + 10)];
        const powers = row.map((value) => (variant === "note" ? value : Math.exp(value)));
        const total = variant === "note" ? 1 : powers.reduce((a, b) => a + b);
        const given = [...(probabilities!.data as Float32Array).slice(10 * i, 10 * i + 10)];
        given.forEach((value, k) => {
          expect(value).toBeCloseTo(powers[k]! / total, 6);
        });
      }
    }
  });

  it.each(["NCHW", "NHWC"] as const)("start from pixels as %s", async (layout) => {
    const model = drawn("inception_small");
    const [mean, std] = [
      [0.5, 0.4, 0.3],
      [0.2, 0.3, 0.25],
    ];
    const pixels = Uint8Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => (i * 7919) % 256);
    const at = (n: number, c: number, h: number, w: number) =>
      pixels[layout === "NCHW" ? ((n * 3 + c) * 32 + h) * 32 + w : ((n * 32 + h) * 32 + w) * 3 + c]!;
    const normalized = new Float32Array(pixels.length);
    for (let i = 0; i < normalized.length; i++) {
      const [n, c, h, w] = [Math.floor(i / 3072), Math.floor(i / 1024) % 3, Math.floor(i / 32) % 32, i % 32];
      normalized[i] = (at(n!, c!, h!, w!) / 255 - mean[c!]!) / std[c!]!;
    }
    const plain = exportOnnx(model, { input: ["N", 3, 32, 32] });
    const wanted = (await runFile(plain.bytes, { input: tensor("float32", [2, 3, 32, 32], normalized) })).output!;
    const { bytes, graph } = exportOnnx(model, { input: ["N", 3, 32, 32], preprocess: { mean, std, layout } });
    const shape = layout === "NCHW" ? [2, 3, 32, 32] : [2, 32, 32, 3];
    expect(graph.inputs[0]).toMatchObject({ name: "input", dtype: "uint8", shape: ["N", ...shape.slice(1)] });
    const result = (await runFile(bytes, { input: tensor("uint8", shape, pixels) })).output!;
    expect(difference(result, wanted)).toBeLessThan(1e-4);
  });

  it("keep auxiliary classifiers where asked", () => {
    const graph = inferenceGraph(createModel("googlenet"), { input: ["N", 3, 224, 224], aux: true });
    expect([...graph.outputs.keys()]).toEqual(["logits", "aux2", "aux1"]);
  });

  it("carry metadata", () => {
    const metadata = { architecture: "nin", classes: '["a", "b"]' };
    const { bytes } = exportOnnx(drawn("nin", { numClasses: 2 }), { input: ["N", 3, 32, 32], metadata });
    expect(decode(bytes).metadata).toEqual(metadata);
  });

  it("point into a safetensors file", async () => {
    const inside = mkdtempSync(join(folder, "external-"));
    const model = drawn("inception_small");
    const metadata = { architecture: "inception_small" };
    const state = model.stateDict();
    // the file has more than the inference graph needs, as that of a training has
    const pieces = [...encodeSafetensors({ tensors: state, metadata })];
    writeFileSync(join(inside, "weights.safetensors"), Buffer.concat(pieces));
    const { bytes } = exportOnnx(model, {
      input: ["N", 3, 32, 32],
      external: { location: "weights.safetensors", layout: () => safetensorsLayout({ tensors: state, metadata }) },
    });
    expect(bytes.length).toBeLessThan(50_000);
    const path = join(inside, "model.onnx");
    writeFileSync(path, bytes);
    const input = normal([3, 3, 32, 32]);
    const wanted = (await runFile(exportOnnx(model, { input: ["N", 3, 32, 32] }).bytes, { input })).output!;
    expect(difference((await runFile(path, { input })).output!, wanted)).toBe(0);
    const { weights } = await readOnnx(path);
    const file = await readSafetensors(new Uint8Array(readFileSync(join(inside, "weights.safetensors"))));
    for (const [name, data] of weights) expect(data.data).toEqual(file.tensors.get(name)!.data);
    if (!noOnnx) {
      expect(JSON.parse(python(CHECK, { args: [inside] }))).toEqual({ "model.onnx": { output: ["N", 10] } });
      const read = `import sys, onnx, onnx.numpy_helper\nm = onnx.load(sys.argv[1])\nprint(max(abs(float(x)) for x in onnx.numpy_helper.to_array(m.graph.initializer[0]).ravel()))`;
      const [first] = weights.values();
      const largest = Math.max(...Array.from(first!.data as Float32Array, Math.abs));
      expect(Number(python(read, { args: [path] }))).toBeCloseTo(largest, 6);
    }
  });

  it("refuse what does not fit", () => {
    const model = drawn("nin");
    const input = ["N", 3, 32, 32] as const;
    const preprocess = { mean: [0.5], std: [0.5] };
    expect(() => exportOnnx(model, { input, preprocess })).toThrow(
      "the network takes 3 channels, but there are 1 means",
    );
    expect(() => exportOnnx(model, { input, weights: new Map() })).toThrow('the weights lack "block1.0.weight"');
    const layout = () => new Map([["block1.0.weight", { offset: 0, length: 4 }]]);
    expect(() => exportOnnx(model, { input, external: { location: "w.bin", layout } })).toThrow(
      'w.bin holds 4 bytes of "block1.0.weight", which takes 57600',
    );
  });
});

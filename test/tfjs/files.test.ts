/** Models on disk: quantized weights, what a file says of itself, and errors that name what is wrong. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tfjsModel } from "../../src/tfjs/index.ts";
import { isImported, readImportedModule, readTfjs, readTfjsFacts } from "../../src/tfjs/node/index.ts";
import {
  called,
  constant,
  functional,
  inputLayer,
  type Layer,
  layer,
  modelFiles,
  node,
  numbers,
  placeholder,
  readerOf,
  sequential,
  writeModel,
} from "./support.ts"; // prettier-ignore

const DIR = mkdtempSync(join(tmpdir(), "convnets-tfjs-"));
afterAll(() => rmSync(DIR, { recursive: true }));

const dense = layer("Dense", "scores", { units: 2, use_bias: false });
const head = [inputLayer([8, 8, 3]), layer("GlobalAveragePooling2D", "pool"), dense] as const;
const kernel = { "scores/kernel": numbers([3, 2]) };
const good = modelFiles(sequential(...head), kernel);

/** A model of one weight, stored as given. */
function stored(bytes: Uint8Array, spec: object) {
  const weights = [{ name: "scores/kernel", shape: [3, 2], dtype: "float32", ...spec }];
  const json = { modelTopology: sequential(...head), weightsManifest: [{ paths: ["w"], weights }] };
  return [...(tfjsModel(JSON.stringify(json), () => bytes).weights.get("scores.weight")!.data as Float32Array)];
}

describe("weights", () => {
  it("are integers times a scale, and a least value", () => {
    const q8 = Uint8Array.of(0, 1, 2, 3, 4, 255);
    // [I, O] becomes [O, I]
    const wanted = [0, 2, 4, 1, 3, 255].map((q) => Math.fround(q * 0.5 - 1));
    expect(stored(q8, { quantization: { dtype: "uint8", scale: 0.5, min: -1 } })).toEqual(wanted);
    const q16 = new Uint8Array(Uint16Array.of(0, 1, 2, 3, 4, 65535).buffer);
    expect(stored(q16, { quantization: { dtype: "uint16", scale: 0.5, min: -1 } }).at(-1)).toBe(65535 * 0.5 - 1);
  });

  it("are halves", () => {
    const halves = new Uint8Array(Uint16Array.of(0x3c00, 0xc000, 0, 0x7bff, 0x0001, 0x3555).buffer);
    expect(stored(halves, { quantization: { dtype: "float16" } })).toEqual([1, 0, 2 ** -24, -2, 65504, 0.333251953125]);
  });

  it("are of the size that the model says", () => {
    expect(() => stored(new Uint8Array(20), {})).toThrow(
      'the files "w" have 20 bytes together, but their weights take 24; a download was cut short, or they belong to another model',
    );
  });
});

describe("files", () => {
  const path = writeModel(join(DIR, "good"), good);

  it("are a network, by the file or its folder", async () => {
    expect([path, join(DIR, "good"), join(DIR, "good", "group1-shard1of2.bin")].map(isImported)).toEqual([
      true,
      true,
      false,
    ]); // prettier-ignore
    const model = await readImportedModule(join(DIR, "good"));
    expect([model.type, ...model.inputs]).toEqual(["good", ["image", ["N", 3, 8, 8]]]);
  });

  it("say what they hold without their numbers", async () => {
    const { inputs, outputs, operators, weights, producer } = await readTfjsFacts(path);
    expect({ producer, inputs: [...inputs], outputs: [...outputs], operators: [...operators] }).toEqual({
      producer: "Keras 2.11.0",
      inputs: [["image", { dtype: "float32", shape: ["N", 3, 8, 8] }]],
      outputs: [["scores", { dtype: "float32", shape: ["N", 2] }]],
      operators: [
        ["Dense", 1],
        ["GlobalAveragePooling2D", 1],
        ["InputLayer", 1],
      ], // prettier-ignore
    });
    expect([...weights]).toEqual([["scores/kernel", { dtype: "float32", shape: [3, 2], bytes: 24 }]]);
  });

  it("leave the size of images open", async () => {
    const open = modelFiles(sequential(inputLayer([null, null, 3]), ...head.slice(1)), kernel);
    const file = writeModel(join(DIR, "open"), open);
    expect([...(await readTfjsFacts(file)).inputs]).toEqual([
      ["image", { dtype: "float32", shape: ["N", 3, "height", "width"] }],
    ]); // prettier-ignore
    expect((await readTfjs(file)).graph.inputs[0]!.shape).toEqual(["N", 3, 224, 224]);
    expect((await readTfjs(file, { inputs: { image: ["N", 3, 64, 48] } })).graph.inputs[0]!.shape).toEqual([
      "N",
      3,
      64,
      48,
    ]); // prettier-ignore
  });

  it("bring the classes and the preprocessing of Teachable Machine", async () => {
    const file = writeModel(join(DIR, "teachable"), good);
    const about = { packageName: "@teachablemachine/image", labels: ["cat", "dog"], imageSize: 96 };
    writeFileSync(join(DIR, "teachable", "metadata.json"), JSON.stringify(about));
    const { metadata } = await readTfjs(file);
    expect(JSON.parse(metadata.classes!)).toEqual(["cat", "dog"]);
    expect(JSON.parse(metadata.preprocessing!)[0]).toEqual({ resize: { size: 96 } });
  });

  it.each([
    ["https://example.org/w.bin", /its weights are at "https:.*; download them into the folder/],
    ["../good/group1-shard1of2.bin", /leads out of the folder of the model/],
    ["missing.bin", /the file "missing.bin", which has weights of the model, is not beside it/],
  ])("are beside the model: %s", async (location, message) => {
    mkdirSync(join(DIR, "bad"), { recursive: true });
    const json = JSON.parse(good.text);
    json.weightsManifest[0].paths = [location];
    writeFileSync(join(DIR, "bad", "model.json"), JSON.stringify(json));
    await expect(readTfjs(join(DIR, "bad", "model.json"))).rejects.toThrow(message);
  });
});

describe("errors", () => {
  const message = (topology: object, weights = {}) => {
    const files = modelFiles(topology, weights);
    try {
      tfjsModel(files.text, readerOf(files));
    } catch (error) {
      return `${(error as Error).name}: ${(error as Error).message}`;
    }
    return "none";
  };
  const with_ = (...layers: readonly Layer[]) => message(sequential(inputLayer([8, 8, 3]), ...layers));

  it("name the layer, its class, and what is supported", () => {
    expect(with_(layer("LSTM", "lstm_1", { units: 3 }))).toMatch(
      /^TfjsError: the layer "lstm_1" \(LSTM\) is not supported; supported are Conv2D, .*Concatenate$/,
    );
    expect(with_(layer("Activation", "a", { activation: "crelu" }))).toMatch(
      /the activation "crelu" is not supported; supported are linear, relu/,
    ); // prettier-ignore
    expect(message({ node: [placeholder(-1, 8, 8, 3), node("w/nms", "NonMaxSuppressionV3", ["image"])] })).toMatch(
      /^TfjsError: the node "w\/nms" \(NonMaxSuppressionV3\) is not supported; supported are Conv2D, _FusedConv2D/,
    );
  });

  it.each([
    ["a weight that is not there", () => with_(dense), 'there is no weight "scores/kernel" in the files of weights'],
    [
      "a field of a wrong type",
      () => with_(layer("MaxPooling2D", "p", { pool_size: "2" })),
      'the config of the layer "p" (MaxPooling2D) at pool_size is not as Keras and TensorFlow.js write it',
    ],
    [
      "a kernel of other channels",
      () =>
        message(sequential(inputLayer([8, 8, 3]), layer("Conv2D", "c", { use_bias: false })), {
          "c/kernel": numbers([3, 3, 2, 4]),
        }),
      "the input has 3 channels, but the kernel takes 2",
    ],
    [
      "a window that is too large",
      () => with_(layer("MaxPooling2D", "p", { pool_size: 9 })),
      'the layer "p" (MaxPooling2D): MaxPool: a 9×9 window does not fit into 8×8 pixels',
    ],
    ["no shape", () => message(sequential(layer("Flatten", "f"))), "the model does not say which shape its input has"],
    [
      "a circle of layers",
      () =>
        message(
          functional(
            [inputLayer([8, 8, 3]), called(layer("ReLU", "a"), "b"), called(layer("ReLU", "b"), "a")],
            ["image"],
            ["b"],
          ),
        ),
      'the layer "a" reads what is never computed',
    ],
    [
      "a loop behind an output",
      () =>
        message({
          node: [
            placeholder(-1, 8, 8, 3),
            node("a", "Relu", ["b"]),
            node("b", "Relu", ["a"]),
            node("y", "Relu", ["b"]),
          ],
        }),
      "reads its own output; loops are not supported",
    ],
    [
      "a graph with functions",
      () => message({ node: [], library: { function: [{}] } }),
      "the graph has functions, as networks with control flow do",
    ],
    [
      "a kernel that is computed",
      () => message({ node: [placeholder(-1, 8, 8, 3), node("y", "Conv2D", ["image", "image"])] }),
      "its input 1 has to be a weight, but is computed",
    ],
    [
      "a constant that is not there",
      () => message({ node: [constant("w"), node("y", "Relu", ["w"])] }),
      'there is no weight "w" in the files of weights',
    ],
  ] as const)("of %s", (_, made, wanted) => {
    expect(made()).toContain(wanted);
  });

  it("of a file that is none", () => {
    expect(() => tfjsModel("{", () => new Uint8Array())).toThrow(/the file is no JSON, or is cut short/);
    expect(() => tfjsModel('{"labels": []}', () => new Uint8Array())).toThrow(/this is no model.json of TensorFlow.js/);
  });
});

/** A small file of each kind that people hand over, for scripts/files.ts and its test. */
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync, zipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { encodeNpz, writeCheckpoint } from "../src/checkpoint/node/index.ts";
import { tensor } from "../src/graph/index.ts";
import { createModel } from "../src/models/index.ts";
import { exportOnnx } from "../src/onnx/index.ts";
import { pickledBatch, pickledNames } from "../test/fuzz/pickles.ts";
import {
  constant,
  inputLayer,
  layer,
  modelFiles,
  node,
  numbers,
  placeholder,
  sequential,
  texts,
  writeModel,
} from "../test/tfjs/support.ts"; // prettier-ignore

export const root = mkdtempSync(join(tmpdir(), "convnets-files-"));
export const at = (...parts: string[]) => join(root, ...parts);
export const put = (path: string, bytes: Uint8Array | string) => {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, bytes);
  return path;
};

// Images of two classes

const CLASSES = ["cat", "dog"] as const;
const images: Record<string, Uint8Array> = {};
for (const [label, name] of CLASSES.entries())
  for (let i = 0; i < 4; i++) {
    const background = { r: 60 + 120 * label, g: 20 * i, b: 200 - 120 * label };
    images[`${name}/${i}.png`] = await sharp({ create: { width: 32, height: 32, channels: 3, background } })
      .png()
      .toBuffer(); // prettier-ignore
  }
const names = Object.keys(images);
const all = (folder = "") => Object.fromEntries(names.map((name) => [`${folder}${name}`, images[name]!]));
const splits = { ...all("train/"), ...all("val/") };
const tar = (files: Readonly<Record<string, Uint8Array>>) =>
  packTar(Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body })));
const labelOf = (name: string) => (name.startsWith("cat") ? 0 : 1);
const pixels = new Uint8Array(8 * 28 * 28).map((_, i) => (i * 7) % 256);
const labels = (count: number, value: (i: number) => number) => Array.from({ length: count }, (_, i) => value(i));

/** Data sets: what each is called, and where it is. */
export function dataSets(): [string, string][] {
  const folder = (files: Readonly<Record<string, Uint8Array | string>>, name: string) => {
    for (const [path, bytes] of Object.entries(files)) put(at(name, path), bytes);
    return at(name);
  };
  const csv = `file,label\n${names.map((name) => `${name},${CLASSES[labelOf(name)]}`).join("\n")}\n`;
  const tags = `file,labels\n${names.map((name, i) => `${name},${i % 2 === 0 ? "bright|" : ""}${CLASSES[labelOf(name)]}`).join("\n")}\n`;
  const flat = Object.fromEntries(names.map((name) => [name.replace("/", "."), images[name]!]));
  const cifar = Uint8Array.from({ length: 4 * 3073 }, (_, i) => (i % 3073 === 0 ? Math.floor(i / 3073) % 10 : i % 256));
  const ten = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
  const batch = pickledBatch(
    2,
    labels(4, (i) => i),
    { pixels: 1024 },
  );
  const idx = (sizes: number[], bytes: Uint8Array) =>
    Buffer.concat([
      Uint8Array.of(0, 0, 8, sizes.length, ...sizes.flatMap((size) => [0, 0, size >> 8, size & 255])),
      bytes,
    ]); // prettier-ignore
  const digits = Uint8Array.from(labels(8, (i) => i % 2));
  const mnist = { "train-images-idx3-ubyte": idx([8, 28, 28], pixels), "train-labels-idx1-ubyte": idx([8], digits) };
  const test = { "t10k-images-idx3-ubyte": idx([8, 28, 28], pixels), "t10k-labels-idx1-ubyte": idx([8], digits) };
  const header = `label,${labels(784, (i) => i)
    .map((i) => `pixel${i}`)
    .join()}`; // prettier-ignore
  const rows = labels(8, (i) => i).map((i) => [i % 2, ...pixels.subarray(784 * i, 784 * (i + 1))].join());
  const npz = new Map([
    ["x_train", tensor("uint8", [8, 28, 28], pixels)],
    ["y_train", tensor("uint8", [8], digits)],
  ]);
  const columns = [
    { name: "image", data: names.map((name) => images[name]!), type: "BYTE_ARRAY" as const },
    { name: "label", data: names.map((name) => BigInt(labelOf(name))), type: "INT64" as const },
  ];
  return [
    ["folders of classes", folder(all(), "photos")],
    ["folders of parts and classes", folder(splits, "parts")],
    ["classes in file names", folder(flat, "flat")],
    ["labels.csv", folder({ ...all(), "labels.csv": csv }, "table")],
    [
      "labels.jsonl",
      folder(
        {
          ...all(),
          "labels.jsonl": names.map((name) => JSON.stringify({ file: name, label: CLASSES[labelOf(name)] })).join("\n"),
        },
        "lines",
      ),
    ], // prettier-ignore
    ["several labels per image", folder({ ...all(), "labels.csv": tags }, "tags")],
    ["pixels in .csv", put(at("pixels.csv"), `${header}\n${rows.join("\n")}\n`)],
    [".zip", put(at("photos.zip"), zipSync(splits))],
    ["NumPy's .npz", put(at("digits.npz"), Buffer.concat([...encodeNpz(npz)]))],
    ["Parquet", put(at("photos.parquet"), new Uint8Array(parquetWriteBuffer({ columnData: columns })))],
    [
      "CIFAR-10, binary",
      folder(
        Object.fromEntries(
          ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"].map((name) => [
            `${name}.bin`,
            cifar,
          ]),
        ),
        "cifar",
      ),
    ],
    [
      "CIFAR-10, Python's pickles",
      folder(
        { data_batch_1: batch, test_batch: batch, "batches.meta": pickledNames(2, "label_names", ten) },
        "cifar-py",
      ),
    ], // prettier-ignore
    ["MNIST's idx", folder({ ...mnist, ...test }, "mnist")],
  ];
}

/** The same in archives. */
export async function archives(): Promise<[string, string][]> {
  const shard = Object.fromEntries(
    names.flatMap((name, i): [string, Uint8Array][] => [
      [`${i}.png`, images[name]!],
      [`${i}.cls`, new TextEncoder().encode(String(labelOf(name)))],
    ]),
  ); // prettier-ignore
  return [
    [".tar", put(at("photos.tar"), await tar(splits))],
    [".tar.gz", put(at("photos.tar.gz"), gzipSync(await tar(splits)))],
    ["WebDataset", put(at("shards", "train-000000.tar"), await tar(shard)).replace(/.train-000000.tar$/, "")],
  ];
}

/** Networks and weights. */
export async function networkFiles() {
  const model = createModel("vgg_small", { numClasses: 2 }).initialize(1);
  const checkpoint = { tensors: model.stateDict(), metadata: {} };
  const own = { architecture: "vgg_small", classes: JSON.stringify(CLASSES), inputSize: "32" };
  const [pth, plain, recorded] = [at("net.pth"), at("plain.safetensors"), at("net.safetensors")];
  await writeCheckpoint(pth, checkpoint);
  await writeCheckpoint(plain, checkpoint);
  await writeCheckpoint(recorded, { ...checkpoint, metadata: own });
  const onnx = put(at("net.onnx"), exportOnnx(model, { input: ["N", 3, 32, 32] }).bytes);
  const conv = layer("Conv2D", "conv", { strides: [4, 4], padding: "same", activation: "relu" });
  const layers = [
    inputLayer([32, 32, 3]),
    conv,
    layer("GlobalAveragePooling2D", "pool"),
    layer("Dense", "scores", { activation: "softmax" }),
  ]; // prettier-ignore
  const weights = {
    "conv/kernel": numbers([3, 3, 3, 4]),
    "conv/bias": numbers([4]),
    "scores/kernel": numbers([4, 2]),
    "scores/bias": numbers([2]),
  }; // prettier-ignore
  const keras = writeModel(at("keras"), modelFiles(sequential(...layers), weights));
  const fused = {
    strides: { list: { i: ["1", "4", "4", "1"] } },
    padding: { s: btoa("SAME") },
    fused_ops: texts("BiasAdd", "Relu"),
  }; // prettier-ignore
  const nodes = [
    placeholder(-1, 32, 32, 3),
    ...["w", "b", "axes", "v", "c"].map(constant),
    node("conv/Relu", "_FusedConv2D", ["image", "w", "b"], fused),
    node("pool", "Mean", ["conv/Relu", "axes"]),
    node("scores", "_FusedMatMul", ["pool", "v", "c"], { fused_ops: texts("BiasAdd") }),
  ];
  const axes = { shape: [2], data: Float32Array.of(1, 2) };
  const graph = writeModel(
    at("graph"),
    modelFiles(
      { node: nodes },
      {
        w: weights["conv/kernel"],
        b: weights["conv/bias"],
        axes,
        v: weights["scores/kernel"],
        c: weights["scores/bias"],
      },
    ),
  ); // prettier-ignore
  return { pth, plain, recorded, onnx, keras, graph };
}

export const photo = () => at("parts", "val", "cat", "0.png");

/** Files that went wrong, and others that are no weights: what `inspect` says of them. */
export const others = (): [string, string][] => [
  ["an image", photo()],
  [
    "a Git LFS pointer",
    put(at("lfs.pth"), "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 123456789\n"),
  ],
  ["a web page saved as weights", put(at("page.pth"), "<!doctype html><html><title>Sign in</title></html>")],
  ["half a download", put(at("half.pth"), readFileSync(at("net.pth")).subarray(0, 50_000))],
];

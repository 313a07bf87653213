/** Every reader of files with small files that it reads, and a mutator that damages them. Used by the test and by scripts/fuzz.ts. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync, zipSync } from "fflate";
import { parquetWriteBuffer } from "hyparquet-writer";
import { packTar } from "modern-tar";
import sharp from "sharp";
import {
  encodeNpy,
  encodeNpz,
  encodeSafetensors,
  inMemory,
  readNpy,
  readNpz,
  readPickledDict,
  readSafetensors,
  readWeights,
  readZipDirectory,
  writeTorch,
} from "../../src/checkpoint/index.ts";
import { cifarDataset } from "../../src/data/cifar.ts";
import { idxDataset } from "../../src/data/idx.ts";
import { decodeImage, locateDataset } from "../../src/data/node/index.ts";
import { readTarDirectory } from "../../src/data/node/tar.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { Conv2d, Flatten, Linear, ReLU, Sequential } from "../../src/nn/index.ts";
import { decode, exportOnnx, onnxFacts } from "../../src/onnx/index.ts";
import type { Random } from "../../src/random.ts";
import { tfjsModel } from "../../src/tfjs/index.ts";
import { buildKerasModel } from "../../src/tfjs/model.ts";
import { kerasFile } from "../../src/tfjs/node/keras-files.ts";
import { bmp } from "../support/bmp.ts";
import {
  called,
  constant,
  functional,
  inputLayer,
  layer,
  modelFiles,
  node,
  numbers,
  placeholder,
  readerOf,
  sequential,
  texts,
} from "../tfjs/support.ts"; // prettier-ignore
import { pickledBatch } from "./pickles.ts";

/** A reader: files that it reads, and how it does. */
export interface Reader {
  readonly seeds: readonly Uint8Array[];
  read(bytes: Uint8Array): unknown;
  /** Files of it, as a share of those of other readers: those that go through the disk or a native decoder take longer. */
  readonly share?: number;
}

const text = (value: string) => new TextEncoder().encode(value);
const floats = (...shape: number[]): TensorData =>
  tensor(
    "float32",
    shape,
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
  );
const tensors = new Map<string, TensorData>([
  ["conv.weight", floats(2, 1, 3, 3)],
  ["conv.bias", floats(2)],
  ["steps", tensor("int64", [], BigInt64Array.of(3n))],
]);
const checkpoint = { tensors, metadata: { architecture: "nin", classes: '["a","b"]' } };
const whole = (pieces: Iterable<Uint8Array>) => new Uint8Array(Buffer.concat([...pieces]));

const ppm = text("P6\n# x\n3 2\n255\nabcdefghijklmnopqr");
const entries = { "a/1.ppm": ppm, "a/2.ppm": ppm, "b/1.ppm": ppm, "labels.csv": text("file,label\na/1.ppm,x\n") };

/** A network of every kind of attribute that exporters write. */
function onnx(): Uint8Array {
  const net = new Sequential(new Conv2d(1, 2, 3, { padding: 1 }), new ReLU(), new Flatten(), new Linear(32, 2));
  for (const [, parameter] of net.parameters()) parameter.data = floats(...parameter.shape) as TensorData<"float32">;
  return exportOnnx(net, { input: ["N", 1, 4, 4], metadata: { architecture: "net" } }).bytes;
}

const kerasFiles = modelFiles(
  functional(
    [
      { ...inputLayer([5, 4, 2]), name: "image" },
      called(layer("Conv2D", "c", { strides: [2, 2], padding: "same", activation: "relu" }), "image"),
      called(layer("BatchNormalization", "n", { axis: [3], scale: false, center: false }), "c"),
      called(layer("Reshape", "r", { target_shape: [-1, 3] }), "n"),
      called(layer("Flatten", "f"), "r"),
      called(layer("Dropout", "o", { rate: 0.5 }), "f"),
      called(layer("Dense", "d", { activation: "softmax", use_bias: false }), "o"),
      called(layer("Add", "a"), "d", "d"),
    ],
    ["image"],
    ["a"],
  ),
  {
    "c/kernel": numbers([3, 3, 2, 3]),
    "c/bias": numbers([3]),
    "n/moving_mean": numbers([3]),
    "n/moving_variance": numbers([3]),
    "d/kernel": numbers([18, 2]),
  },
);
const graphFiles = modelFiles(
  {
    node: [
      placeholder(-1, 4, 4, 2),
      constant("w"),
      constant("b"),
      constant("axes"),
      node("y", "_FusedConv2D", ["image", "w", "b"], {
        strides: { list: { i: ["1", "2", "2", "1"] } },
        padding: { s: btoa("SAME") },
        fused_ops: texts("BiasAdd", "Relu6"),
      }), // prettier-ignore
      node("m", "Mean", ["y", "axes"], { keep_dims: { b: true } }),
      node("s", "Shape", ["m"]),
      node("r", "Reshape", ["m", "s"]),
      node("q", "Squeeze", ["r"], { squeeze_dims: { list: { i: ["1", "2"] } } }),
    ],
  },
  {
    w: numbers([3, 3, 2, 3]),
    b: numbers([3]),
    axes: { shape: [2], data: Float32Array.of(1, 2) },
  },
);
const small = modelFiles(
  sequential(inputLayer([4, 4, 1]), layer("MaxPooling2D", "p"), layer("ReLU", "r", { max_value: 6 })),
); // prettier-ignore

/** All readers by name. `folder` is for those that read files on the disk. */
export async function readers(folder: string): Promise<Readonly<Record<string, Reader>>> {
  const tar = await packTar(
    Object.entries(entries).map(([name, body]) => ({ header: { name, size: body.length }, body })),
  ); // prettier-ignore
  writeFileSync(join(folder, "1.ppm"), ppm);
  const dataset = (name: string, seed: Uint8Array): Reader => ({
    seeds: [seed],
    share: 0.1,
    async read(bytes) {
      const path = join(folder, name);
      writeFileSync(path, bytes);
      const located = await locateDataset(path, { maxPixels: 1e6 });
      const opened = await located.open("train");
      await located.describe();
      if (opened.length > 0) await opened.get(opened.length - 1);
    },
  });
  const fixture = (name: string) => readFileSync(fileURLToPath(new URL(`../tfjs/fixtures/${name}`, import.meta.url)));
  const keras = ["sequential_model.keras", "functional_model.h5"].map(fixture);
  // the library takes its memory at the first file
  await kerasFile(new Uint8Array(keras[0]!));
  const raw = { raw: { width: 4, height: 4, channels: 3 as const } };
  const pixels = sharp(Buffer.alloc(48, 77), raw);
  const row = Array.from({ length: 16 }, (_, i) => i).join(",");
  const torch = writeTorch(checkpoint);
  return {
    pickle: { seeds: [pickledBatch(2), pickledBatch(3)], read: readPickledDict },
    "pickle as weights": { seeds: [pickledBatch(2), pickledBatch(3)], read: (bytes) => readWeights(bytes) },
    "PyTorch, zip": {
      seeds: [
        torch,
        zipSync(
          { "x/version": text("3"), "x/data.pkl": pickledBatch(2), "x/constants.pkl": text("\x80\x02).") },
          { level: 0 },
        ),
      ],
      read: (bytes) => readWeights(bytes),
    }, // prettier-ignore
    safetensors: { seeds: [whole(encodeSafetensors(checkpoint))], read: (bytes) => readSafetensors(inMemory(bytes)) },
    npy: { seeds: [encodeNpy(floats(2, 3))], read: readNpy },
    npz: {
      seeds: [
        whole(
          encodeNpz(
            new Map([
              ["x", floats(2, 3)],
              ["y", floats(2)],
            ]),
          ),
        ),
      ],
      read: readNpz,
    }, // prettier-ignore
    onnx: { seeds: [onnx()], read: (bytes) => decode(bytes) },
    "onnx, facts": {
      seeds: [onnx()],
      read: (bytes) =>
        onnxFacts({ size: bytes.length, read: (offset, length) => bytes.subarray(offset, offset + length) }),
    },
    "tfjs, model.json": {
      seeds: [kerasFiles, graphFiles, small].map((one) => text(one.text)),
      read: (bytes) => {
        const json = new TextDecoder().decode(bytes);
        const from = json.includes('"node"') ? graphFiles : kerasFiles;
        return tfjsModel(json, (path) => readerOf(from)(path) ?? new Uint8Array());
      },
    },
    "tfjs, weights": {
      seeds: [kerasFiles.files.get("group1-shard1of2.bin")!],
      share: 0.2,
      read: (bytes) =>
        tfjsModel(kerasFiles.text, (path) => (path.includes("1of2") ? bytes : readerOf(kerasFiles)(path))),
    },
    Keras: {
      seeds: keras,
      share: 0.1,
      read: async (bytes) => {
        const file = await kerasFile(new Uint8Array(bytes));
        buildKerasModel(file, file.weights);
      },
    },
    zip: { seeds: [zipSync(entries)], read: (bytes) => readZipDirectory(inMemory(bytes)) },
    tar: { seeds: [tar], read: (bytes) => readTarDirectory(inMemory(bytes)) },
    bmp: { seeds: [bmp(24), bmp(8, 1), bmp(4), bmp(1)], read: (bytes) => decodeImage(bytes, { maxPixels: 1e6 }) },
    "ppm, pgm": { seeds: [ppm, text("P2\n2 2\n15\n1 2 3 4")], read: (bytes) => decodeImage(bytes, { maxPixels: 1e6 }) },
    idx: {
      seeds: [Uint8Array.of(0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8)],
      read: (bytes) =>
        idxDataset(
          {
            images: { file: "images", bytes },
            labels: { file: "labels", bytes: Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 0, 1) },
          },
          { name: "x" },
        ),
    },
    "CIFAR, binary": {
      seeds: [new Uint8Array(2 * 3073)],
      read: (bytes) => cifarDataset([{ file: "a.bin", bytes }], { name: "x", classes: ["a", "b"], labelBytes: 1 }),
    },
    "images in png, jpeg, webp": {
      seeds: [
        await pixels.clone().png().toBuffer(),
        await pixels.clone().jpeg().toBuffer(),
        await pixels.clone().webp().toBuffer(),
      ], // prettier-ignore
      read: (bytes) => decodeImage(bytes, { maxPixels: 1e6 }),
      share: 0.2,
    },
    "data in zip": dataset("set.zip", zipSync(entries)),
    "data in tar": dataset("set.tar", tar),
    "data in tar.gz": dataset("set.tar.gz", gzipSync(tar)),
    "data in csv": dataset("pixels.csv", text(`label,${row.replaceAll(/\d+/g, "p$&")}\n3,${row}\n"4",${row}\n`)),
    "data in csv, labels": dataset("labels.csv", text("file,labels\n1.ppm,a|b\n1.ppm,b\n1.ppm,\n")),
    "data in jsonl": dataset("set.jsonl", text('{"file":"1.ppm","label":["a","b"]}\n{"file":"1.ppm","label":["b"]}\n')),
    "data in parquet": dataset(
      "set.parquet",
      new Uint8Array(
        parquetWriteBuffer({
          columnData: [
            { name: "image", data: [ppm, ppm, ppm], type: "BYTE_ARRAY" },
            { name: "label", data: [0n, 1n, 1n], type: "INT64" },
          ],
        }),
      ),
    ),
  };
}

/** Numbers at which readers go wrong. */
const SIZES = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff] as const;
const WORDS = ["-1", "0", "1e9", "9007199254740993", "null", "[]", "{}", '""', "true", "-1e400", "[[[[]]]]"] as const;

/** A file with some bytes changed, left out, doubled, moved or cut off; in text, also other numbers and values. */
export function mutated(bytes: Uint8Array, random: Random): Uint8Array {
  // slice() of a Buffer is no copy
  let out: Uint8Array = new Uint8Array(bytes);
  for (let changes = 1 + random.integer(4); changes > 0; changes--) {
    const { length } = out;
    const at = random.integer(Math.max(1, length));
    const end = Math.min(length, at + 1 + random.integer(12));
    switch (random.integer(9)) {
      case 0:
        out = out.slice(0, at);
        break;
      case 1:
        out = joined(out.subarray(0, at), out.subarray(end));
        break;
      case 2:
        out = joined(out.subarray(0, end), out.subarray(at));
        break;
      case 3: {
        const value = SIZES[random.integer(SIZES.length)]!;
        const number = new Uint8Array(4);
        new DataView(number.buffer).setUint32(0, value, random.integer(2) === 0);
        out = joined(out.subarray(0, at), number.subarray(0, 1 + random.integer(4)), out.subarray(end));
        break;
      }
      case 4: {
        const from = random.integer(Math.max(1, length));
        out = joined(out.subarray(0, at), out.subarray(from, from + 1 + random.integer(16)), out.subarray(at));
        break;
      }
      case 5: {
        const word = WORDS[random.integer(WORDS.length)]!;
        const start = out.subarray(at).findIndex((byte) => byte === 0x3a || byte === 0x2c || byte === 0x5b) + at + 1;
        const stop =
          start +
          Math.max(
            0,
            out.subarray(start).findIndex((byte) => byte === 0x2c || byte === 0x7d || byte === 0x5d),
          ); // prettier-ignore
        out = joined(out.subarray(0, start), text(word), out.subarray(stop));
        break;
      }
      case 6: {
        out = out.slice();
        if (length > 0) out[at]! ^= 1 << random.integer(8);
        break;
      }
      default: {
        out = out.slice();
        if (length > 0) out[at] = random.integer(256);
      }
    }
  }
  return out;
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Errors that say what is wrong with a file. */
const CLEAR = new Set(["CheckpointError", "DataError", "OnnxError", "TfjsError"]);

/** The directory of a .tar file is read inside of what names the archive, and makes a DataError of it. */
const isClear = ({ name, message }: Error) => CLEAR.has(name) || message.startsWith("tar: ");

/** Memory that reading the smallest file may take: buffers for the disk, and those of decoders. In bytes. */
const BASE = 2 ** 18;

/** What reading a file led to. */
export interface Outcome {
  /** "read", "refused", or the error that no reader should throw. */
  readonly outcome: "read" | "refused" | Error;
  /** Bytes of arrays that were made, apart from 256 KB, for each byte of the file. */
  readonly factor: number;
  /** Processor time in milliseconds. */
  readonly time: number;
}

export async function tryRead(reader: Reader, bytes: Uint8Array): Promise<Outcome> {
  const before = process.memoryUsage().arrayBuffers;
  const started = process.cpuUsage();
  let outcome: Outcome["outcome"] = "read";
  try {
    await reader.read(bytes);
  } catch (error) {
    outcome = error instanceof Error && isClear(error) ? "refused" : (error as Error);
  }
  const { user, system } = process.cpuUsage(started);
  const made = Math.max(0, process.memoryUsage().arrayBuffers - before - BASE);
  return { outcome, factor: made / Math.max(1, bytes.length), time: (user + system) / 1000 };
}

/** Files of torch.save, read here, and ours, read by torch.load, compared bit for bit. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Checkpoint, openCheckpoint, readCheckpoint, writeCheckpoint } from "../../src/checkpoint/node/index.ts";
import { type DType, fromBytes, itemSize, numel, type TensorData, tensor, toBytes } from "../../src/graph/tensor.ts";
import { BatchNorm2d, Conv2d, Linear, Sequential } from "../../src/nn/index.ts";
import { Random } from "../../src/random.ts";
import { python, pythonSkipReason } from "../support/python.ts";
import { unless } from "../support/skip.ts";

const SCRIPT = readFileSync(new URL("./torch.py", import.meta.url), "utf8");
const reason = pythonSkipReason("torch");

/** Type, shape and sha256 of the bits. */
type Facts = [DType, number[], string];

interface Answer {
  expected: Record<
    string,
    {
      tensors: Record<string, Facts>;
      float32?: Record<string, Facts>;
      metadata?: Record<string, string>;
      key?: string;
    }
  >;
  ours: Record<
    string,
    {
      type: string;
      tensors: Record<string, Facts>;
      unrestricted: Record<string, Facts>;
      contiguous: boolean;
      storages: number;
    }
  >;
}

function facts(tensors: ReadonlyMap<string, TensorData>): Record<string, Facts> {
  const entries = [...tensors].map(([name, value]): [string, Facts] => {
    return [name, [value.dtype, [...value.shape], createHash("sha256").update(toBytes(value)).digest("hex")]];
  });
  return Object.fromEntries(entries);
}

function randomTensor(dtype: DType, shape: number[]): TensorData {
  const random = new Random(1, dtype, ...shape);
  const count = numel(shape) * itemSize(dtype);
  const top = dtype === "bool" ? 2 : 256;
  return fromBytes(
    dtype,
    shape,
    Uint8Array.from({ length: count }, () => random.integer(top)),
  );
}

const DTYPES = [
  ...(["float32", "float64", "float16", "bfloat16", "int64"] as const),
  ...(["int32", "int16", "int8", "uint8", "bool"] as const),
];
const everything: Checkpoint = {
  tensors: new Map(
    DTYPES.flatMap((dtype) =>
      [[], [1], [0], [3, 0, 2], [2, 3, 4, 5], [300], [70_000]].map((shape): [string, TensorData] => [
        `${dtype}.${shape.join("x")} ☃`,
        randomTensor(dtype, shape),
      ]),
    ),
  ),
  metadata: { architecture: "tiny", note: "ünïcode" },
};
const shared = randomTensor("float32", [4, 4]);
const tied: Checkpoint = {
  tensors: new Map<string, TensorData>([
    ["a", shared],
    ["b", shared],
    ["flat", { ...shared, shape: [16] }],
    ["other", tensor("float32", [4, 4], (shared.data as Float32Array).slice())],
  ]),
  metadata: {},
};
const many: Checkpoint = {
  tensors: new Map(Array.from({ length: 500 }, (_, i) => [`layers.${i}.weight`, randomTensor("float32", [i % 7])])),
  metadata: {},
};

describe(`torch.save and torch.load`, unless(reason), () => {
  let folder: string;
  let answer: Answer;
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), "torch-"));
    await writeCheckpoint(join(folder, "ours-everything.pth"), everything);
    await writeCheckpoint(join(folder, "ours-tied.pt"), tied);
    await writeCheckpoint(join(folder, "ours-many.pth"), many);
    await writeCheckpoint(join(folder, "ours-empty.pth"), { tensors: new Map(), metadata: {} });
    answer = JSON.parse(python(SCRIPT, { args: [folder] }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("every file of torch.save holds the same bits here", { timeout: 180_000 }, async () => {
    const files = Object.entries(answer.expected);
    expect(files.length).toBeGreaterThanOrEqual(30);
    for (const [name, { tensors, metadata }] of files) {
      const read = await readCheckpoint(join(folder, name), { convert: "none" });
      expect(facts(read.tensors), name).toEqual(tensors);
      expect([...read.tensors.keys()], name).toEqual(Object.keys(tensors));
      if (metadata) expect(read.metadata, name).toEqual(metadata);
    }
  });

  it("floating types become float32 as PyTorch converts them", async () => {
    const files = Object.entries(answer.expected).filter(([, { float32 }]) => float32);
    expect(files).toHaveLength(6);
    for (const [name, { float32 }] of files) {
      expect(facts((await readCheckpoint(join(folder, name))).tensors), name).toEqual(float32);
    }
  });

  it("a network takes weights in half precision, converted or not", async () => {
    const { tensors } = answer.expected["zip-half.pth"]!;
    expect(tensors["0.weight"]![0]).toBe("float16");
    const exact = (await readCheckpoint(join(folder, "zip-module.pth"))).tensors;
    for (const convert of ["none", "float32"] as const) {
      const model = new Sequential(new Conv2d(3, 4, 3), new BatchNorm2d(4), new Linear(4, 2));
      model.loadStateDict((await readCheckpoint(join(folder, "zip-half.pth"), { convert })).tensors);
      for (const [key, { dtype, data }] of model.stateDict()) {
        expect(dtype, key).toBe(key === "1.num_batches_tracked" ? "int64" : "float32");
        const [found, wanted] = [data, exact.get(key)!.data].map((numbers) => [...numbers].map(Number));
        const off = found!.map((x, i) => Math.abs(x - wanted![i]!));
        expect(Math.max(...off), key).toBeLessThan(1e-3);
      }
    }
  });

  it("a part other than the usual is found by its key", async () => {
    const { tensors } = answer.expected["zip-nested.pth"]!;
    const read = await readCheckpoint(join(folder, "zip-nested.pth"), { key: "heads.1", convert: "none" });
    expect(facts(read.tensors)).toEqual({ "0": tensors["heads.1.0"], "1.deep": tensors["heads.1.1.deep"] });
    const optimizer = await openCheckpoint(join(folder, "zip-model.pth"), { key: "optimizer.state" });
    expect([...optimizer.tensors.keys()]).toContain("0.momentum_buffer");
    await optimizer.close();
  });

  it.each([
    ["ours-everything.pth", everything],
    ["ours-tied.pt", tied],
    ["ours-many.pth", many],
    ["ours-empty.pth", { tensors: new Map(), metadata: {} }],
  ])("%s holds the same bits for torch.load, restricted and not", (name, { tensors }) => {
    const loaded = answer.ours[name]!;
    expect(loaded.type).toBe("OrderedDict");
    expect(loaded.tensors).toEqual(facts(tensors));
    expect(Object.keys(loaded.tensors)).toEqual([...tensors.keys()]);
    expect(loaded.unrestricted).toEqual(loaded.tensors);
    expect(loaded.contiguous).toBe(true);
  });

  it("tied weights are one storage for torch.load", () => {
    expect(answer.ours["ours-tied.pt"]!.storages).toBe(2);
  });
});

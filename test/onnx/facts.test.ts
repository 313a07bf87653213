/** What is told of .onnx files without their weights, against what a whole reading finds. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { safetensorsLayout } from "../../src/checkpoint/index.ts";
import { createModel } from "../../src/models/index.ts";
import { decode, exportOnnx, OnnxError, onnxFacts } from "../../src/onnx/index.ts";
import { readOnnxFacts } from "../../src/onnx/node/index.ts";
import { encodeModel } from "../../src/onnx/proto.ts";
import { Random } from "../../src/random.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-facts-"));
afterAll(() => rmSync(folder, { recursive: true }));

const input = ["N", 3, 32, 32] as const;
const model = createModel("inception_small", { numClasses: 4 }).initialize(1).eval();
const metadata = { architecture: "inception_small", classes: '["a","b","c","d"]' };
const { bytes, graph, weights } = exportOnnx(model, { input, metadata });
const inMemory = (file: Uint8Array) => ({
  size: file.length,
  read: (offset: number, length: number) => file.subarray(offset, offset + length),
});

describe("facts", () => {
  it("are those of the whole model", () => {
    const facts = onnxFacts(inMemory(bytes));
    const whole = decode(bytes);
    expect(facts).toMatchObject({ opsets: { "": whole.opset }, producer: "convnets", metadata, irVersion: 8 });
    expect([...facts.inputs]).toEqual([["input", { dtype: "float32", shape: [...input] }]]);
    expect([...facts.outputs]).toEqual([["output", { dtype: "float32", shape: ["N", 4] }]]);
    expect([...facts.weights]).toEqual(
      [...weights].map(([name, { dtype, shape, data }]) => [
        name,
        { dtype, shape: [...shape], bytes: data.byteLength },
      ]),
    );
    for (const [op, count] of facts.operators) {
      if (op !== "Constant") expect(graph.nodes.filter((node) => node.op === op)).toHaveLength(count);
    }
  });

  it("take a small part of the file", () => {
    const initializer = Array.from({ length: 20 }, (_, i) => {
      return { name: `w${i}`, dims: [5e5], dataType: 1, rawData: new Uint8Array(2e6) };
    });
    const node = [{ opType: "Relu", input: ["x"], output: ["y"] }];
    const file = encodeModel({ graph: { node, initializer, output: [{ name: "y" }] } });
    let read = 0;
    const facts = onnxFacts({
      size: file.length,
      read(offset, length) {
        read += length;
        return file.subarray(offset, offset + length);
      },
    });
    expect([...facts.weights.values()]).toEqual(
      initializer.map(() => ({ dtype: "float32", shape: [5e5], bytes: 2e6 })),
    );
    expect(read).toBeLessThan(file.length / 20);
  });

  it("say which weights lie in another file, without opening it", () => {
    const path = join(folder, "external.onnx");
    const layout = (all: typeof weights) => safetensorsLayout({ tensors: new Map(all), metadata: {} });
    writeFileSync(path, exportOnnx(model, { input, external: { location: "gone.safetensors", layout } }).bytes);
    const facts = readOnnxFacts(path);
    for (const { location } of facts.weights.values()) expect(location).toBe("gone.safetensors");
    expect(facts.weights.size).toBe(weights.size);
  });
});

describe("what is no model", () => {
  it.each<[string, Uint8Array]>([
    ["nothing", new Uint8Array(0)],
    ["text", new TextEncoder().encode("this is text, and no model at all")],
    ["a field longer than the file", Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f)],
    ["a number without end", new Uint8Array(20).fill(0xff)],
    ["a model without a graph", encodeModel({ irVersion: 8, producerName: "x" })],
  ])("%s is refused", (_, file) => {
    expect(() => onnxFacts(inMemory(file))).toThrow(OnnxError);
    const path = join(folder, "bad.onnx");
    writeFileSync(path, file);
    expect(() => readOnnxFacts(path)).toThrow(`${path}: this is no ONNX file`);
  });

  it("damage gives facts or an OnnxError (1000 cases)", () => {
    let refused = 0;
    for (let run = 0; run < 1000; run++) {
      const random = new Random(3, run);
      let file = bytes.slice(0, random.integer(3) === 0 ? random.integer(bytes.length) : bytes.length);
      for (let i = random.integer(8); i >= 0 && file.length > 0; i--) {
        // the parts that say something lie at the start and at the end
        const far = random.integer(2) === 0 ? file.length : Math.min(file.length, 3000);
        file[random.integer(far)] = random.integer(256);
      }
      if (random.integer(16) === 0) file = Uint8Array.from({ length: random.integer(300) }, () => random.integer(256));
      try {
        onnxFacts(inMemory(file));
      } catch (error) {
        if (!(error instanceof OnnxError)) throw new Error(`case ${run}`, { cause: error });
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(250);
  });
});

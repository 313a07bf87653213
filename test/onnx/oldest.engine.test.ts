/** Models of the first opsets, pooling over other axes, weights in Constant nodes and flat images, with the right numbers. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { openSource } from "../../src/classify/node/index.ts";
import { loadModel } from "../../src/cli/model.ts";
import { parseInput } from "../../src/cli/support.ts";
import { type TensorData, tensor } from "../../src/graph/index.ts";
import { compile } from "../../src/infer/index.ts";
import { decode, onnxModule } from "../../src/onnx/index.ts";
import { type AttributeProto, encodeModel, type NodeProto } from "../../src/onnx/proto.ts";
import { encodeTensor } from "../../src/onnx/tensor.ts";
import { difference, engine, normal, runGraph } from "./support.ts";

const folder = mkdtempSync(join(tmpdir(), "convnets-oldest-"));
afterAll(() => rmSync(folder, { recursive: true }));

const utf8 = (text: string) => new TextEncoder().encode(text);
const ints = (name: string, ...values: number[]): AttributeProto => ({ name, ints: values.map(BigInt), type: 7 });
const int = (name: string, value: number): AttributeProto => ({ name, i: BigInt(value), type: 2 });
const float = (name: string, value: number): AttributeProto => ({ name, f: value, type: 1 });
const text = (name: string, value: string): AttributeProto => ({ name, s: utf8(value), type: 3 });
const node = (opType: string, input: string[], attribute: AttributeProto[] = [], output = ["y"]): NodeProto => ({
  opType,
  input,
  output,
  attribute,
});
const value = (name: string, shape: readonly (number | string)[]) => {
  const dim = shape.map((size) => (typeof size === "number" ? { dimValue: size } : { dimParam: size }));
  return { name, type: { tensorType: { elemType: 1, shape: { dim } } } };
};

function model(
  opset: number,
  nodes: NodeProto[],
  {
    inputs,
    weights = {},
  }: { inputs: Record<string, readonly (number | string)[]>; weights?: Record<string, TensorData> },
): Uint8Array {
  return encodeModel({
    irVersion: 3,
    producerName: "test",
    opsetImport: [{ domain: "", version: opset }],
    graph: {
      name: "g",
      node: nodes,
      input: Object.entries(inputs).map(([name, shape]) => value(name, shape)),
      output: [{ name: "y", type: { tensorType: { elemType: 1 } } }],
      initializer: Object.entries(weights).map(([name, data]) => encodeTensor(data, name)),
    },
  });
}

async function run(bytes: Uint8Array, feeds: Record<string, TensorData>): Promise<TensorData> {
  const { graph, weights } = decode(bytes);
  return (await runGraph(graph, weights, feeds)).y!;
}

const x = tensor("float32", [1, 2, 2, 2], [1, 2, 3, 4, -5, 6, -7, 8]);
const inputs = { x: x.shape };

describe("opsets 1 to 6", () => {
  const two = tensor("float32", [2], [10, 100]);
  const cases: [string, number, NodeProto[], number[]][] = [
    [
      "a bias along an axis",
      6,
      [node("Add", ["x", "c"], [int("broadcast", 1), int("axis", 1)])],
      [11, 12, 13, 14, 95, 106, 93, 108],
    ],
    [
      "a factor along the last axis",
      6,
      [node("Mul", ["x", "c"], [int("broadcast", 1)])],
      [10, 200, 30, 400, -50, 600, -70, 800],
    ],
    ["computation in place", 1, [node("Relu", ["x"], [ints("consumed_inputs", 0)])], [1, 2, 3, 4, 0, 6, 0, 8]],
    [
      "dropout in its test form",
      6,
      [node("Dropout", ["x"], [int("is_test", 1), float("ratio", 0.5)], ["y", "mask"])],
      [...x.data],
    ],
    ["joins along axis 1 unless said otherwise", 1, [node("Concat", ["x", "x"])], [...x.data, ...x.data]],
    ["a shape as an attribute", 1, [node("Reshape", ["x"], [ints("shape", 2, 4)])], [...x.data]],
    [
      "types by name",
      1,
      [node("Cast", ["x"], [text("to", "INT32")], ["i"]), node("Cast", ["i"], [text("to", "FLOAT")])],
      [...x.data],
    ],
    ["a slope for each channel", 6, [node("PRelu", ["x", "c"])], [1, 2, 3, 4, -500, 6, -700, 8]],
    [
      "paddings",
      1,
      [node("Pad", ["x"], [ints("paddings", 0, 0, 0, 1, 0, 0, 0, 0)])],
      [0, 1, 2, 0, 3, 4, 0, -5, 6, 0, -7, 8],
    ],
  ];
  it.each(cases)("%s (opset %i)", async (_, opset, nodes, wanted) => {
    const y = await run(model(opset, nodes, { inputs, weights: { c: two } }), { x });
    expect([...(y.data as Float32Array)]).toEqual(wanted);
  });

  it("dense layers with a broadcast bias", async () => {
    const weights = {
      w: tensor(
        "float32",
        [3, 8],
        Array.from({ length: 24 }, (_, i) => i),
      ),
      b: tensor("float32", [3], [1, 2, 3]),
    };
    const nodes = [
      node("Reshape", ["x"], [ints("shape", -1, 8)], ["flat"]),
      node("Gemm", ["flat", "w", "b"], [int("broadcast", 1), int("transB", 1)]),
    ];
    const y = await run(model(1, nodes, { inputs, weights }), { x });
    expect([...(y.data as Float32Array)]).toEqual(
      [56 + 1, 152 + 2, 248 + 3].map((_, k) => [...x.data].reduce((sum, v, i) => sum + v * (8 * k + i), 0) + k + 1),
    );
  });
});

describe("pooling over other axes", () => {
  const pool = (op: string, shape: number[], kernel: number[], more: AttributeProto[] = []) =>
    model(17, [node(op, ["x"], [ints("kernel_shape", ...kernel), ...more])], { inputs: { x: shape } });

  it("over one", async () => {
    const row = tensor("float32", [1, 1, 6], [1, 5, 3, 2, 8, 4]);
    const max = await run(pool("MaxPool", [1, 1, 6], [2], [ints("strides", 2)]), { x: row });
    expect(max).toMatchObject({ shape: [1, 1, 3] });
    expect([...(max.data as Float32Array)]).toEqual([5, 3, 8]);
    const mean = await run(pool("AveragePool", [1, 1, 6], [3], [ints("pads", 1, 1), int("count_include_pad", 1)]), {
      x: row,
    });
    expect((mean.data as Float32Array)[0]).toBe(2);
  });

  it("over three, of which the window covers one or two, as in LocalResponseNorm", async () => {
    const volume = normal([2, 1, 5, 3, 4]);
    for (const [kernel, pads] of [
      [
        [3, 1, 1],
        [1, 0, 0, 1, 0, 0],
      ],
      [
        [1, 2, 2],
        [0, 0, 0, 0, 0, 0],
      ],
    ] as const) {
      const bytes = pool(
        "AveragePool",
        [2, 1, 5, 3, 4],
        [...kernel],
        [ints("pads", ...pads), ints("strides", 1, 1, 1)],
      );
      const y = await run(bytes, { x: volume });
      const out = volume.shape.map((size, axis) =>
        axis < 2 ? size : size - kernel[axis - 2]! + 1 + 2 * pads[axis - 2]!,
      );
      expect(y.shape).toEqual(out);
      const at = (...place: number[]) => {
        const flat = place.reduce((sum, i, axis) => sum * volume.shape[axis]! + i, 0);
        return place.every((i, axis) => i >= 0 && i < volume.shape[axis]!) ? volume.data[flat]! : Number.NaN;
      };
      const seen: number[] = [];
      for (let d = 0; d < kernel[0]; d++)
        for (let h = 0; h < kernel[1]; h++) for (let w = 0; w < kernel[2]; w++) seen.push(at(0, 0, d - pads[0], h, w));
      const real = seen.filter((value) => !Number.isNaN(value));
      expect(y.data[0]).toBeCloseTo(real.reduce((sum, value) => sum + value, 0) / real.length, 5);
    }
    await expect(async () => decode(pool("MaxPool", [1, 1, 4, 4, 4], [2, 2, 2]))).rejects.toThrow(
      /a window over three axes, 2×2×2, is not supported/,
    );
  });
});

it("weights in Constant nodes are weights", () => {
  const w = normal([4, 8]);
  const constant: NodeProto = {
    opType: "Constant",
    output: ["w"],
    attribute: [{ name: "value", t: encodeTensor(w), type: 4 }],
  };
  const dense = node("Gemm", ["x", "w"], [int("transB", 1)]);
  const network = onnxModule(model(13, [constant, dense], { inputs: { x: [1, 8] } }));
  expect([...network.stateShapes().values()]).toEqual([[4, 8]]);
});

it("a flat vector is an image, and sizes that are open come from --input", async () => {
  const weights = { w: normal([10, 784]), k: normal([2, 3, 3, 3]) };
  const file = join(folder, "flat.onnx");
  writeFileSync(
    file,
    model(13, [node("Gemm", ["x", "w"], [int("transB", 1)])], { inputs: { x: ["N", 784] }, weights }),
  );
  const { model: network, channels, assumed } = await openSource(file);
  expect(channels).toBe(1);
  expect(assumed[0]).toMatch(/takes vectors of 784 numbers; they are taken to be images of 28×28 pixels and 1 channel/);
  const predict = await compile(network, { engine });
  const images = normal([2, 1, 28, 28]);
  const flat = await run(
    model(13, [node("Gemm", ["x", "w"], [int("transB", 1)])], { inputs: { x: ["N", 784] }, weights }),
    {
      x: { ...images, shape: [2, 784] },
    },
  );
  expect(difference(await predict.main(images), flat)).toBeLessThan(1e-6);
  await predict.dispose();

  const open = join(folder, "open.onnx");
  writeFileSync(open, model(13, [node("Conv", ["x", "k"])], { inputs: { x: ["N", 3, "H", "W"] }, weights }));
  expect((await loadModel(open)).assumed).toMatch(/does not record its input size; assuming 1×3×224×224/);
  expect((await loadModel(open, { input: [1, 3, 32, 48] })).input).toEqual([1, 3, 32, 48]);
  expect(parseInput("a=1,3,32,32,b=1,10")).toEqual({ a: [1, 3, 32, 32], b: [1, 10] });
});

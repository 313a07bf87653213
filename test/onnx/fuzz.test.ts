/** Damaged and hostile files: clear errors, in time and within the memory that the size of the file justifies. */
import { readFileSync } from "node:fs";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { beforeAll, describe, expect, it } from "vitest";
import { Float, Graph, tensor } from "../../src/graph/index.ts";
import { createModel } from "../../src/models/index.ts";
import { BatchNorm2d, Conv2d, Linear, Module, type Tensor, trace } from "../../src/nn/index.ts";
import { decode, encode, OnnxError } from "../../src/onnx/index.ts";
import { type AttributeProto, encodeModel, type GraphProto, type ModelProto } from "../../src/onnx/proto.ts";
import { Ops } from "../../src/operators/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import { trainingGraphs } from "../../src/train/training-graph.ts";

/** More, and others: `FUZZ_RUNS=1000000 FUZZ_SEED=$RANDOM npx vitest run test/onnx/fuzz`. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 2_000);
const SEED = Number(process.env.FUZZ_SEED ?? 1);

/** What PyTorch exported, in three opsets; made by fixtures/exported.py. */
const EXPORTED = [9, 11, 17].map((opset) =>
  readFileSync(new URL(`./fixtures/exported-${opset}.onnx`, import.meta.url)),
);

class Small extends Module<Tensor> {
  conv = new Conv2d(3, 4, 3, { stride: 2, bias: false });
  bn = new BatchNorm2d(4);
  fc = new Linear(4, 2);

  forward(x: Tensor): Tensor {
    return this.fc.call(this.bn.call(this.conv.call(x)).relu().mean([2, 3]));
  }
}

function realFiles(): Uint8Array[] {
  const small = new Graph("small");
  const ops = new Ops(small);
  const x = small.input("x", "float32", ["N", 2, 4, 4]);
  const w = small.parameter("w", "float32", [2, 2, 3, 3]);
  const y = ops.one("Conv", [x, w], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });
  small.output("y", ops.one("LeakyRelu", [ops.reshape(y, ["N", 32])], { alpha: new Float(0.1) }));
  const weights = new Map([["w", tensor("float32", [2, 2, 3, 3], new Float32Array(36).fill(0.5))]]);
  const { step } = trainingGraphs(new Small(), {
    input: ["N", 3, 6, 6],
    optimizer: sgd({ momentum: 0.9 }),
  });
  const ours = [
    encode(small, { weights, metadata: { about: "a test" } }),
    encode(trace(createModel("nin", { numClasses: 2 }), ["N", 3, 32, 32]).graph),
    encode(step),
  ];
  return [...ours, ...EXPORTED.map((file) => new Uint8Array(file))];
}

/** A file with a few bytes changed, parts left out, doubled or exchanged, or no file at all. */
function mutated(files: readonly Uint8Array[], random: Random): Uint8Array {
  const pick = () => files[random.integer(files.length)]!;
  const noise = (count: number) => Uint8Array.from({ length: count }, () => random.bits() & 255);
  const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));
  const file = pick();
  const at = random.integer(file.length);
  const length = 1 + random.integer(random.integer(4) === 0 ? 400 : 8);
  switch (random.integer(8)) {
    case 0:
      return file.slice(0, at);
    case 1:
      return joined(file.subarray(0, at), file.subarray(Math.min(file.length, at + length)));
    case 2:
      return joined(file.subarray(0, at), noise(length), file.subarray(at));
    case 3:
      return joined(file.subarray(0, at), file.subarray(random.integer(file.length), file.length));
    case 4:
      return joined(file.subarray(0, at), pick().subarray(random.integer(200)));
    case 5:
      return noise(random.integer(300));
    default: {
      const copy = file.slice();
      const count = 1 + random.integer(6);
      for (let i = 0; i < count; i++) {
        const place = random.integer(copy.length);
        copy[place] = [random.bits() & 255, copy[place]! ^ (1 << random.integer(8)), 0xff, 0, 0x7f][random.integer(5)]!;
      }
      return copy;
    }
  }
}

/** Mistakes of ours, which no file may lead to. */
function isOurs(error: unknown): boolean {
  if (!(error instanceof Error)) return true;
  const stack =
    error instanceof RangeError && /call stack|array length|Invalid (typed )?array|Invalid count/i.test(error.message);
  return (
    error instanceof TypeError ||
    error instanceof ReferenceError ||
    stack ||
    (error.cause !== undefined && isOurs(error.cause))
  );
}

describe("damaged files", () => {
  let files: Uint8Array[];
  beforeAll(() => {
    files = realFiles();
  }, 120_000);

  it("themselves are sound", () => {
    for (const file of files) expect(() => decode(file, { batch: "N" })).not.toThrow();
  });

  it(`give a graph or an OnnxError (${RUNS} cases)`, () => {
    let refused = 0;
    let slowest = 0;
    const started = performance.now();
    for (let run = 0; run < RUNS; run++) {
      const bytes = mutated(files, new Random(SEED, run));
      const before = performance.now();
      try {
        const model = decode(bytes, run % 2 === 0 ? {} : { batch: "N", fold: false });
        if (run % 8 === 0) encode(model.graph, { weights: model.weights });
      } catch (error) {
        refused++;
        const clear = error instanceof OnnxError && !isOurs(error) && error.message.length < 1100;
        if (!clear) throw new Error(`case ${run} of seed ${SEED}: ${error}`, { cause: error });
      }
      slowest = Math.max(slowest, performance.now() - before);
    }
    const seconds = (performance.now() - started) / 1000;
    expect(refused, "most damage is noticed").toBeGreaterThan(RUNS / 2);
    expect(slowest, "milliseconds of the slowest case").toBeLessThan(3000);
    if (RUNS <= 20_000) expect(seconds).toBeLessThan(60);
  }, 600_000);
});

describe("hostile files", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  const input = {
    name: "x",
    type: { tensorType: { elemType: 1, shape: { dim: [{ dimParam: "N" }, { dimValue: 4 }] } } },
  };
  const model = (graph: Partial<GraphProto>, more: Partial<ModelProto> = {}) =>
    encodeModel({
      irVersion: 8,
      opsetImport: [{ domain: "", version: 17 }],
      graph: { name: "g", input: [input], output: [{ name: "y" }], ...graph },
      ...more,
    });
  const relu = { opType: "Relu", input: ["x"], output: ["y"] };
  const ints = (name: string, values: readonly number[]): AttributeProto => ({
    name,
    type: 7,
    ints: values.map(BigInt),
  });
  const vector = (name: string, values: readonly (number | bigint)[]) => ({
    name,
    dims: [values.length],
    dataType: 7,
    int64Data: values.map(BigInt),
  });

  /** Bytes of memory that decoding takes beyond what it gives back, and the error. */
  function attempt(bytes: Uint8Array) {
    const before = process.memoryUsage();
    const started = performance.now();
    let error: unknown;
    try {
      decode(bytes);
    } catch (thrown) {
      error = thrown;
    }
    const after = process.memoryUsage();
    return {
      error,
      seconds: (performance.now() - started) / 1000,
      bytes: after.arrayBuffers - before.arrayBuffers + Math.max(0, after.heapUsed - before.heapUsed),
    };
  }

  const nested = (levels: number): AttributeProto => {
    let attribute: AttributeProto = { name: "a", type: 5, g: { node: [relu] } };
    for (let i = 0; i < levels; i++)
      attribute = { name: "a", type: 5, g: { node: [{ opType: "If", attribute: [attribute] }] } };
    return attribute;
  };
  /** A field of a message that nobody knows, opened and never closed, again and again. */
  const groups = (count: number) => {
    const writer = new BinaryWriter();
    for (let i = 0; i < count; i++) writer.tag(99, WireType.StartGroup);
    return writer.finish();
  };
  const doubling = (count: number) => {
    // each step squares the number of elements
    const node = Array.from({ length: count }, (_, i) => [
      { opType: "Reshape", input: [i === 0 ? "x" : `v${i}`, "column"], output: [`c${i}`] },
      { opType: "Reshape", input: [i === 0 ? "x" : `v${i}`, "row"], output: [`r${i}`] },
      { opType: "MatMul", input: [`c${i}`, `r${i}`], output: [i === count - 1 ? "y" : `v${i + 1}`] },
    ]).flat();
    return { node, initializer: [vector("column", [-1, 1]), vector("row", [1, -1])] };
  };
  const sized = (shape: readonly (number | bigint)[]) => ({
    node: [
      {
        opType: "Constant",
        output: ["y"],
        attribute: [{ name: "value", type: 4, t: { dims: [...shape], dataType: 1, rawData: new Uint8Array(4) } }],
      },
    ],
  });
  const filled = (shape: readonly number[]) => ({
    node: [{ opType: "ConstantOfShape", input: ["s"], output: ["y"] }],
    initializer: [vector("s", shape)],
  });

  it.each<[string, () => Uint8Array, RegExp | undefined]>([
    [
      "graphs inside graphs",
      () => model({ node: [{ opType: "If", input: [], output: ["y"], attribute: [nested(40)] }] }),
      /nested more than 32 deep/,
    ],
    [
      "a graph inside a node",
      () => model({ node: [{ ...relu, attribute: [nested(0)] }] }),
      /is a graph that is not supported/,
    ],
    ["groups inside groups", () => groups(200_000), /no ONNX file/],
    [
      "a tensor of 2^40 numbers",
      () => model(sized([2 ** 20, 2 ** 20])),
      /takes 4398046511104 bytes, but the file holds 4/,
    ],
    ["a tensor of 2^80 numbers", () => model(sized([2 ** 40, 2 ** 40])), /which no tensor has/],
    ["sizes beyond 2^53", () => model(sized([2n ** 62n])), /no size that a model has/],
    ["sizes below zero", () => model(sized([-1, -1])), /which no tensor has/],
    ["a shape of 2^40, filled", () => model(filled([2 ** 40])), undefined],
    ["a shape below zero, filled", () => model(filled([-4])), /the shape \[-4\]/],
    [
      "a shape without end, filled",
      () => model(filled([2 ** 62])),
      /the shape \[4611686018427387904\]|would have the shape/,
    ],
    ["a name that doubles with each node", () => model(doubling(64)), /would have the shape/],
    [
      "a Split into 2^31 parts",
      () =>
        model(
          {
            node: [
              {
                opType: "Split",
                input: ["x"],
                output: ["y"],
                attribute: [{ name: "num_outputs", type: 2, i: 2n ** 31n }],
              },
            ],
          },
          { opsetImport: [{ version: 18 }] },
        ),
      /has to be known/,
    ],
    [
      "a window of 2^40 pixels",
      () =>
        model({
          node: [
            { opType: "MaxPool", input: ["x"], output: ["y"], attribute: [ints("kernel_shape", [2 ** 40, 2 ** 40])] },
          ],
        }),
      /takes images/,
    ],
    [
      "a permutation of nothing",
      () => model({ node: [{ opType: "Transpose", input: ["x"], output: ["y"], attribute: [ints("perm", [7, 9])] }] }),
      /would have the shape/,
    ],
    [
      "a name of a megabyte",
      () => model({ node: [{ opType: "x".repeat(1e6), input: ["x"], output: ["y"] }] }),
      /is not supported/,
    ],
    [
      "numbers packed as bytes",
      () =>
        model({
          node: [relu],
          initializer: [
            { name: "w", dims: [1e6], dataType: 7, rawData: new Uint8Array(0), int64Data: new Array(1e6).fill(0) },
          ],
        }),
      /takes 8000000 bytes/,
    ],
    [
      "names of properties",
      () => model({ node: [{ opType: "__proto__", input: ["x"], output: ["y"] }] }),
      /^__proto__ .*the operator is not supported/,
    ],
    [
      "attributes called like properties",
      () =>
        model({
          node: [
            {
              ...relu,
              attribute: [
                { name: "__proto__", type: 2, i: 1n },
                { name: "toString", type: 3, s: text("x") },
              ],
            },
          ],
        }),
      undefined,
    ],
    [
      "values called like properties",
      () =>
        model({
          node: [
            { opType: "Relu", input: ["x"], output: ["constructor"] },
            { opType: "Relu", input: ["constructor"], output: ["y"] },
          ],
        }),
      undefined,
    ],
    ["an input that is no tensor", () => model({ input: [{ name: "x", type: {} }], node: [relu] }), /is no tensor/],
    [
      "an input without a shape",
      () => model({ input: [{ name: "x", type: { tensorType: { elemType: 1 } } }], node: [relu] }),
      /has no shape/,
    ],
    [
      "strings",
      () => model({ input: [{ name: "x", type: { tensorType: { elemType: 8, shape: {} } } }], node: [relu] }),
      /element type 8 is not supported/,
    ],
    ["no opset", () => model({ node: [relu] }, { opsetImport: [] }), /does not say which opset it is written in/],
    [
      "inputs without end",
      () => model({ input: Array.from({ length: 60_000 }, (_, i) => ({ ...input, name: `x${i}` })), node: [relu] }),
      /60000 inputs and weights; up to 20000 are read/,
    ],
    [
      "operators of its own",
      () => model({ node: [relu] }, { functions: [new Uint8Array()] }),
      /defines operators of its own/,
    ],
  ])("with %s", (_, make, message) => {
    const bytes = make();
    const { error, seconds, bytes: taken } = attempt(bytes);
    if (message) {
      expect(error).toBeInstanceOf(OnnxError);
      expect((error as Error).message).toMatch(message);
      expect((error as Error).message.length).toBeLessThan(1100);
      expect(isOurs(error), String((error as Error).cause)).toBe(false);
    } else {
      expect(error).toBeUndefined();
    }
    expect(seconds).toBeLessThan(5);
    // lists of JavaScript take a few times the bytes of a file, never a multiple that the file names
    expect(taken).toBeLessThan(64e6 + 40 * bytes.length);
  });

  it("of many nodes are read in a time that grows with their number", () => {
    const seconds = (count: number) => {
      const node = Array.from({ length: count }, (_, i) => ({
        opType: "Relu",
        input: [i === 0 ? "x" : `v${i}`],
        output: [i === count - 1 ? "y" : `v${i + 1}`],
      }));
      const { error, seconds } = attempt(model({ node }));
      expect(error).toBeUndefined();
      return seconds;
    };
    seconds(5000);
    expect(seconds(40_000)).toBeLessThan(Math.max(1, 40 * seconds(5000)));
  });
});

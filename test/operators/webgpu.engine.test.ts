import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  type Attributes,
  attribute,
  Float,
  Graph,
  type Node,
  numel,
  type TensorData,
  tensor,
} from "../../src/graph/index.ts";
import { Ops, type Target } from "../../src/operators/index.ts";
import { lower, simplify } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { Draw } from "../support/draw.ts";
import { expectClose } from "../support/family.ts";

const TOLERANCE = 1e-5;
const engine = nodeEngine({ threads: 1 });

/** One node over constants of these shapes, as it is and as it is spelled for WebGPU. */
function spelled(op: string, inputs: readonly TensorData[], attributes: Attributes = {}, target: Target = "webgpu") {
  const graph = new Graph(op);
  const [x, ...rest] = inputs;
  const values = [graph.input("x", x!.dtype, x!.shape), ...rest.map((data) => graph.constant(data))];
  graph.output("y", new Ops(graph).one(op, values, attributes));
  return { graph, lowered: lower(graph, target) };
}

/** Demands that the spelling for WebGPU computes the same; returns it. */
async function expectSame(
  op: string,
  inputs: readonly TensorData[],
  attributes: Attributes = {},
  target: Target = "webgpu",
): Promise<Graph> {
  const { graph, lowered } = spelled(op, inputs, attributes, target);
  const [wanted, given] = await Promise.all([graph, lowered].map((graph) => compute(graph, inputs[0]!)));
  expectClose(given!, wanted!, TOLERANCE, `${op} for WebGPU`);
  return lowered;
}

async function compute(graph: Graph, x: TensorData): Promise<TensorData> {
  const executable = await engine.compile(graph);
  const { y } = await executable.run({ x });
  await executable.dispose();
  return y!.read();
}

/** ONNX Runtime 1.30: see src/operators/webgpu.ts. */
function expectRightOnWebGpu(node: Node): void {
  const group = attribute.int(node, "group", 1);
  const [O, C, kH, kW] = node.inputs[1]!.shape as [number, number, number, number];
  const vector = [4, 2, 1].find((size) => O % size === 0)!;
  if (group > 1) expect(O / group < 4 || (O / group) % vector === 0).toBe(true);
  const product = kH * kW === 1 && Math.max(...attribute.ints(node, "strides"), ...attribute.ints(node, "pads")) <= 1;
  const padded = Math.max(...attribute.ints(node, "pads")) > 0;
  const bad = C % 3 === 0 && C % 4 !== 0 && C !== 3 && O % 4 === 0;
  if (group === 1 && (!product || padded)) expect(bad).toBe(false);
}

const ops = (graph: Graph) => graph.nodes.map(({ op }) => op);
const upTo = (max: number, min = 1) => fc.integer({ min, max });

const convolutions = fc.record({
  group: upTo(3),
  inputs: upTo(9),
  outputs: upTo(9),
  kernel: upTo(3),
  stride: upTo(2),
  pad: upTo(1, 0),
  bias: fc.boolean(),
  seed: fc.nat(),
});

const pools = fc.record({ kernel: upTo(3), stride: upTo(3), pad: upTo(1, 0), ceil: upTo(1, 0), seed: fc.nat() });

describe("lowerForWebGpu", () => {
  it("keeps what MaxPool computes, without its kernel where WebGPU is emulated", () =>
    fc.assert(
      fc.asyncProperty(pools, async ({ kernel, stride, pad, ceil, seed }) => {
        fc.pre(2 * pad <= kernel);
        const window = { kernel_shape: [kernel, kernel], strides: [stride, stride], pads: [pad, pad, pad, pad] };
        const given = [new Draw(seed).uniform([2, 3, 5, 6])];
        const lowered = await expectSame("MaxPool", given, { ...window, ceil_mode: ceil }, "webgpu-emulated");
        expect(ops(lowered)).not.toContain("MaxPool");
      }),
      { numRuns: 50, seed: 1 },
    ));

  it("keeps what Conv computes, and leaves none that WebGPU gets wrong", () =>
    fc.assert(
      fc.asyncProperty(convolutions, async ({ group, inputs, outputs, kernel, stride, pad, bias, seed }) => {
        const draw = new Draw(seed);
        const [C, O] = [inputs * group, outputs * group];
        const given = [
          draw.uniform([2, C, 5, 6]),
          draw.uniform([O, inputs, kernel, kernel]),
          ...(bias ? [draw.uniform([O])] : []),
        ];
        const lowered = await expectSame("Conv", given, {
          group,
          strides: [stride, stride],
          pads: [pad, pad, pad, pad],
        });
        for (const node of lowered.nodes) if (node.op === "Conv") expectRightOnWebGpu(node);
        const pads = { pads: [pad, pad, pad, pad], group, strides: [stride, stride] };
        const emulated = ops(await expectSame("Conv", given, pads, "webgpu-emulated"));
        expect(emulated.includes("ConvTranspose")).toBe(group === 1 && stride === 1 && pad < kernel);
      }),
      { numRuns: 100, seed: 1 },
    ));

  it("keeps what ConvTranspose computes, group by group", () =>
    fc.assert(
      fc.asyncProperty(convolutions, async ({ group, inputs, outputs, kernel, stride, bias, seed }) => {
        const draw = new Draw(seed);
        const few = (outputs % 2) + 1;
        const given = [
          draw.uniform([2, inputs * group, 3, 4]),
          draw.uniform([inputs * group, few, kernel, kernel]),
          ...(bias ? [draw.uniform([few * group])] : []),
        ];
        const lowered = await expectSame("ConvTranspose", given, { group, strides: [stride, stride] });
        const split = group > 1 && few === 1 && inputs % 2 === 0;
        expect(ops(lowered).filter((op) => op === "ConvTranspose")).toHaveLength(split ? group : 1);
      }),
      { numRuns: 50, seed: 1 },
    ));

  const bounds = fc.tuple(upTo(6, -6), upTo(6, -7), fc.constantFrom(-3, -2, -1, 1, 2));
  it("keeps what Slice takes, and steps backwards from the end only", () =>
    fc.assert(
      fc.asyncProperty(bounds, bounds, async (rows, columns) => {
        const x = new Draw(1).uniform([2, 4, 5]);
        const column = (i: 0 | 1 | 2) => tensor("int64", [2], BigInt64Array.from([rows[i], columns[i]], BigInt));
        const axes = tensor("int64", [2], BigInt64Array.of(1n, 2n));
        const given = [x, column(0), column(1), axes, column(2)];
        const { graph } = spelled("Slice", given);
        fc.pre(numel(graph.outputs.get("y")!.shape as number[]) > 0);
        const lowered = await expectSame("Slice", given);
        for (const { inputs } of lowered.nodes) {
          const [starts, , axes, steps] = inputs
            .slice(1)
            .map((value) => Array.from(lowered.constants.get(value!)!.data as BigInt64Array, Number));
          for (const [i, start] of starts!.entries()) {
            const last = (inputs[0]!.shape[axes![i]!] as number) - 1;
            if (steps![i]! < 0) expect(start === -1 || start >= last).toBe(true);
          }
        }
      }),
      { numRuns: 100, seed: 1 },
    ));

  it("spells LRN, LogSoftmax, Sum and comparisons of indices in operators that WebGPU has", async () => {
    const draw = new Draw(1);
    const x = draw.uniform([2, 6, 3, 4], -3, 3);
    const float = (value: number) => new Float(value);
    const classes = (...labels: number[]) => tensor("int64", [labels.length], BigInt64Array.from(labels, BigInt));
    const lowered = [
      await expectSame("LRN", [x], { size: 3, alpha: float(0.5), beta: float(0.6), bias: float(2) }),
      await expectSame("LogSoftmax", [x], { axis: 1 }),
      await expectSame("LogSoftmax", [draw.uniform([3, 5], 80, 120)]),
      await expectSame("Sum", [x, draw.uniform([6, 1, 1]), draw.uniform([4])]),
      await expectSame("Equal", [classes(1, 2, 3), classes(1, 3, 3)]),
    ].flatMap(ops);
    for (const op of ["LRN", "LogSoftmax", "Sum"]) expect(lowered).not.toContain(op);
  });

  it("compares the classes of ArgMax without whole numbers, the first of equal ones", async () => {
    const x = tensor("float32", [4, 3], Float32Array.of(1, 3, 3, 5, 5, 5, -2, -3, -1, 0, 0, 1));
    const graph = new Graph("classes");
    const g = new Ops(graph);
    const scores = graph.input("x", "float32", ["N", 3]);
    graph.output("y", g.equal(g.argMax(scores, 1), g.argMax(g.neg(scores), 1)));
    const lowered = simplify(lower(graph, "webgpu"));
    expect((await compute(lowered, x)).data).toEqual((await compute(graph, x)).data);
    expect(ops(lowered)).not.toContain("ArgMax");
    expect(lowered.nodes.flatMap(({ outputs }) => outputs.map(({ dtype }) => dtype))).not.toContain("int64");
  });

  it("cuts more parts than a kernel can write one by one", async () => {
    const graph = new Graph("parts");
    const g = new Ops(graph);
    const sizes = [3, 1, 2, 1, 1, 4, 2, 2];
    const parts = g.split(graph.input("x", "float32", [2, 16]), sizes, -1);
    graph.output("y", g.concat([...parts].reverse(), 1));
    const lowered = lower(graph, "webgpu");
    const x = new Draw(1).uniform([2, 16]);
    expect((await compute(lowered, x)).data).toEqual((await compute(graph, x)).data);
    expect(ops(lowered)).not.toContain("Split");
  });

  it("multiplies by several constants at once", async () => {
    const graph = new Graph("factors");
    const g = new Ops(graph);
    const x = graph.input("x", "float32", [5]);
    graph.output("y", g.neg(g.div(g.scale(g.mul(g.scalar(3), x), 0.5), g.scalar(8))));
    const lowered = simplify(lower(graph, "webgpu"));
    const given = new Draw(1).uniform([5]);
    expectClose(await compute(lowered, given), await compute(graph, given), TOLERANCE, "factors");
    expect(ops(lowered)).toEqual(["Mul"]);
  });
});

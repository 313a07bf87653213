import { describe, expect, it } from "vitest";
import { type Attributes, Graph, type Shape, tensor } from "../../src/graph/index.ts";
import { OPERATORS, Ops } from "../../src/operators/index.ts";
import { differentiate } from "../../src/passes/index.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";

/** Emits an operator over inputs of these shapes. */
function emit(op: string, shapes: readonly Shape[], attributes: Attributes = {}, domain = "") {
  const graph = new Graph();
  const inputs = shapes.map((shape, i) => graph.input(`x${i}`, "float32", shape));
  const [y] = new Ops(graph).emit(op, inputs, attributes, { domain });
  return { graph, inputs, y: y!, node: graph.producer(y!)! };
}

describe("shape rules", () => {
  const conv = { kernel_shape: [3, 3] };

  it.each([
    [
      "Conv",
      [
        [1, 3, 8, 8],
        [4, 2, 3, 3],
      ],
      conv,
      "has 3 channels, the weight [4, 2, 3, 3] with 1 group(s) expects 2",
    ],
    [
      "Conv",
      [
        [1, 4, 8, 8],
        [3, 2, 3, 3],
      ],
      { ...conv, group: 2 },
      "3 output channels do not divide into 2 groups",
    ],
    [
      "Conv",
      [
        [1, 3, 2, 8],
        [4, 3, 3, 3],
      ],
      conv,
      "a 3×3 window does not fit into 2×8 pixels",
    ],
    [
      "Conv",
      [
        [1, 3, 8],
        [4, 3, 3],
      ],
      conv,
      "the weight needs the shape [O, C, kH, kW], not [4, 3, 3]",
    ],
    [
      "Conv",
      [
        [1, 3, "H", "W"],
        [4, 3, 3, 3],
      ],
      conv,
      "the height and width of images have to be known, but one is H",
    ],
    ["MaxPool", [[1, 3, 8, 8]], {}, 'needs a list of whole numbers as attribute "kernel_shape"'],
    ["MaxPool", [[3, 8]], { kernel_shape: [2, 2] }, "takes images [N, C, H, W], but the input has the shape [3, 8]"],
    [
      "Gemm",
      [
        [2, 3],
        [4, 5],
      ],
      {},
      "[2, 3] and [4, 5] do not multiply",
    ],
    [
      "Gemm",
      [
        [2, 3, 1],
        [4, 5],
      ],
      {},
      "needs two matrices, but got [2, 3, 1] and [4, 5]",
    ],
    [
      "MatMul",
      [
        [3, 2, 3],
        [2, 3, 5],
      ],
      {},
      "do not multiply",
    ],
    ["Add", [[2, 3], [4]], {}, "the shapes [2, 3] and [4] do not broadcast"],
    [
      "Concat",
      [
        [2, 3],
        [2, 4],
      ],
      { axis: 0 },
      "[2, 3], [2, 4] differ elsewhere than along axis 0",
    ],
    ["Concat", [[2, 3]], { axis: 2 }, "axis 2 is outside the 2 axes"],
    ["ReduceMean", [[2, 3]], { axes: [-3] }, "axis -3 is outside the 2 axes"],
    ["ReduceSum", [[2, 3], [1]], {}, "input 1 (x1) has to be a constant"],
    [
      "BatchNormalization",
      [[2, 3, 4, 4], [4], [4], [4], [4]],
      {},
      "the input has 3 channels, the scale has the shape [4]",
    ],
    ["Reshape", [[2, 3], [2]], {}, "input 1 (x1) has to be a constant"],
    ["Gemm", [[2, 3]], {}, "input 1 is missing"],
  ] as const satisfies readonly (readonly [string, readonly Shape[], Attributes, string])[])(
    "%s over %j with %j: %s",
    (op, shapes, attributes, message) => {
      expect(() => emit(op, shapes, attributes)).toThrow(message);
    },
  );

  it("names the operators that are known where one is not", () => {
    expect(() => emit("NonZero", [[2, 3]])).toThrow(/the operator NonZero is not known; known are Abs, Add, .*Where/);
    expect(() => emit("MatMul", [[2, 3]], {}, "com.microsoft")).toThrow(
      "the operator com.microsoft.MatMul is not known",
    );
  });

  it("keeps a named batch through an inner product and a reshape", () => {
    expect(
      emit(
        "Conv",
        [
          ["N", 3, 32, 32],
          [8, 3, 3, 3],
        ],
        conv,
      ).y.shape,
    ).toEqual(["N", 8, 30, 30]);
    expect(emit("Flatten", [["N", 3, 4, 4]], { axis: 1 }).y.shape).toEqual(["N", 48]);
    expect(emit("Flatten", [["N", 3, 4, 4]], { axis: 2 }).y.shape).toEqual(["3*N", 16]);
  });
});

describe("multiply-accumulate operations", () => {
  const macs = ({ node }: ReturnType<typeof emit>) => OPERATORS[node.op]!.macs!(node);

  it("of a convolution are one a weight and output pixel", () => {
    // counted by hand: 2 images of 5×5 pixels, each of 4 channels out of a window of 3×3 in 6/2 channels
    expect(
      macs(
        emit(
          "Conv",
          [
            [2, 6, 7, 7],
            [4, 3, 3, 3],
          ],
          { group: 2 },
        ),
      ),
    ).toBe(2 * 25 * 4 * 27);
  });

  it("of a product are one a row, column and inner element", () => {
    expect(
      macs(
        emit("Gemm", [
          [3, 5],
          [5, 7],
        ]),
      ),
    ).toBe(3 * 5 * 7);
    expect(
      macs(
        emit(
          "Gemm",
          [
            [5, 3],
            [7, 5],
          ],
          { transA: 1, transB: 1 },
        ),
      ),
    ).toBe(3 * 5 * 7);
    expect(
      macs(
        emit("MatMul", [
          [2, 3, 5],
          [5, 7],
        ]),
      ),
    ).toBe(2 * 3 * 5 * 7);
  });

  it("cannot be counted for a named batch", () => {
    expect(() =>
      macs(
        emit("Conv", [
          ["N", 3, 8, 8],
          [4, 3, 3, 3],
        ]),
      ),
    ).toThrow("counting needs known sizes");
  });
});

it("reductions take one axis or several", () => {
  const graph = new Graph();
  const ops = new Ops(graph);
  const x = graph.input("x", "float32", [2, 3, 4]);
  expect(ops.reduceSum(x, 1).shape).toEqual([2, 1, 4]);
  expect(ops.reduceSum(x, -1, false).shape).toEqual([2, 3]);
  expect(ops.reduceMean(x, 0, false).shape).toEqual([3, 4]);
  expect(ops.reduceMean(x, [0, 2]).shape).toEqual([1, 3, 1]);
});

describe("gradients at the edges", () => {
  const engine = nodeEngine({ threads: 1 });

  it("of Max go to the first of equal inputs", async () => {
    const { graph, inputs, y } = emit("Max", [[3], [3]]);
    const loss = new Ops(graph).reduceSum(y, [0], false);
    const { graph: backward, gradients } = differentiate(graph, loss, inputs);
    for (const [i, x] of inputs.entries()) backward.output(`dx${i}`, gradients.get(x)!);
    const executable = await engine.compile(backward);
    const vector = (...values: number[]) => tensor("float32", [3], Float32Array.from(values));
    const results = await executable.run({ x0: vector(1, 2, 3), x1: vector(1, 3, 2) });
    expect([...(await results.dx0!.read()).data]).toEqual([1, 0, 1]);
    expect([...(await results.dx1!.read()).data]).toEqual([0, 1, 0]);
    await executable.dispose();
  });

  it("of Pow exist for its base only", () => {
    const { graph, inputs, y } = emit("Pow", [[3], [3]]);
    const loss = new Ops(graph).reduceSum(y, [0], false);
    expect(() => differentiate(graph, loss, [inputs[1]!])).toThrow("no gradient with respect to its exponent");
  });

  it("of batch normalization do not exist for its running statistics", () => {
    const { graph, inputs, node } = emit("BatchNormalization", [[2, 3, 4, 4], [3], [3], [3], [3]], {
      training_mode: 1,
    });
    const loss = new Ops(graph).reduceSum(node.outputs[1]!, [0], false);
    expect(() => differentiate(graph, loss, [inputs[0]!])).toThrow("its running statistics carry no gradient");
  });

  it("of Pad exist for constants, and else for images only", () => {
    const graph = new Graph();
    const ops = new Ops(graph);
    const x = graph.input("x", "float32", [4]);
    const loss = ops.reduceSum(ops.one("Pad", [x, ops.ints([1, 1])], { mode: "reflect" }), [0], false);
    expect(() => differentiate(graph, loss, [x])).toThrow('mode "reflect" with pads 1, 1 of [4] has no gradient');
  });
});

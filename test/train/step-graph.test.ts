import { expect, test } from "vitest";
import type { Graph, Value } from "../../src/graph/index.ts";
import { itemSize, numel } from "../../src/graph/index.ts";
import { createModel, sgd } from "../../src/index.ts";
import { lower, simplify } from "../../src/passes/index.ts";
import { trainingGraphs } from "../../src/train/training-graph.ts";

/** The step as ONNX Runtime gets it on a processor with AVX2. */
function stepGraph(name: string, shape: readonly [number, number, number, number]): Graph {
  const model = createModel(name, { numClasses: 10, inputSize: shape[2] }).train();
  const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
  return simplify(lower(trainingGraphs(model, { input: shape, optimizer }).step, "cpu", { block: 8 }));
}

/** Operators that move no numbers. */
const FREE = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape"]);
const megabytes = (bytes: number) => Math.round(bytes / 1e6);

/** How many nodes there are, and how much the operators read and write, convolutions and products apart. */
function statistics({ nodes }: Graph) {
  const size = ({ dtype, shape }: Value) => numel(shape as readonly number[]) * itemSize(dtype);
  const count: Record<string, number> = {};
  let [moved, multiplied] = [0, 0];
  for (const { op, inputs, outputs } of nodes) {
    count[op] = (count[op] ?? 0) + 1;
    if (FREE.has(op)) continue;
    const bytes = [...inputs, ...outputs].reduce((sum, value) => sum + (value ? size(value) : 0), 0);
    if (/Conv|MatMul|Gemm/.test(op)) multiplied += bytes;
    else moved += bytes;
  }
  const common = Object.entries(count).filter(([, times]) => times >= 10);
  return {
    nodes: nodes.length,
    movedMB: megabytes(moved),
    multipliedMB: megabytes(multiplied),
    ...Object.fromEntries(common.sort(([a], [b]) => (a < b ? -1 : 1))),
  };
}

test("the steps of GoogLeNet, MobileNetV2, NiN and vgg_small have as many nodes, and move as much memory, as when this was written", () => {
  expect({
    googlenet: statistics(stepGraph("googlenet", [16, 3, 224, 224])),
    mobilenet_v2: statistics(stepGraph("mobilenet_v2", [16, 3, 224, 224])),
    nin: statistics(stepGraph("nin", [64, 3, 32, 32])),
    vgg_small: statistics(stepGraph("vgg_small", [64, 3, 32, 32])),
  }).toMatchInlineSnapshot(`
    {
      "googlenet": {
        "Add": 562,
        "BatchNormalization": 84,
        "Concat": 19,
        "Conv": 262,
        "Div": 297,
        "Expand": 41,
        "FusedConv": 174,
        "FusedMatMul": 106,
        "Gather": 229,
        "HardSigmoid": 61,
        "MatMul": 130,
        "MaxPool": 65,
        "Mul": 1191,
        "Neg": 124,
        "Reciprocal": 59,
        "ReduceSum": 505,
        "Relu": 46,
        "ReorderInput": 146,
        "ReorderOutput": 127,
        "Reshape": 1369,
        "Sqrt": 59,
        "Sub": 256,
        "Transpose": 83,
        "movedMB": 11509,
        "multipliedMB": 7796,
        "nodes": 6052,
      },
      "mobilenet_v2": {
        "Add": 492,
        "BatchNormalization": 59,
        "Clip": 22,
        "Concat": 13,
        "Conv": 222,
        "Div": 261,
        "Expand": 21,
        "FusedConv": 76,
        "FusedMatMul": 75,
        "Gather": 102,
        "HardSigmoid": 44,
        "MatMul": 27,
        "Mul": 1086,
        "Neg": 107,
        "Reciprocal": 52,
        "ReduceSum": 464,
        "ReorderInput": 110,
        "ReorderOutput": 68,
        "Reshape": 1062,
        "Sqrt": 52,
        "Sub": 195,
        "Transpose": 57,
        "movedMB": 7541,
        "multipliedMB": 6447,
        "nodes": 4686,
      },
      "nin": {
        "Add": 29,
        "Conv": 26,
        "FusedConv": 18,
        "FusedMatMul": 15,
        "Gather": 16,
        "MatMul": 15,
        "Mul": 61,
        "Pad": 17,
        "ReduceSum": 27,
        "ReorderInput": 16,
        "ReorderOutput": 14,
        "Reshape": 132,
        "Sub": 21,
        "Transpose": 11,
        "movedMB": 2870,
        "multipliedMB": 1775,
        "nodes": 486,
      },
      "vgg_small": {
        "Add": 48,
        "Conv": 30,
        "Div": 21,
        "FusedMatMul": 12,
        "Gather": 38,
        "MatMul": 21,
        "Mul": 98,
        "Neg": 11,
        "ReduceSum": 45,
        "ReorderInput": 21,
        "ReorderOutput": 18,
        "Reshape": 164,
        "Sub": 30,
        "movedMB": 550,
        "multipliedMB": 382,
        "nodes": 616,
      },
    }
  `);
});

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
        "Add": 641,
        "BatchNormalization": 118,
        "Concat": 38,
        "Conv": 212,
        "Div": 297,
        "Expand": 41,
        "FusedMatMul": 318,
        "Gather": 51,
        "HardSigmoid": 61,
        "MatMul": 10,
        "MaxPool": 65,
        "Mul": 1390,
        "Neg": 123,
        "Pad": 93,
        "Reciprocal": 59,
        "ReduceSum": 509,
        "Relu": 61,
        "ReorderInput": 122,
        "ReorderOutput": 69,
        "Reshape": 1328,
        "Slice": 34,
        "Sqrt": 59,
        "Sub": 307,
        "Transpose": 119,
        "movedMB": 12733,
        "multipliedMB": 5712,
        "nodes": 6173,
      },
      "mobilenet_v2": {
        "Add": 544,
        "And": 35,
        "BatchNormalization": 104,
        "Cast": 36,
        "Clip": 35,
        "Conv": 120,
        "Div": 261,
        "Expand": 29,
        "FusedMatMul": 74,
        "Gather": 30,
        "Greater": 35,
        "Less": 35,
        "Mul": 1095,
        "Neg": 106,
        "Reciprocal": 52,
        "ReduceSum": 426,
        "ReorderInput": 92,
        "ReorderOutput": 67,
        "Reshape": 821,
        "Sqrt": 52,
        "Sub": 216,
        "Transpose": 56,
        "movedMB": 11709,
        "multipliedMB": 3978,
        "nodes": 4345,
      },
      "nin": {
        "Add": 40,
        "Conv": 17,
        "FusedMatMul": 41,
        "Mul": 85,
        "Pad": 40,
        "ReduceSum": 27,
        "ReorderInput": 12,
        "Reshape": 178,
        "Slice": 11,
        "Sub": 27,
        "Transpose": 17,
        "movedMB": 3156,
        "multipliedMB": 1301,
        "nodes": 576,
      },
      "vgg_small": {
        "Add": 52,
        "Concat": 10,
        "Conv": 13,
        "Div": 21,
        "FusedMatMul": 31,
        "Mul": 119,
        "Neg": 10,
        "Pad": 13,
        "ReduceSum": 43,
        "ReorderInput": 18,
        "Reshape": 129,
        "Sub": 33,
        "movedMB": 656,
        "multipliedMB": 210,
        "nodes": 572,
      },
    }
  `);
});

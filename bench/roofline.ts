/**
 * What bounds a training step: its arithmetic and the memory that it moves outside products and convolutions of several channels, at the speeds that this
 * machine has for either.
 *
 *     npx tsx bench/roofline.ts [NETWORK…]
 *
 * A step can take less than both together only where a kernel computes while it moves memory.
 */
import { createModel, sgd, type TensorData, trace, zeros } from "convnets";
import { Graph, itemSize, numel, type Value } from "convnets/graph";
import { nodeEngine } from "convnets/node";
import { Ops, operator } from "convnets/operators";
import { lower, simplify } from "convnets/passes";
import { TrainingStep, trainingGraphs } from "convnets/train";
import { CASES } from "./cases.ts";

const engine = nodeEngine();
const random = (shape: readonly number[]): TensorData => {
  const values = zeros("float32", shape);
  values.data.forEach((_, i) => {
    values.data[i] = Math.sin(i);
  });
  return values;
};

/** The shortest of some runs, in seconds. */
async function shortest(run: () => Promise<unknown>, runs = 12): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await run();
    best = Math.min(best, (performance.now() - start) / 1000);
  }
  return best;
}

/** Seconds of a graph of two inputs, of which one number is read. */
async function seconds(a: readonly number[], b: readonly number[], build: (g: Ops, a: Value, b: Value) => Value) {
  const graph = new Graph("probe");
  const y = build(new Ops(graph), graph.input("a", "float32", a), graph.input("b", "float32", b));
  const first = new Ops(graph).slice(
    y,
    y.shape.map((_, axis) => [axis, 0, 1]),
  );
  graph.output("y", first);
  const executable = await engine.compile(graph);
  const feeds = { a: random(a), b: random(b) };
  const time = await shortest(() => executable.run(feeds));
  await executable.dispose();
  return time;
}

const side = 2048;
const flops = (2 * side ** 3) / (await seconds([side, side], [side, side], (g, a, b) => g.matmul(a, b)));
const count = 2 ** 25;
const bytes = (3 * 4 * count) / (await seconds([count], [count], (g, a, b) => g.add(a, b)));
console.log(`matrix product ${(flops / 1e9).toFixed(0)} GFLOP/s, sum of two tensors ${(bytes / 1e9).toFixed(1)} GB/s`);
console.log(
  "case                                   GFLOP   GB moved   arithmetic ms   memory ms   both ms   measured ms",
);

const FREE = new Set(["Reshape", "Squeeze", "Unsqueeze", "Flatten", "Identity", "Shape"]);
const wanted = process.argv.slice(2);
for (const { network, mode, batch, size } of CASES) {
  if (mode !== "train" || (wanted.length > 0 && !wanted.includes(network))) continue;
  const model = createModel(network).initialize(1).train();
  const input = [batch, 3, size, size];
  const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
  const forward = trace(model, input, { training: true }).graph;
  const macs = forward.nodes.reduce((sum, node) => sum + (operator(node.op, node.domain).macs?.(node) ?? 0), 0);
  const { nodes } = simplify(
    lower(trainingGraphs(model, { input, optimizer, dropout: false }).step, "cpu", { block: 8 }),
  );
  let moved = 0;
  for (const { op, inputs, outputs } of nodes) {
    // a convolution of each channel by itself does little else than to move it
    const isPass = op.includes("Conv") && inputs[1]?.shape[1] === 1;
    if (FREE.has(op) || (/Conv|MatMul|Gemm/.test(op) && !isPass)) continue;
    for (const value of [...inputs, ...outputs])
      if (value) moved += numel(value.shape as readonly number[]) * itemSize(value.dtype);
  }
  const step = await TrainingStep.create(model, { engine, input, optimizer, dropout: false });
  const target = random([batch, ...step.targetSize]);
  target.data.forEach((_, i) => {
    target.data[i] = 1 / step.numClasses;
  });
  const images = random(input);
  const measured = await shortest(() => step.run({ input: images, target }, 0.001), 6);
  await step.dispose();
  // forward, gradient of the weights, gradient of the input
  const work = 3 * 2 * macs;
  const [arithmetic, memory] = [work / flops, moved / bytes];
  const cells = [work / 1e9, moved / 1e9, arithmetic * 1e3, memory * 1e3, (arithmetic + memory) * 1e3, measured * 1e3];
  const widths = [6, 11, 16, 12, 10, 14];
  const row = cells.map((cell, i) => cell.toFixed(i === 1 ? 1 : 0).padStart(widths[i]!)).join("");
  console.log(`${`${network}, batch ${batch} of ${size}×${size}`.padEnd(38)}${row}`);
}

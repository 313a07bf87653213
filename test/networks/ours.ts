/** What our networks compute, written down for reference.py. */
import { mkdirSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { encodeSafetensors } from "../../src/checkpoint/index.ts";
import { numel, type TensorData, type TensorType, tensor, zeros } from "../../src/graph/index.ts";
import { type Module, trace } from "../../src/nn/index.ts";
import { Ops } from "../../src/operators/index.ts";
import { sgd } from "../../src/optim/index.ts";
import { Random } from "../../src/random.ts";
import type { Engine } from "../../src/runtime/engine.ts";
import { nodeEngine } from "../../src/runtime/node/index.ts";
import { oneHot, TrainingStep } from "../../src/train/index.ts";
import type { Case } from "./cases.ts";

const MOMENTUM = 0.9;
const WEIGHT_DECAY = 5e-4;

export type Tensors = Map<string, TensorData>;

export interface ComputeOptions {
  readonly seed: number;
  readonly steps: number;
  /** Weights to compute with, in place of those that PyTorch is given: a fault that the comparison has to find. */
  readonly change?: (weights: Tensors) => Tensors;
}

/** Classifies an image, and trains for some steps. Files in the folder, which is made, hold all inputs and all results. */
export async function compute(example: Case, folder: string, { seed, steps, change }: ComputeOptions): Promise<string> {
  mkdirSync(folder);
  const write = (name: string, tensors: Tensors) =>
    writeFile(join(folder, `${name}.safetensors`), encodeSafetensors({ tensors, metadata: {} }));
  const { training, classes, evalSide } = example;
  const model = example.create();
  model.loadStateDict(drawWeights(model, seed));
  await write("start", model.stateDict());
  if (change) model.loadStateDict(change(model.stateDict()));

  const engine = nodeEngine({ threads: 1 });
  const input = drawImages(1, evalSide, seed);
  const { graph } = trace(model.eval(), ["N", 3, evalSide, evalSide]);
  const executable = await engine.compile(graph, { weights: model.stateDict() });
  const outputs = Object.entries(await executable.run({ input }));
  const read = outputs.map(async ([name, value]) => [name, await value.read()] as const);
  await write("evaluated", new Map([["input", input], ...(await Promise.all(read))]));
  await executable.dispose();
  if (!training) return folder;

  const { side, batch, lr } = training;
  const watched = watch(engine);
  const step = await TrainingStep.create(model.train(), {
    engine: watched.engine,
    // with a named batch, ONNX Runtime takes five times as long to compile a large network: the small ones have it
    input: [steps > 1 ? "N" : batch, 3, side, side],
    optimizer: sgd({ momentum: MOMENTUM, weightDecay: WEIGHT_DECAY }),
    dropout: false,
  });
  for (let i = 0; i < steps; i++) {
    const images = drawImages(batch, side, seed, i);
    const random = new Random(seed, "labels", i);
    const labels = BigInt64Array.from({ length: batch }, () => BigInt(random.integer(classes)));
    const { loss } = await step.run({ input: images, target: oneHot(Array.from(labels, Number), classes) }, lr);
    const inputs = { input: images, labels: tensor("int64", [batch], labels) };
    const results = { loss: tensor("float32", [], Float32Array.of(loss)), ...watched.seen() };
    await write(`step${i + 1}`, new Map(Object.entries({ ...inputs, ...results })));
    if (i === 0) await write("first", await step.state());
  }
  await write("last", new Map([...(await step.state()), ...(await step.weights())]));
  await step.dispose();
  const settings = { lr, momentum: MOMENTUM, weight_decay: WEIGHT_DECAY, steps };
  await writeFile(join(folder, "settings.json"), JSON.stringify(settings));
  return folder;
}

/** Large weights repeat after so many numbers: a prime, so that no two rows are the same. To draw 138 million takes seconds. */
const PERIOD = 99_991;

/** Weights with which signals keep their size through every layer, and running statistics as after some training. */
function drawWeights(model: Module, seed: number): Map<string, TensorData> {
  const types = new Map<string, TensorType>([...model.parameters(), ...model.buffers()]);
  const range = (key: string, shape: readonly number[]): readonly [low: number, high: number] => {
    if (shape.length > 1) {
      const bound = Math.sqrt(6 / numel(shape.slice(1)));
      return [-bound, bound];
    }
    if (/weight$|running_var$/.test(key)) return [0.5, 1.5];
    // a ReLU behind batch normalization that cuts off half of its values would make rounding grow from layer to layer
    return types.get(key.replace(/bias$|running_mean$/, "weight"))!.shape.length === 1 ? [0, 1.5] : [0, 0.1];
  };
  const drawn = (key: string, { dtype, shape }: TensorType) => {
    const sizes = shape as number[];
    if (dtype === "int64") return zeros("int64", sizes);
    const [low, high] = range(key, sizes);
    const random = new Random(seed, key);
    const data = new Float32Array(numel(sizes));
    for (let i = 0; i < Math.min(PERIOD, data.length); i++) data[i] = low + (high - low) * random.uniform();
    for (let at = PERIOD; at < data.length; at += PERIOD)
      data.set(data.subarray(0, Math.min(PERIOD, data.length - at)), at);
    return tensor("float32", sizes, data);
  };
  return new Map([...types].map(([key, type]) => [key, drawn(key, type)]));
}

/** Noise with detail at every scale, as photographs have: white noise would average out on the way up. */
function drawImages(count: number, side: number, seed: number, batch = -1): TensorData {
  const random = new Random(seed, "images", batch);
  const data = new Float32Array(count * 3 * side * side);
  for (let plane = 0; plane < count * 3; plane++) {
    for (let size = 2; size <= side; size *= 2) {
      const noise = Float32Array.from({ length: size * size }, () => 2 * random.uniform() - 1);
      const at = (pixel: number) => Math.floor((pixel * size) / side);
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++) data[(plane * side + y) * side + x]! += noise[at(y) * size + at(x)]!;
    }
  }
  return tensor("float32", [count, 3, side, side], data);
}

/** What is recorded: at operators with kinks, that which tells the side each value is on; and the scores. */
const WATCHED: Readonly<Record<string, "input" | "output">> = {
  Relu: "output",
  Clip: "output",
  HardSwish: "input",
  HardSigmoid: "output",
  MaxPool: "input",
  LogSoftmax: "output",
};

/** An engine that records, in each run, what the forward pass had at the operators above: as `Relu:0`, `Relu:1`, … */
function watch(engine: Engine): { engine: Engine; seen(): Record<string, TensorData> } {
  let last: Record<string, TensorData> = {};
  const compile: Engine["compile"] = async (graph, options) => {
    const wider = graph.copy();
    const ops = new Ops(wider, { share: true });
    const names: string[] = [];
    const forward = graph.nodes.filter(({ scope }) => !scope.startsWith("backward"));
    // a ReLU that was moved behind its pool is recorded where it was
    const moved = new Map(
      forward.flatMap((relu) => {
        const pool = relu.op === "Relu" ? graph.producer(relu.inputs[0]!) : undefined;
        return pool?.op === "MaxPool" && pool.scope === relu.scope
          ? [relu, pool].map((node) => [node, () => ops.relu(pool.inputs[0]!)] as const)
          : [];
      }),
    );
    for (const node of forward) {
      const { op, inputs, outputs } = node;
      if (!WATCHED[op]) continue;
      const name = `${op}:${names.filter((other) => other.startsWith(op)).length}`;
      names.push(name);
      wider.output(name, moved.get(node)?.() ?? (WATCHED[op] === "input" ? inputs[0]! : outputs[0]!));
    }
    const executable = await engine.compile(wider, options);
    return {
      inputs: executable.inputs,
      outputs: [...graph.outputs.keys()],
      dispose: () => executable.dispose(),
      async run(feeds, runOptions) {
        const results = Object.entries(await executable.run(feeds, runOptions));
        const watched = results.filter(([name]) => names.includes(name));
        // the update may be a graph of its own
        if (watched.length === 0) return Object.fromEntries(results);
        last = Object.fromEntries(
          await Promise.all(watched.map(async ([name, value]) => [name, await value.read()] as const)),
        );
        return Object.fromEntries(results.filter(([name]) => !names.includes(name)));
      },
    };
  };
  return { engine: { ...engine, compile }, seen: () => last };
}

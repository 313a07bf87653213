/** A small training whose gradients and layer outputs can be measured between two steps. */
import { type Engine, type Executable, sgd, type TensorData, zeros } from "convnets";
import { crossEntropy, type Module, type ModuleCall, trace } from "convnets/nn";
import { next, oneHot, type TrainingBatch, TrainingStep, trainingGraphs } from "convnets/train";
import { CLASSES } from "./images.ts";
import type { Spread } from "./protocol.ts";

interface Options {
  readonly engine: Engine;
  readonly shape: readonly number[];
  readonly lossWeights?: Readonly<Record<string, number>>;
  /** Whether gradients are measured. */
  readonly gradients?: boolean;
  /** Paths of layers whose inputs are measured. */
  readonly watched?: readonly string[];
}

interface Gradients {
  readonly graph: Executable;
  readonly sums: Readonly<Record<string, TensorData>>;
}

/** A network in training. Its loss is that of its main output, whatever else is minimized. */
export class Trained {
  readonly #step: TrainingStep;
  readonly #gradients: Gradients | undefined;
  readonly #layers: Executable | undefined;

  private constructor(parts: [TrainingStep, Gradients | undefined, Executable | undefined]) {
    [this.#step, this.#gradients, this.#layers] = parts;
  }

  static async create(model: Module, { engine, shape, lossWeights, gradients, watched }: Options): Promise<Trained> {
    const metrics = { main: crossEntropy };
    const optimizer = sgd({ momentum: 0.9 });
    const options = { engine, input: shape, optimizer, metrics, ...(lossWeights && { lossWeights }) };
    const step = await TrainingStep.create(model.initialize(0), options);
    const graphs = gradients ? trainingGraphs(model, options) : undefined;
    const measured = graphs && {
      graph: await engine.compile(graphs.accumulate),
      sums: Object.fromEntries([...graphs.sums].map(([name, size]) => [name, zeros("float32", size)])),
    };
    const layers = watched && (await engine.compile(inputsOf(model, shape, watched, engine)));
    return new Trained([step, measured, layers]);
  }

  /** One update; gives the loss of the main output before it. */
  async step(batch: TrainingBatch, rate: number): Promise<number> {
    const { metrics } = await this.#step.run(batch, rate);
    return metrics.main!;
  }

  /** Norm of the gradient of all weights whose key starts with each of these names, at a batch, without an update. */
  async norms({ input, target }: TrainingBatch, names: readonly string[]): Promise<number[]> {
    const { graph, sums } = this.#gradients!;
    const feeds = { input: input as TensorData, target: oneHot(target.data, CLASSES), share: scalar(1), ...sums };
    const found = await read(graph, { ...this.#step.feeds, ...feeds }, Object.keys(sums).map(next));
    return names.map((name) => {
      let squares = 0;
      for (const [key, { data }] of Object.entries(found)) {
        if (!key.startsWith(next(`sum:${name}`))) continue;
        for (const value of data as Float32Array) squares += value * value;
      }
      return Math.sqrt(squares);
    });
  }

  /** How what the watched layers get is distributed, with the statistics of the batch as in training. */
  async spreads({ input }: TrainingBatch): Promise<Spread[]> {
    const layers = this.#layers!;
    const found = await read(layers, { ...this.#step.feeds, input: input as TensorData }, layers.outputs);
    return layers.outputs.map((name) => spreadOf(found[name]!.data as Float32Array));
  }

  async dispose(): Promise<void> {
    await this.#step.dispose();
    await this.#gradients?.graph.dispose();
    await this.#layers?.dispose();
  }
}

const scalar = (value: number): TensorData => ({ dtype: "float32", shape: [], data: Float32Array.of(value) });

/** The training form of a network, whose outputs are what some of its layers get. */
function inputsOf(model: Module, shape: readonly number[], watched: readonly string[], engine: Engine) {
  const { graph, root } = trace(model, shape, { training: true, target: engine.target });
  const found = new Map<string, ModuleCall>();
  const visit = (call: ModuleCall): void => {
    found.set(call.path, call);
    call.calls.forEach(visit);
  };
  visit(root);
  graph.outputs.clear();
  for (const path of watched) graph.output(`in ${path}`, found.get(path)!.inputs[0]!);
  return graph;
}

async function read(graph: Executable, feeds: Parameters<Executable["run"]>[0], outputs: readonly string[]) {
  const used = Object.entries(feeds).filter(([name]) => graph.inputs.includes(name));
  const results = await graph.run(Object.fromEntries(used), { outputs });
  const all = Object.entries(results).map(async ([name, one]) => {
    const data = await one.read();
    one.dispose();
    return [name, data] as const;
  });
  return Object.fromEntries(await Promise.all(all)) as Record<string, TensorData>;
}

const SHARES = [0.05, 0.25, 0.5, 0.75, 0.95] as const;

export function spreadOf(numbers: Float32Array): Spread {
  const sorted = Float32Array.from(numbers).sort();
  return SHARES.map((part) => sorted[Math.floor(part * (sorted.length - 1))]!) as unknown as Spread;
}

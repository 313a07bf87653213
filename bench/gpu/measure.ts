/** A network on an engine: its outputs, its losses, and how fast both come. For Node and for pages. */

import type { Engine } from "convnets";
import { createModel, oneHot, sgd, TrainingStep, trace } from "convnets";
import type { Network } from "../cases.ts";

/** What is measured of one network. */
export interface Plan {
  readonly network: Network;
  /** Side of the images in pixels. */
  readonly size: number;
  /** Batch sizes of inference. */
  readonly infer: readonly number[];
  /** Batch size of the training steps. */
  readonly train: number;
  readonly steps: number;
  /** Seconds that the runs of each batch size may take together. */
  readonly seconds: number;
}

export interface Measured {
  /** All outputs for two images. */
  readonly outputs: readonly number[];
  /** Milliseconds of a run by batch size, medians. */
  readonly infer: Readonly<Record<number, number>>;
  readonly losses: readonly number[];
  /** Milliseconds of a step, the median of the second half. */
  readonly step: number;
  /** Milliseconds until the first step is done, with all that is compiled for it. */
  readonly firstStep: number;
}

/** A number between −1 and 1 that looks drawn at random, the same everywhere. */
function noise(i: number): number {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return 2 * (x - Math.floor(x)) - 1;
}

const images = (batch: number, size: number) => ({
  dtype: "float32" as const,
  shape: [batch, 3, size, size],
  data: Float32Array.from({ length: batch * 3 * size * size }, (_, i) => noise(i)),
});

const median = (values: readonly number[]) => [...values].sort((a, b) => a - b)[values.length >> 1]!;

async function timed(task: () => Promise<void>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}

/** Runs a task for these seconds, after two runs that are not counted. */
async function repeated(task: () => Promise<void>, seconds: number): Promise<number> {
  const times: number[] = [];
  for (let i = -2; i < 30; i++) {
    const time = await timed(task);
    if (i >= 0) times.push(time);
    if (i >= 2 && times.reduce((sum, time) => sum + time, 0) > 1000 * seconds) break;
  }
  return median(times);
}

/** Images go in and numbers come out: what it takes to copy them is part of the time. */
export async function inference(
  engine: Engine,
  { network, size, infer, seconds }: Plan,
): Promise<Omit<Measured, "losses" | "step" | "firstStep">> {
  const model = createModel(network).initialize(1);
  const { graph } = trace(model, ["N", 3, size, size]);
  const executable = await engine.compile(graph, { weights: model.stateDict() });
  const run = async (batch: ReturnType<typeof images>) => {
    const results = await executable.run({ [executable.inputs[0]!]: batch });
    const read = await Promise.all(Object.values(results).map((tensor) => tensor.read()));
    for (const tensor of Object.values(results)) tensor.dispose();
    return read.flatMap(({ data }) => Array.from(data as Float32Array));
  };
  const outputs = await run(images(2, size));
  const times: Record<number, number> = {};
  for (const batch of infer) {
    const input = images(batch, size);
    times[batch] = await repeated(async () => void (await run(input)), seconds);
  }
  await executable.dispose();
  return { outputs, infer: times };
}

export async function training(
  engine: Engine,
  { network, size, train, steps }: Plan,
): Promise<Omit<Measured, "outputs" | "infer">> {
  const model = createModel(network).initialize(1);
  const optimizer = sgd({ momentum: 0.9, weightDecay: 5e-4 });
  const begin = performance.now();
  const step = await TrainingStep.create(model, { engine, input: ["N", 3, size, size], optimizer, dropout: false });
  const target = oneHot(
    Array.from({ length: train }, (_, i) => i % 10),
    step.numClasses,
  );
  const input = images(train, size);
  const losses: number[] = [];
  const times: number[] = [];
  let firstStep = 0;
  for (let i = 0; i < steps; i++) {
    times.push(await timed(async () => void losses.push((await step.run({ input, target }, 0.001)).loss)));
    if (i === 0) firstStep = performance.now() - begin;
  }
  await step.dispose();
  return { losses, step: median(times.slice(steps >> 1)), firstStep };
}

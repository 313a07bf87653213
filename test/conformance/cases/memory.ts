import { Graph, numel, zeros } from "../../../src/graph/index.ts";
import { Flatten, Linear, ReLU, Sequential } from "../../../src/nn/index.ts";
import { Ops } from "../../../src/operators/index.ts";
import { sgd } from "../../../src/optim/index.ts";
import { oneHot, TrainingStep } from "../../../src/train/index.ts";
import { assert, type Case, measured, repeat, type Setting, unary, using } from "../case.ts";
import { batch, RATE, trainingStep } from "./networks.ts";

const MiB = 2 ** 20;

/** Runs that must not leak, and how often they may look as if they did. */
const RUNS = 300;
const ROUNDS = 3;

/**
 * Demands that repeating a task leaves no memory behind: less than half of what it would, were the `bytes` kept that each run
 * takes. Memory is noisy, but a leak grows in every round.
 */
async function assertNoLeak(setting: Setting, task: () => Promise<void>, count: number, bytes: number): Promise<void> {
  await repeat(Math.max(3, count / 10), task);
  let grown = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const before = await measured(setting.memory());
    await repeat(count, task);
    grown = (await measured(setting.memory())) - before;
    if (grown < (count * bytes) / 2) return;
  }
  throw new Error(`${count} runs leave ${(grown / MiB).toFixed(1)} MiB behind, ${ROUNDS} times in a row`);
}

/** What is not used any more is given back. */
export const memory: Case[] = [
  {
    name: `does not leak over ${RUNS} runs`,
    async run(setting) {
      const width = 16_384;
      const engine = await setting.engine();
      const x = zeros("float32", [1, width]);
      for (const keepOnDevice of [false, true]) {
        await using(
          engine.compile(
            unary(width, (g, x) => g.relu(x)),
            { keepOnDevice },
          ),
          async (executable) => {
            const once = async () => (await executable.run({ x })).y!.dispose();
            await assertNoLeak(setting, once, RUNS, 4 * width);
          },
        );
      }
    },
  },
  {
    name: "gives weights back when an executable is disposed",
    async run(setting) {
      const engine = await setting.engine();
      // together much more than what drivers keep for themselves
      const names = ["w0", "w1", "w2", "w3"];
      const shape = [1024, 3840];
      const graph = new Graph("weights");
      const g = new Ops(graph);
      const x = graph.input("x", "float32", ["N", 1024]);
      const products = names.map((name) => g.matmul(x, graph.parameter(name, "float32", shape)));
      graph.output(
        "y",
        products.reduce((sum, product) => g.add(sum, product)),
      );
      const weights = new Map(names.map((name) => [name, zeros("float32", shape)]));
      const feeds = { x: zeros("float32", [1, 1024]) };
      const once = () =>
        using(engine.compile(graph, { weights }), async (executable) => (await executable.run(feeds)).y!.dispose());
      await assertNoLeak(setting, once, 5, names.length * 4 * numel(shape));
    },
  },
];

/** The state of a training is where it should be. */
export const state: Case[] = [
  {
    name: "a training step keeps its state where it computes, and keeps none of what it replaced",
    async run(setting) {
      measured(setting.readBack());
      const model = new Sequential(new Flatten(), new Linear(1024, 512), new ReLU(), new Linear(512, 10));
      const step = await TrainingStep.create(model.initialize(1), {
        engine: await setting.engine(),
        input: ["N", 1, 32, 32],
        optimizer: sgd({ momentum: 0.9 }),
      });
      try {
        const data = { input: zeros("float32", [4, 1, 32, 32]), target: oneHot([0, 1, 2, 3], 10) };
        const once = async () => void (await step.run(data, RATE));
        await repeat(3, once);
        const start = measured(setting.readBack());
        await repeat(5, once);
        const perStep = (measured(setting.readBack()) - start) / 5;
        assert(perStep < 1024, () => `a step reads back ${perStep} bytes`);
        const state = [...(await step.state()).values()];
        const bytes = state.reduce((sum, { data }) => sum + data.byteLength, 0);
        await assertNoLeak(setting, once, 6, bytes);
      } finally {
        await step.dispose();
      }
    },
  },
  {
    name: "a training state that was read can be restored, and goes on as before",
    async run(setting) {
      const step = await trainingStep(setting, "nin");
      try {
        const data = batch("nin", 0, 4);
        await repeat(3, async () => void (await step.run(data, RATE)));
        const kept = await step.state();
        const { loss } = await step.run(data, RATE);
        await step.run(data, RATE);
        step.restore(kept, 3);
        const again = await step.run(data, RATE);
        assert(again.loss === loss, () => `the loss is ${again.loss} after restoring, and was ${loss}`);
      } finally {
        await step.dispose();
      }
    },
  },
];

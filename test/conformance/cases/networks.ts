import { numel, type TensorData } from "../../../src/graph/index.ts";
import { type Module, trace } from "../../../src/nn/index.ts";
import { sgd } from "../../../src/optim/index.ts";
import { Random } from "../../../src/random.ts";
import { TrainingStep } from "../../../src/train/step.ts";
import type { TrainingBatch } from "../../../src/train/step-batch.ts";
import { oneHot } from "../../../src/train/targets.ts";
import { assert, assertClose, type Case, floats, numbers, type Setting, using } from "../case.ts";
import { CLASSES, NETWORKS, type NetworkName } from "../networks.ts";
import reference from "../reference.json" with { type: "json" };

/** Largest difference from PyTorch in float64, as a share of the largest element. */
export const OUTPUT_TOLERANCE = 1e-4;
const LOSS_TOLERANCE = 1e-4;
const WEIGHT_TOLERANCE = 1e-3;

/** Learning rate and seed of the images, the same as in reference.py. */
export const RATE = 0.003;
export const SEED = 5;

/** Numbers in [−1, 1), the same as in reference.py. */
export function uniform(count: number, key: string): number[] {
  const random = new Random(SEED, key);
  return Array.from({ length: count }, () => -1 + 2 * random.uniform());
}

/** Images of a network, of the many that there are. */
function images(name: NetworkName, from: number, to: number): TensorData {
  const { image } = NETWORKS[name];
  const size = numel(image);
  return floats([to - from, ...image], uniform(to * size, "images").slice(from * size));
}

export function batch(name: NetworkName, from: number, to: number): TrainingBatch {
  const random = new Random(SEED, "labels");
  const labels = Array.from({ length: to }, () => random.integer(CLASSES)).slice(from);
  return { input: images(name, from, to), target: oneHot(labels, CLASSES) };
}

const create = (name: NetworkName): Module => NETWORKS[name].create().initialize(1);

const names = Object.keys(NETWORKS) as NetworkName[];

export const inference = names.map(
  (name): Case => ({
    name: `inference of ${name} equals PyTorch's, at batches of 1 and 3`,
    async run(setting) {
      const engine = await setting.engine();
      const { graph } = trace(create(name).eval(), ["N", ...NETWORKS[name].image], { target: engine.target });
      const weights = create(name).stateDict();
      const wanted: Readonly<Record<string, readonly number[]>> = reference[name].outputs;
      // weights that are fed are those of the training below
      await using(engine.compile(graph, { weights }), async (executable) => {
        for (const N of [1, 3]) {
          const results = await executable.run({ input: images(name, 0, N) });
          for (const [output, expected] of Object.entries(wanted)) {
            const what = `${output} at batch ${N}`;
            assertClose(await numbers(results[output]), expected.slice(0, N * CLASSES), OUTPUT_TOLERANCE, what);
          }
        }
      });
    },
  }),
);

export const training = names.map(
  (name): Case => ({
    name: `training ${name} gives PyTorch's losses and weights`,
    async run(setting) {
      const { losses, correct, norms } = reference[name];
      const step = await trainingStep(setting, name);
      try {
        for (const [i, wanted] of losses.entries()) {
          const from = (i % 2) * 4;
          const result = await step.run(batch(name, from, from + 4), RATE);
          const close = Math.abs(result.loss - wanted) <= LOSS_TOLERANCE * Math.abs(wanted);
          assert(close, () => `loss ${i} is ${result.loss}, not ${wanted}`);
          assert(result.correct === correct[i], () => `step ${i} has ${result.correct} right, not ${correct[i]}`);
        }
        const weights = await step.weights();
        for (const [key, wanted] of Object.entries(norms)) {
          const norm = normOf(weights.get(key)!);
          const close = Math.abs(norm - wanted) <= WEIGHT_TOLERANCE * wanted + 1e-6;
          assert(close, () => `the norm of ${key} is ${norm}, not ${wanted}`);
        }
      } finally {
        await step.dispose();
      }
    },
  }),
);

const normOf = ({ data }: TensorData) =>
  Math.sqrt(Array.from(data, Number).reduce((sum, value) => sum + value ** 2, 0));

export async function trainingStep(setting: Setting, name: NetworkName): Promise<TrainingStep> {
  return TrainingStep.create(create(name), {
    engine: await setting.engine(),
    input: ["N", ...NETWORKS[name].image],
    optimizer: sgd({ momentum: 0.9, weightDecay: 5e-4 }),
    clipNorm: 1e6,
  });
}

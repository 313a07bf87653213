/** Why normalize: the same plain network with and without batch normalization, at three learning rates. */
import type { Engine } from "convnets";
import { BatchNorm2d, Conv2d, Linear, MaxPool2d, Module, ReLU, Sequential, type Tensor } from "convnets/nn";
import { BATCH, batches, CLASSES, SET, SIDE } from "./images.ts";
import type { Course, Moment, NormalizeResult, Question, Spread } from "./protocol.ts";
import { Trained } from "./training.ts";

const WIDTH = 16;
const EVERY = 4;
/** Learning rates, each ten times the one before. */
export const RATES = [0.005, 0.05, 0.5] as const;

/** 3×3 convolutions in a row, with two pools on the way. */
export class PlainNet extends Module<Tensor> {
  readonly features: Sequential;
  readonly fc: Linear;
  /** Paths of the activations. */
  readonly activations: readonly string[];

  constructor(count: number, normalized: boolean) {
    super();
    const layers: Module<Tensor>[] = [];
    const activations: string[] = [];
    for (let i = 0; i < count; i++) {
      layers.push(new Conv2d(i === 0 ? 3 : WIDTH, WIDTH, 3, { padding: 1, bias: !normalized }));
      if (normalized) layers.push(new BatchNorm2d(WIDTH));
      activations.push(`features.${layers.length}`);
      layers.push(new ReLU());
      if (i === Math.floor(count / 3) || i === Math.floor((2 * count) / 3)) layers.push(new MaxPool2d(2));
    }
    this.activations = activations;
    this.features = new Sequential(...layers);
    this.fc = new Linear(WIDTH, CLASSES);
  }

  forward(x: Tensor): Tensor {
    return this.fc.call(this.features.call(x).mean([2, 3]));
  }
}

export async function normalize(
  { layers: count, steps }: Extract<Question, { kind: "normalize" }>,
  engine: Engine,
  report: (result: NormalizeResult) => void,
): Promise<void> {
  const start = performance.now();
  const shape = [BATCH, 3, SIDE, SIDE];
  const data = batches("train", SET);
  const probe = batches("test", 1)[0]!;
  const runs = RATES.map(() => [new Run(), new Run()] as const);
  const tell = (done: boolean) =>
    report({
      ...{ kind: "normalize", total: steps, rates: RATES, layers: Array.from({ length: count }, (_, i) => `${i + 1}`) },
      courses: runs.map(([a, b]) => [a.course("without"), b.course("with")] as const),
      spreads: runs.map(([a, b]) => [[...a.spreads], [...b.spreads]] as const),
      seconds: (performance.now() - start) / 1000,
      done,
    });
  // one rate after the other, so that only two networks are in memory
  for (const [r, rate] of RATES.entries()) {
    const trained = await Promise.all(
      [false, true].map((normalized) => {
        const model = new PlainNet(count, normalized);
        return Trained.create(model, { engine, shape, watched: model.activations });
      }),
    );
    try {
      for (let n = 0; n < steps; n++) {
        const batch = data[n % data.length]!;
        for (const i of [0, 1] as const) {
          const run = runs[r]![i];
          if (run.diverged) continue;
          if (n % EVERY === 0) run.spreads.push({ step: n + 1, values: await trained[i]!.spreads(probe) });
          run.losses.push(await trained[i]!.step(batch, rate));
        }
        if (n % EVERY === EVERY - 1) tell(false);
      }
    } finally {
      for (const one of trained) await one.dispose();
    }
  }
  tell(true);
}

class Run {
  readonly losses: number[] = [];
  readonly spreads: Moment<Spread>[] = [];
  /** Whether the last loss is no number: then the weights are none either. */
  get diverged(): boolean {
    return this.losses.length > 0 && !Number.isFinite(this.losses.at(-1));
  }
  course(name: string): Course {
    return { name, steps: this.losses.map((_, n) => n + 1), loss: [...this.losses] };
  }
}

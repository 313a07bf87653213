/** Auxiliary classifiers: the same stack of Inception blocks, trained with and without them, side by side. */
import type { Engine } from "convnets";
import { BasicConv, convReLU, Inception, type InceptionWidths, inceptionChannels } from "convnets/models";
import { AdaptiveAvgPool2d, Linear, MaxPool2d, Module, Sequential, type Tensor } from "convnets/nn";
import { BATCH, batches, CLASSES, SET, SIDE } from "./images.ts";
import type { AuxiliaryResult, Moment, Question } from "./protocol.ts";
import { Trained } from "./training.ts";

/** As wide as trains in seconds. */
const WIDTHS: InceptionWidths = [8, 8, 12, 4, 6, 6];
const STEM = 16;
const EVERY = 4;
const RATE = 0.02;

/** Scores from middle maps: x [N, C, H, W] → [N, classes] */
class Head extends Module<Tensor> {
  readonly pool = new AdaptiveAvgPool2d(2);
  readonly fc: Linear;
  constructor(channels: number) {
    super();
    this.fc = new Linear(4 * channels, CLASSES);
  }
  forward(x: Tensor): Tensor {
    return this.fc.call(this.pool.call(x).flatten(1));
  }
}

/** Inception blocks on small images, with classifiers after a third and two thirds of them if they are asked for. */
export class AuxiliaryNet extends Module<Readonly<Record<string, Tensor>>> {
  readonly stem: Sequential;
  readonly blocks: Sequential;
  readonly fc: Linear;
  readonly aux1?: Head;
  readonly aux2?: Head;
  readonly #list: readonly Inception[];
  readonly #at: readonly [number, number];

  constructor(count: number, { normalized, auxiliary }: { readonly normalized: boolean; readonly auxiliary: boolean }) {
    super();
    const conv = normalized ? (...args: Parameters<typeof convReLU>) => new BasicConv(...args) : convReLU;
    const channels = inceptionChannels(WIDTHS);
    this.stem = new Sequential(conv(3, STEM, 3, { padding: 1 }), new MaxPool2d(2));
    this.#list = Array.from({ length: count }, (_, i) => new Inception(i === 0 ? STEM : channels, WIDTHS, { conv }));
    this.blocks = new Sequential(...this.#list);
    this.fc = new Linear(channels, CLASSES);
    this.#at = [Math.round(count / 3) - 1, Math.round((2 * count) / 3) - 1];
    if (!auxiliary) return;
    this.aux1 = new Head(channels);
    this.aux2 = new Head(channels);
  }

  forward(x: Tensor): Readonly<Record<string, Tensor>> {
    const outputs: Record<string, Tensor> = {};
    x = this.stem.call(x); // [N, 16, 8, 8]
    this.#list.forEach((block, i) => {
      x = block.call(x); // [N, 32, 8, 8]
      if (this.aux1 && i === this.#at[0]) outputs.aux1 = this.aux1.call(x);
      if (this.aux2 && i === this.#at[1]) outputs.aux2 = this.aux2.call(x);
    });
    return { logits: this.fc.call(x.mean([2, 3])), ...outputs };
  }
}

export type AuxiliaryQuestion = Extract<Question, { kind: "auxiliary" }>;

/** Blocks as the page names them, and the start of their weights' keys. */
const blocksOf = (count: number) => [
  { name: "stem", key: "stem." },
  ...Array.from({ length: count }, (_, i) => ({ name: `${i + 1}`, key: `blocks.${i}.` })),
];

export async function auxiliary(
  { weight, normalized, blocks: count, steps }: AuxiliaryQuestion,
  engine: Engine,
  report: (result: AuxiliaryResult) => void,
): Promise<void> {
  const start = performance.now();
  const shape = [BATCH, 3, SIDE, SIDE];
  const blocks = blocksOf(count);
  const data = batches("train", SET);
  const networks = [false, true].map((auxiliary) => new AuxiliaryNet(count, { normalized, auxiliary }));
  const lossWeights = { aux1: weight, aux2: weight };
  const trained = await Promise.all(
    networks.map((model, i) =>
      Trained.create(model, { engine, shape, gradients: true, ...(i === 1 && { lossWeights }) }),
    ),
  );
  const losses: [number[], number[]] = [[], []];
  const norms: [Moment<number>[], Moment<number>[]] = [[], []];
  const course = (i: 0 | 1) => ({
    name: i ? "with" : "without",
    steps: losses[i].map((_, n) => n + 1),
    loss: [...losses[i]],
  });
  const tell = (done: boolean) =>
    report({
      ...{ kind: "auxiliary", total: steps, blocks: blocks.map(({ name }) => name), done },
      ...{ without: course(0), with: course(1), norms: { without: [...norms[0]], with: [...norms[1]] } },
      seconds: (performance.now() - start) / 1000,
    });
  try {
    for (let n = 0; n < steps; n++) {
      const batch = data[n % data.length]!;
      for (const i of [0, 1] as const) {
        if (n % EVERY === 0)
          norms[i].push({
            step: n + 1,
            values: await trained[i]!.norms(
              batch,
              blocks.map(({ key }) => key),
            ),
          });
        losses[i].push(await trained[i]!.step(batch, RATE));
      }
      if (n % EVERY === EVERY - 1) tell(false);
    }
    tell(true);
  } finally {
    for (const one of trained) await one.dispose();
  }
}

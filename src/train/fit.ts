import type { Batch, Loader } from "../data/index.ts";
import { check, type Shape, type TensorData } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import type { Optimizer, Schedule } from "../optim/index.ts";
import type { Engine } from "../runtime/index.ts";
import { type Evaluation, Evaluator } from "./evaluate.ts";
import type { EpochEvent, Progress, TrainEvent, TrainingState } from "./events.ts";
import { oneHot, smoothed, type TrainingBatch, TrainingStep } from "./step.ts";

export interface FitOptions {
  readonly engine: Engine;
  readonly train: Loader;
  /** Evaluated after each epoch, if given. */
  readonly validation?: Loader;
  readonly epochs: number;
  readonly optimizer: Optimizer;
  readonly schedule: Schedule;
  /** Seed of dropout. Default 0. */
  readonly seed?: number;
  readonly dropout?: boolean;
  readonly labelSmoothing?: number;
  /** Weight of each output in the loss. Default: what the network's `spec` says of its auxiliary outputs, else 1. */
  readonly lossWeights?: Readonly<Record<string, number>>;
  readonly decays?: (key: string, shape: readonly number[]) => boolean;
  readonly clipNorm?: number;
  /** Decay of a moving average of the weights, which is then what is evaluated. */
  readonly ema?: number;
  /** Batches that make one update. Default 1. */
  readonly accumulate?: number;
  /** Stop after this many epochs without a better one. */
  readonly patience?: number;
  /** Updates between checkpoints within an epoch; there is one after each epoch in any case. */
  readonly checkpointEvery?: number;
  /** Stops the run after the step that runs, with a checkpoint. */
  readonly signal?: AbortSignal;
  /** Goes on from a saved state. */
  readonly resume?: TrainingState;
}

/** A loss or a weight that is not finite: the run cannot go on, what was saved before is good. */
export class DivergedError extends Error {
  override name = "DivergedError";
}

const REMEDY = "the training has diverged; lower the learning rate, warm it up, or clip the gradients";

const START: Progress = { epoch: 0, batch: 0, step: 0, lossSum: 0, correct: 0, images: 0, seconds: 0 };

/**
 * Trains a network, telling all that happens as events; leaving the loop ends the run. At its end the network holds the last
 * weights (their moving averages with `ema`).
 *
 *     for await (const event of fit(model, { engine, train, validation, epochs: 10, optimizer: sgd(), schedule: cosineRate(0.1) })) {
 *       if (event.type === "epoch") console.log(event.epoch, event.validation?.top1);
 *     }
 *
 * Throws a DivergedError where the loss is not finite.
 */
export async function* fit(model: Module, options: FitOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const { engine, train, validation, epochs, schedule, accumulate = 1, patience, signal, resume } = options;
  check(
    accumulate >= 1 && Number.isInteger(accumulate),
    () => `fit: accumulate has to be a whole number from 1, but is ${accumulate}`,
  );
  let progress = resume?.progress ?? START;
  const images = await inputShape(train);
  // with a batch size of 1 its own, so that what needs more than one image can say so
  const input = train.batchSize === 1 ? [1, ...images.slice(1)] : images;
  const step = await TrainingStep.create(model, { ...stepOptions(options), input });
  let evaluator: Evaluator | undefined;
  try {
    if (resume) step.restore(resume.tensors, progress.step, resume.file);
    const parameters = [...model.parameters()].map(([, parameter]) => parameter);
    const count = (list: typeof parameters) => list.reduce((sum, { numel }) => sum + numel, 0);
    const stepsPerEpoch = Math.ceil(train.batchesPerEpoch / accumulate);
    yield {
      type: "start",
      epochs,
      stepsPerEpoch,
      trainable: count(parameters.filter(({ requiresGrad }) => requiresGrad)),
      parameters: count(parameters),
      engine: engine.name,
      progress,
    };
    const classes = train.dataset.classes.length;
    check(
      classes <= step.numClasses,
      () => `fit: the network tells ${step.numClasses} classes apart, but ${train.dataset.name} has ${classes}`,
    );
    const saved = (at: Progress) => ({
      type: "checkpoint" as const,
      progress: at,
      state: async () => ({ progress: at, tensors: finite(await step.state(), at) }),
    });

    while (progress.epoch < epochs) {
      const { best } = progress;
      if (patience !== undefined && best && progress.batch === 0 && progress.epoch - 1 - best.epoch >= patience) {
        yield { type: "end", reason: "early stopping", epochs: progress.epoch, best };
        return;
      }
      let before = performance.now();
      const { epoch } = progress;
      for await (const batches of grouped(train.epoch(epoch, { from: progress.batch }), accumulate)) {
        const lr = schedule(epoch + progress.batch / train.batchesPerEpoch, epochs);
        const images = batches.reduce((sum, { labels }) => sum + labels.data.length, 0);
        const { loss, correct } = await step.run(
          batches.map((batch) => training(batch, step.numClasses, options)),
          lr,
        );
        if (!Number.isFinite(loss)) throw new DivergedError(diverged(loss, progress, lr));
        const now = performance.now();
        progress = {
          ...progress,
          seconds: progress.seconds + (now - before) / 1000,
          batch: batches.at(-1)!.index + 1,
          step: step.steps,
          lossSum: progress.lossSum + loss * images,
          correct: progress.correct + correct,
          images: progress.images + images,
        };
        const batch = Math.ceil(progress.batch / accumulate);
        yield {
          type: "step",
          epoch,
          batch,
          step: step.steps,
          loss,
          accuracy: correct / images,
          lr,
          images,
          seconds: (now - before) / 1000,
        };
        before = now;
        if (signal?.aborted && batch < stepsPerEpoch) {
          yield saved(progress);
          yield { type: "end", reason: "stopped", epochs: epoch, ...(best && { best }) };
          return;
        }
        const due = options.checkpointEvery !== undefined && step.steps % options.checkpointEvery === 0;
        if (due && batch < stepsPerEpoch) yield saved(progress);
      }
      const { seconds } = progress;

      let evaluation: Evaluation | undefined;
      if (validation) {
        evaluator ??= await Evaluator.create(model, { engine, input: await inputShape(validation) });
        for await (const event of evaluating(evaluator, validation, step, options, epoch)) {
          if (event.type === "evaluating") yield event;
          else evaluation = event.evaluation;
        }
        if (!evaluation) {
          yield saved(progress);
          yield { type: "end", reason: "stopped", epochs: epoch, ...(best && { best }) };
          return;
        }
      }
      if (evaluation && !Number.isFinite(evaluation.loss)) {
        throw new DivergedError(
          `the validation loss is ${evaluation.loss} after epoch ${epoch + 1} (step ${step.steps}): ${REMEDY}`,
        );
      }
      const value = evaluation ? evaluation.top1 : -progress.lossSum / progress.images;
      const better = best === undefined || value > best.value;
      const lr = schedule(epoch + 1, epochs);
      const done: EpochEvent = {
        type: "epoch",
        epoch,
        step: step.steps,
        lr,
        train: {
          loss: progress.lossSum / progress.images,
          accuracy: progress.correct / progress.images,
          images: progress.images,
          seconds,
        },
        ...(evaluation && { validation: evaluation }),
        utilisation: train.stats.utilisation,
        best: better,
        weights: async () => finite(await step.weights({ ema: options.ema !== undefined }), { step: step.steps }),
      };
      progress = { ...START, epoch: epoch + 1, step: step.steps, best: better ? { epoch, value } : best };
      yield done;
      yield saved(progress);
      if (signal?.aborted && progress.epoch < epochs) {
        yield { type: "end", reason: "stopped", epochs: progress.epoch, best: progress.best! };
        return;
      }
    }
    yield { type: "end", reason: "finished", epochs: progress.epoch, ...(progress.best && { best: progress.best }) };
  } finally {
    await step.sync({ ema: options.ema !== undefined });
    await step.dispose();
    await evaluator?.dispose();
  }
}

type Evaluated = { readonly type: "evaluated"; readonly evaluation: Evaluation };
type Evaluating = Extract<TrainEvent, { type: "evaluating" }>;

/** Evaluates, telling how far it is. Without a result where the signal stops it. */
async function* evaluating(
  evaluator: Evaluator,
  loader: Loader,
  step: TrainingStep,
  { ema, signal }: FitOptions,
  epoch: number,
): AsyncGenerator<Evaluating | Evaluated> {
  const weights = ema === undefined ? step.feeds : Object.fromEntries(await step.weights({ ema: true }));
  const total = loader.dataset.length;
  let images = 0;
  let wake = () => {};
  let finished = false;
  const result = evaluator
    .evaluate(loader, weights, {
      ...(signal && { signal }),
      onBatch: (count) => {
        images += count;
        wake();
      },
    })
    .finally(() => {
      finished = true;
      wake();
    });
  result.catch(() => {}); // it is awaited below
  while (!finished) {
    await new Promise<void>((resolve) => {
      wake = resolve;
      if (finished) resolve();
    });
    yield { type: "evaluating", epoch, images, total };
  }
  try {
    yield { type: "evaluated", evaluation: await result };
  } catch (error) {
    if (!signal?.aborted || error !== signal.reason) throw error;
  }
}

function stepOptions({ engine, optimizer, seed, dropout, lossWeights, decays, clipNorm, ema }: FitOptions) {
  return {
    engine,
    optimizer,
    ...(seed !== undefined && { seed }),
    ...(dropout !== undefined && { dropout }),
    ...(lossWeights && { lossWeights }),
    ...(decays && { decays }),
    ...(clipNorm !== undefined && { clipNorm }),
    ...(ema !== undefined && { ema }),
  };
}

/** The shape of a loader's batches, with their number left open. */
export async function inputShape(loader: Loader): Promise<Shape> {
  for await (const { images } of loader.epoch(0)) return ["N", ...images.shape.slice(1)];
  throw new Error(`fit: the data set ${loader.dataset.name} gives no batch`);
}

function training(
  { images, labels, targets }: Batch,
  numClasses: number,
  { labelSmoothing = 0 }: FitOptions,
): TrainingBatch {
  if (!targets) return { input: images, target: oneHot(labels.data, numClasses, labelSmoothing) };
  return { input: images, target: smoothed(targets, numClasses, labelSmoothing) };
}

async function* grouped(batches: AsyncIterable<Batch>, size: number): AsyncGenerator<Batch[]> {
  let group: Batch[] = [];
  for await (const batch of batches) {
    group.push(batch);
    if (group.length < size) continue;
    yield group;
    group = [];
  }
  if (group.length > 0) yield group;
}

/** The tensors, if all their numbers are finite: a broken state must not replace a good one. */
function finite(tensors: Map<string, TensorData>, { step }: Pick<Progress, "step">): Map<string, TensorData> {
  for (const [name, { data }] of tensors) {
    for (let i = 0; i < data.length; i++) {
      if (!Number.isFinite(Number(data[i]))) {
        throw new DivergedError(`after step ${step}, ${name} holds ${data[i]}: ${REMEDY}`);
      }
    }
  }
  return tensors;
}

function diverged(loss: number, { epoch, batch, step }: Progress, lr: number): string {
  return `the loss is ${loss} at step ${step + 1} (epoch ${epoch + 1}, after batch ${batch}, learning rate ${lr.toPrecision(3)}): ${REMEDY}`;
}

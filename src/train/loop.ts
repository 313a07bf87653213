import { type Collective, oneProcess, partOf } from "../cluster/index.ts";
import type { Batch, Loader } from "../data/index.ts";
import type { TensorData } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import type { Feeds } from "../runtime/index.ts";
import { Evaluator, StoppedEvaluation } from "./evaluate.ts";
import type { Evaluation } from "./evaluation.ts";
import type { EpochEvent, Progress, RankTimes, StepEvent, TrainEvent } from "./events.ts";
import { crossEntropyLoss } from "./losses.ts";
import { addTotals, defaultMetrics, metricValues } from "./metrics.ts";
import { type FitOptions, TRAINING_OPTIONS, type TrainingOptions } from "./options.ts";
import { TrainingStep } from "./step.ts";
import { checkDataset, targetFor } from "./target-for.ts";

/** The loss or a weight is not finite, so the training cannot continue; what was saved before is good. */
export class DivergedError extends Error {
  override name = "DivergedError";
}

const REMEDY = "the training has diverged; lower the learning rate, warm it up, or clip the gradients";

const START: Progress = { epoch: 0, batch: 0, step: 0, lossSum: 0, correct: 0, totals: {}, images: 0, seconds: 0 };

/** The training itself, as a stream of events; see `fit`. */
export async function* trainingLoop(model: Module, options: FitOptions): AsyncGenerator<TrainEvent, void, undefined> {
  const { engine, train, validation, epochs, schedule, accumulate = 1, patience, signal, resume } = options;
  const { loss: minimized = crossEntropyLoss() } = options;
  const { metrics = defaultMetrics(minimized), collective = oneProcess() } = options;
  const last = partOf(options.shards ?? collective.size, collective.size, collective.rank).to - 1;
  let progress = resume?.progress ?? START;
  const first = await train.first();
  const shapes = shapesOf(first, options);
  // with a batch size of 1 its own, so that what needs more than one image can say so
  const input = train.batchSize === 1 ? [1, ...shapes.input.slice(1)] : shapes.input;
  const step = await TrainingStep.create(model, { ...trainingOptions(options), ...shapes, input });
  let evaluator: Evaluator | undefined;
  try {
    const [batchSize = 0] = first.images.shape;
    if (batchSize > 1) await step.prepare(batchSize);
    if (resume) step.restore(resume.tensors, progress.step, resume.file);
    progress = await sameState(step, progress, options);
    checkDataset(train.dataset, minimized, step.targetSize);
    const parameters = [...model.parameters()].map(([, parameter]) => parameter);
    const count = (list: typeof parameters) => list.reduce((sum, { numel }) => sum + numel, 0);
    const stepsPerEpoch = Math.ceil(train.batchesPerEpoch / accumulate);
    yield {
      type: "start",
      epochs,
      stepsPerEpoch,
      trainable: count(parameters.filter(({ requiresGrad }) => requiresGrad)),
      parameters: count(parameters),
      engine: collective.size > 1 ? `${engine.name}, in each of ${collective.size} ranks` : engine.name,
      progress,
    };
    const saved = async (at: Progress) => {
      const errors = await step.errors();
      const state = async () => new Map([...(await step.state()), ...errors]);
      return {
        type: "checkpoint" as const,
        progress: at,
        state: async () => ({ progress: at, tensors: finite(await state(), at) }),
      };
    };

    while (progress.epoch < epochs) {
      const { best } = progress;
      if (patience !== undefined && best && progress.batch === 0 && progress.epoch - 1 - best.epoch >= patience) {
        yield { type: "end", reason: "early stopping", epochs: progress.epoch, best };
        return;
      }
      let before = performance.now();
      const { epoch } = progress;
      // in the last epoch, graphs that are not needed any more give back their memory, unless it is a GPU's, where tensors may lie in it
      const givesBack = epoch === epochs - 1 && engine.hold !== undefined;
      for await (const batches of grouped(train.epoch(epoch, { from: progress.batch }), accumulate, last)) {
        const lr = schedule(epoch + progress.batch / train.batchesPerEpoch, epochs);
        const loaded = performance.now();
        if (givesBack && batches.at(-1)!.index + 1 === train.batchesPerEpoch)
          await step.release(batches.map(({ images }) => images.shape[0]!));
        const result = await step.run(
          batches.map((batch) => ({
            input: batch.images,
            target: targetFor(batch, minimized, step.targetSize, train.dataset),
            ...(batch.shard !== undefined && { shard: batch.shard }),
          })),
          lr,
        );
        const { loss, correct, gradientNorm, gradientNorms, images } = result;
        if (!Number.isFinite(loss)) throw new DivergedError(diverged(loss, progress, lr));
        const { stop, ranks } = await agree(collective, signal, {
          waited: (loaded - before) / 1000,
          computed: (performance.now() - loaded) / 1000 - (result.communication ?? 0),
        });
        const now = performance.now();
        const seconds = (now - before) / 1000;
        before = now;
        progress = {
          ...progress,
          seconds: progress.seconds + seconds,
          batch: batches.at(-1)!.index + 1,
          step: step.steps,
          lossSum: progress.lossSum + loss * images,
          correct: progress.correct + correct,
          totals: addTotals(progress.totals ?? {}, result.totals),
          images: progress.images + images,
        };
        const batch = Math.ceil(progress.batch / accumulate);
        yield {
          ...{
            type: "step",
            epoch,
            batch,
            step: step.steps,
            loss,
            accuracy: correct / images,
            metrics: result.metrics,
          },
          ...{
            lr,
            images,
            seconds,
            ...(gradientNorm !== undefined && { gradientNorm }),
            ...(gradientNorms && { gradientNorms }),
          },
          ...(ranks && { ranks }),
        } satisfies StepEvent as StepEvent;
        if ((ranks ? stop : signal?.aborted) && batch < stepsPerEpoch) {
          yield await saved(progress);
          yield { type: "end", reason: "stopped", epochs: epoch, ...(best && { best }) };
          return;
        }
        const due = options.checkpointEvery !== undefined && step.steps % options.checkpointEvery === 0;
        if (due && batch < stepsPerEpoch) yield await saved(progress);
      }

      if (givesBack) await step.release();
      let evaluation: Evaluation | undefined;
      if (validation) {
        const { fixed, fed } = await weightsOf(model, step, options);
        evaluator ??= await Evaluator.create(model, {
          ...{ engine, loss: minimized, metrics },
          ...shapesOf(await validation.first(), options),
          ...(fixed && { weights: fixed }),
        });
        for await (const event of evaluating(evaluator, validation, fed, options, epoch)) {
          if (event.type === "evaluating") yield event;
          else evaluation = event.evaluation;
        }
        if (fixed) {
          await evaluator.dispose();
          evaluator = undefined;
        }
        if (!evaluation) {
          yield await saved(progress);
          yield { type: "end", reason: "stopped", epochs: epoch, ...(best && { best }) };
          return;
        }
      }
      if (evaluation && !Number.isFinite(evaluation.loss)) {
        throw new DivergedError(
          `the validation loss is ${evaluation.loss} after epoch ${epoch + 1} (step ${step.steps}): ${REMEDY}`,
        );
      }
      const value = scoreOf(evaluation, progress);
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
          metrics: metricValues(metrics, progress.totals ?? {}, progress.images),
          images: progress.images,
          seconds: progress.seconds,
        },
        ...(evaluation && { validation: evaluation }),
        utilisation: train.stats.utilisation,
        best: better,
        weights: async () => finite(await step.weights({ ema: options.ema !== undefined }), { step: step.steps }),
      };
      progress = { ...START, epoch: epoch + 1, step: step.steps, best: better ? { epoch, value } : best };
      yield done;
      yield await saved(progress);
      if ((await agree(collective, signal)).stop && progress.epoch < epochs) {
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

/** What decides which epoch is the best, larger is better: top-1 of a classification, else the negative loss. */
function scoreOf(evaluation: Evaluation | undefined, { lossSum, images }: Progress): number {
  if (!evaluation) return -lossSum / images;
  return Number.isNaN(evaluation.top1) ? -evaluation.loss : evaluation.top1;
}

type Evaluated = { readonly type: "evaluated"; readonly evaluation: Evaluation };
type Evaluating = Extract<TrainEvent, { type: "evaluating" }>;

/**
 * The weights to evaluate. Where the engine computes in JavaScript's memory they are fixed, so that it can prepare them for speed: views of the
 * network's arrays, which do not change before the evaluation is done and are not copied. Elsewhere they are fed at each run.
 */
async function weightsOf(
  model: Module,
  step: TrainingStep,
  { engine, ema }: FitOptions,
): Promise<{ readonly fixed?: ReadonlyMap<string, TensorData>; readonly fed: Feeds }> {
  const averaged = ema === undefined ? undefined : await step.weights({ ema: true });
  if (!engine.hold) return { fed: averaged ? Object.fromEntries(averaged) : step.feeds };
  const view = (tensor: TensorData) => ({ ...tensor, data: tensor.data.subarray() }) as TensorData;
  return { fed: {}, fixed: averaged ?? new Map([...model.stateDict()].map(([key, tensor]) => [key, view(tensor)])) };
}

/** Evaluates and reports how far it is. Without a result if the signal stops it. */
async function* evaluating(
  evaluator: Evaluator,
  loader: Loader,
  weights: Feeds,
  { signal, worst, collective }: FitOptions,
  epoch: number,
): AsyncGenerator<Evaluating | Evaluated> {
  const total = loader.dataset.length;
  let images = 0;
  let wake = () => {};
  let finished = false;
  const result = evaluator
    .evaluate(loader, weights, {
      ...(signal && { signal }),
      ...(worst !== undefined && { worst }),
      ...(collective && { collective }),
      onBatch: (count) => {
        images = Math.min(total, images + count * (collective?.size ?? 1));
        wake();
      },
    })
    .finally(() => {
      finished = true;
      wake();
    });
  result.catch(() => {}); // awaited below
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
    if (!(error instanceof StoppedEvaluation) && (!signal?.aborted || error !== signal.reason)) throw error;
  }
}

/** The options that a step and `fit` share. */
const trainingOptions = (options: FitOptions): TrainingOptions =>
  Object.fromEntries(
    TRAINING_OPTIONS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  ) as unknown as TrainingOptions;

/** Shapes of a loader's batches, their size left open; of targets only for losses that do not tell it. */
function shapesOf({ images, targets }: Batch, { loss }: FitOptions) {
  const open = (shape: readonly number[]) => ["N", ...shape.slice(1)];
  return {
    input: open(images.shape),
    ...(typeof loss === "function" && targets && { target: open(targets.shape) }),
  };
}

/** Groups of as many batches; if they come in shards, a batch is complete with the shard `last`. */
async function* grouped(batches: AsyncIterable<Batch>, size: number, last: number): AsyncGenerator<Batch[]> {
  let group: Batch[] = [];
  let complete = 0;
  for await (const batch of batches) {
    group.push(batch);
    if ((batch.shard ?? last) === last) complete++;
    if (complete < size) continue;
    yield group;
    group = [];
    complete = 0;
  }
  if (group.length > 0) yield group;
}

/** What rank 0 starts from, on every rank: a file of weights or of a state has to be on one host only. */
async function sameState(
  step: TrainingStep,
  progress: Progress,
  { collective = oneProcess(), resume }: FitOptions,
): Promise<Progress> {
  if (collective.size === 1) return progress;
  const tensors = async () => resume?.tensors ?? (await step.state());
  const own = collective.rank === 0 ? { progress, tensors: await tensors() } : undefined;
  const shared = (await collective.broadcast(own))!;
  if (collective.rank > 0) step.restore(shared.tensors, shared.progress.step, "the state of rank 0");
  return shared.progress;
}

/** Whether any rank is to stop, and how long each of them took. */
async function agree(
  { size, hosts, gather }: Collective,
  signal: AbortSignal | undefined,
  times = { waited: 0, computed: 0 },
): Promise<{ stop: boolean; ranks?: RankTimes[] }> {
  const stop = signal?.aborted === true;
  if (size === 1) return { stop };
  const all = await gather({ ...times, stop });
  return {
    stop: all.some((one) => one.stop),
    ranks: all.map(({ waited, computed }, rank) => ({ rank, host: hosts[rank]!, waited, computed })),
  };
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

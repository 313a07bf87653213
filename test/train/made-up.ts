/** Trainings that never ran, as streams of events: every number is a function of the step. */
import { Random } from "../../src/random.ts";
import type { Evaluation, TrainEvent } from "../../src/train/index.ts";

export interface Course {
  readonly epochs?: number;
  readonly stepsPerEpoch?: number;
  readonly classes?: number;
  /** Updates done before: the stream goes on from there. */
  readonly from?: number;
  /** Step after which it is stopped. */
  readonly stopAfter?: number;
  readonly validation?: boolean;
}

const IMAGES = 64;

export function* course(options: Course = {}): Generator<TrainEvent> {
  const { epochs = 3, stepsPerEpoch = 5, classes = 10, from = 0, stopAfter, validation = true } = options;
  const begun = { lossSum: 0, correct: 0, images: 0, seconds: 0 };
  const progress = { epoch: Math.floor(from / stepsPerEpoch), batch: from % stepsPerEpoch, step: from, ...begun };
  const engine = "made up";
  yield { type: "start", epochs, stepsPerEpoch, trainable: 1234567, parameters: 1234567, engine, progress };
  const best = (epoch: number) => ({ epoch, value: evaluation(epoch, classes).top1 });
  for (let step = from + 1; step <= epochs * stepsPerEpoch; step++) {
    const epoch = Math.floor((step - 1) / stepsPerEpoch);
    const batch = step - epoch * stepsPerEpoch;
    const t = step / (epochs * stepsPerEpoch);
    const loss = 2.3 * Math.exp(-2 * t) + 0.2 * new Random(step, "loss").uniform();
    const accuracy = Math.round(IMAGES * (1 - Math.exp(-3 * t))) / IMAGES;
    const lr = 0.05 * (1 + Math.cos(Math.PI * t));
    yield {
      type: "step",
      epoch,
      batch,
      step,
      loss,
      accuracy,
      metrics: { accuracy },
      lr,
      images: IMAGES,
      seconds: 0.25,
    };
    const at = { ...progress, epoch, batch, step };
    if (step === stopAfter) {
      yield { type: "checkpoint", progress: at, state: () => Promise.reject(new Error("nothing to save")) };
      yield { type: "end", reason: "stopped", epochs: epoch };
      return;
    }
    if (batch < stepsPerEpoch) continue;
    const images = IMAGES * stepsPerEpoch;
    if (validation) {
      for (const part of [0.5, 1]) yield { type: "evaluating", epoch, images: 1000 * part, total: 1000 };
    }
    yield {
      type: "epoch",
      epoch,
      step,
      lr,
      train: { loss, accuracy, metrics: { accuracy }, images, seconds: 0.25 * stepsPerEpoch },
      ...(validation && { validation: evaluation(epoch, classes) }),
      utilisation: 0.98,
      best: true,
      weights: async () => new Map(),
    };
    yield { type: "checkpoint", progress: at, state: () => Promise.reject(new Error("nothing to save")) };
  }
  yield { type: "end", reason: "finished", epochs, best: best(epochs - 1) };
}

/** Better from epoch to epoch; class 0 is often taken for class 1, and the last class has no images. */
export function evaluation(epoch: number, classes: number): Evaluation {
  const missed = Math.max(2, 40 - 10 * epoch);
  const confusion = Array.from({ length: classes }, (_, label) =>
    Array.from({ length: classes }, (_, predicted) => {
      if (label === classes - 1) return 0;
      if (label === predicted) return 100 - missed;
      return predicted === (label + 1) % classes ? missed : 0;
    }),
  );
  const total = (row: readonly number[]) => row.reduce((sum, count) => sum + count, 0);
  const images = confusion.flat().reduce((sum, count) => sum + count, 0);
  const right = confusion.reduce((sum, row, k) => sum + row[k]!, 0);
  return {
    images,
    loss: 0.3 + 1 / (epoch + 1),
    metrics: { accuracy: right / images },
    top1: right / images,
    top5: 1 - missed / 400,
    perClass: confusion.map((row, k) => row[k]! / total(row)),
    confusion,
    worst: Array.from({ length: 12 }, (_, i) => ({
      sample: 7 * i,
      label: i % (classes - 1),
      predicted: (i + 1) % classes,
      probability: 0.99 - i / 50,
    })),
    seconds: 1.5,
  };
}

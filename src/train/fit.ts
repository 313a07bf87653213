import { check } from "../graph/index.ts";
import type { Module } from "../nn/index.ts";
import type { EndEvent, EpochEvent, TrainEvent } from "./events.ts";
import { trainingLoop } from "./loop.ts";
import { checkTraining, type FitOptions } from "./options.ts";

/** How a training went. */
export interface FitResult {
  /** Epochs that are complete. */
  readonly epochs: number;
  readonly reason: EndEvent["reason"];
  /** The best epoch, from 0, and its top-1 accuracy, or its negative loss if nothing is classified or validated. */
  readonly best?: EndEvent["best"];
  /** What was measured after each epoch. */
  readonly history: readonly Omit<EpochEvent, "type" | "weights">[];
}

/** A training: iterate over its events, or await its result; either starts it. */
export interface Fit extends AsyncIterable<TrainEvent>, PromiseLike<FitResult> {}

/**
 * Trains a network. At the end, the network holds the last weights (their moving averages with `ema`).
 *
 *     const { history } = await fit(model, { engine, train, validation, epochs: 10, optimizer: sgd(), schedule: cosineRate(0.1) });
 *
 *     for await (const event of fit(model, { … })) {
 *       if (event.type === "epoch") console.log(event.epoch, event.validation?.top1);
 *     }
 *
 * It starts when it is awaited or iterated over; leaving the loop ends it. Events number epochs from 0.
 *
 * Throws for unknown or impossible options; rejects if the data do not go with the loss, or the network is in evaluation form as a
 * whole, and with a DivergedError if the loss is not finite.
 */
export function fit(model: Module, options: FitOptions): Fit {
  checkFit(options);
  const history: FitResult["history"][number][] = [];
  let end: EndEvent | undefined;
  const events = (async function* () {
    for await (const event of trainingLoop(model, options)) {
      if (event.type === "epoch") {
        const { type: _type, weights: _weights, ...measured } = event;
        history.push(measured);
      }
      if (event.type === "end") end = event;
      yield event;
    }
  })();
  const finish = async (): Promise<FitResult> => {
    for await (const _ of events) {
      // each is recorded above
    }
    const { epochs, reason, best } = end ?? ({ epochs: history.length, reason: "stopped" } as const as EndEvent);
    return { epochs, reason, history, ...(best && { best }) };
  };
  let result: Promise<FitResult> | undefined;
  return {
    [Symbol.asyncIterator]: () => events,
    // biome-ignore lint/suspicious/noThenProperty: a training is awaited like a promise
    then(onFulfilled, onRejected) {
      result ??= finish();
      return result.then(onFulfilled, onRejected);
    },
  };
}

const FIT_OPTIONS = [
  ...["train", "validation", "epochs", "schedule", "accumulate", "patience", "checkpointEvery", "signal", "resume"],
  "worst",
];

function checkFit(options: FitOptions): void {
  checkTraining("fit", options, FIT_OPTIONS);
  const { engine, train, epochs, schedule, accumulate, patience, checkpointEvery } = options;
  check(
    typeof engine?.compile === "function",
    () => "fit: an engine is needed: engine: nodeEngine(), from convnets/node",
  );
  check(
    typeof train?.epoch === "function",
    () => "fit: `train` has to be a loader: train: dataLoader(dataset, { batchSize: 32, shuffle: true })",
  );
  check(
    typeof schedule === "function",
    () => "fit: a schedule of the learning rate is needed, such as schedule: cosineRate(0.1)",
  );
  const whole = { epochs, accumulate: accumulate ?? 1, patience: patience ?? 1, checkpointEvery: checkpointEvery ?? 1 };
  for (const [name, value] of Object.entries(whole))
    check(
      Number.isInteger(value) && value >= 1,
      () => `fit: ${name} has to be a whole number ≥ 1, but ${value === undefined ? "is missing" : `is ${value}`}`,
    );
}
